import { describe, expect, it } from 'vitest'
import { messagesIn } from '../start/speak.js'
import { byteSize, clockTime, createProgress, cutToColumns } from '../start/progress.js'

const figures = { step: 50, total: 100, loss: 3.25, tokensPerSecond: 12345, elapsed: '0:05', left: '0:05' }

function shownOn(screen: { isTTY?: boolean; columns?: number }, env: NodeJS.ProcessEnv = {}) {
  const written: string[] = []
  let time = 0
  const progress = createProgress({
    screen: { ...screen, write: (text) => written.push(text) },
    say: messagesIn('en'),
    env,
    now: () => time,
  })
  return { progress, output: () => written.join(''), wait: (ms: number) => (time += ms) }
}

describe('progress', () => {
  it('writes plain lines where there is no terminal', () => {
    const { progress, output } = shownOn({})
    progress.show(figures)
    progress.note('a note')
    progress.end()
    expect(output()).toBe('step 50/100  loss 3.250  12345 tokens/s  0:05 elapsed  0:05 left\na note\n')
  })

  it('redraws a coloured bar on a terminal and keeps notes above it', () => {
    const { progress, output } = shownOn({ isTTY: true, columns: 200 })
    progress.show(figures)
    progress.note('a note')
    expect(output()).toContain(`\x1b[36m${'█'.repeat(12)}${'░'.repeat(12)}\x1b[0m step 50/100`)
    expect(output().indexOf('a note\n')).toBeLessThan(output().lastIndexOf('█'))
  })

  it('uses no colour under NO_COLOR and no control sequence on a dumb terminal', () => {
    const plain = shownOn({ isTTY: true, columns: 200 }, { NO_COLOR: '1' })
    plain.progress.show(figures)
    expect(plain.output()).not.toContain('\x1b[36m')
    const dumb = shownOn({ isTTY: true }, { TERM: 'dumb' })
    dumb.progress.show(figures)
    expect(dumb.output()).not.toContain('\x1b')
  })

  it('is due five times a second on a terminal, every five seconds elsewhere', () => {
    const live = shownOn({ isTTY: true })
    live.progress.show(figures)
    live.wait(100)
    expect(live.progress.due()).toBe(false)
    live.wait(100)
    expect(live.progress.due()).toBe(true)
    const plain = shownOn({})
    plain.progress.show(figures)
    plain.wait(4999)
    expect(plain.progress.due()).toBe(false)
  })

  it('never writes a line longer than a narrow terminal', () => {
    const { progress, output } = shownOn({ isTTY: true, columns: 40 }, { NO_COLOR: '1' })
    progress.show(figures)
    const line = output().replace('\r\x1b[2K', '')
    expect(line.length).toBeLessThan(40)
  })

  it('counts Chinese characters as two columns', () => {
    expect(cutToColumns('第一步ab', 6)).toBe('第一步')
    expect(cutToColumns('第一步ab', 7)).toBe('第一步a')
  })

  it('formats times and sizes', () => {
    expect([0, 83_000, 3_600_000 + 61_000].map(clockTime)).toEqual(['0:00', '1:23', '1:01:01'])
    expect([5, 1536, 2_500_000].map(byteSize)).toEqual(['5 B', '1.5 KB', '2.5 MB'])
  })
})
