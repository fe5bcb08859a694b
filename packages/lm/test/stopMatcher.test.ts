import { describe, expect, it } from 'vitest'
import { StopMatcher } from '../src/generation/stopMatcher.js'
import { randomNumbers } from './naiveSampling.js'

/** All text that is let through, and what stopped it. */
function run(stops: readonly string[], pieces: readonly string[]): { text: string; stoppedBy: string | null } {
  const matcher = new StopMatcher(stops)
  let text = ''
  for (const piece of pieces) {
    const matched = matcher.push(piece)
    text += matched.text
    if (matched.stoppedBy !== null) return { text, stoppedBy: matched.stoppedBy }
  }
  return { text: text + matcher.flush(), stoppedBy: null }
}

describe('a stop string', () => {
  it('ends the text before it, also when pieces cut it', () => {
    expect(run(['###'], ['Hello #', '#', '# Human'])).toEqual({ text: 'Hello ', stoppedBy: '###' })
    expect(run(['</s>'], ['a</s', '>b'])).toEqual({ text: 'a', stoppedBy: '</s>' })
  })

  it('is held back only as long as the text may be its beginning', () => {
    const matcher = new StopMatcher(['###'])
    expect(['a#', '#', 'b', '#'].map((piece) => matcher.push(piece).text)).toEqual(['a', '', '##b', ''])
    expect(matcher.flush()).toBe('#')
  })

  it('counts when it is complete first, of those complete together the longest', () => {
    expect(run(['abcd', 'c'], ['xabcd'])).toEqual({ text: 'xab', stoppedBy: 'c' })
    expect(run(['bc', 'abc'], ['xabc'])).toEqual({ text: 'x', stoppedBy: 'abc' })
  })

  it('cuts at the same place however the text comes in pieces', () => {
    const next = randomNumbers(4)
    const letters = (most: number): string =>
      Array.from({ length: 1 + Math.floor(next() * most) }, () => 'ab#'[Math.floor(next() * 3)]).join('')
    for (let trial = 0; trial < 2000; trial++) {
      const stops = Array.from({ length: 1 + Math.floor(next() * 3) }, () => letters(4))
      const text = letters(20)
      const pieces: string[] = []
      for (let at = 0; at < text.length;) {
        const size = 1 + Math.floor(next() * 5)
        pieces.push(text.slice(at, at + size))
        at += size
      }
      const byLetter = run(stops, [...text])
      expect(run(stops, pieces)).toEqual(byLetter)
      if (byLetter.stoppedBy === null) expect(byLetter.text).toBe(text)
      else expect(text.startsWith(byLetter.text + byLetter.stoppedBy)).toBe(true)
    }
  })
})
