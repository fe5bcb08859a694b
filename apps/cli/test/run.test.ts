import { describe, expect, it } from 'vitest'
import type { Command } from '../src/command.js'
import { commands } from '../src/commands.js'
import { Failure } from '../src/failure.js'
import { tarazed } from './world.js'

const about = { en: 'does nothing', zh: '什么也不做' }

function command(run: Command['run'], more: Partial<Command> = {}): Command {
  return { path: ['try', 'it'], about, examples: [{ line: 'tarazed try it', about }], run, ...more }
}

describe('tarazed', () => {
  it('shows every command without arguments', async () => {
    const { exit, out } = await tarazed([])
    expect(exit).toBe(0)
    for (const { path } of commands) expect(out).toContain(path.join(' '))
  })

  it('has a page of help with an example for every command, in both languages', async () => {
    for (const { path, about: words } of commands) {
      const english = await tarazed([...path, '--help'])
      expect(english).toMatchObject({ exit: 0, err: '' })
      expect(english.out).toContain(words.en)
      expect(english.out).toContain(`tarazed ${path.join(' ')}`)
      const chinese = await tarazed([...path, '--help'], { env: { LANG: 'zh_CN.UTF-8' } })
      expect(chinese.out).toContain(words.zh)
      expect(chinese.out).toContain('示例')
    }
  })

  it('prints its version', async () => {
    expect(await tarazed(['--version'])).toEqual({ exit: 0, out: '1.2.3\n', err: '' })
  })

  it('proposes the command that was probably meant, and ends with 2', async () => {
    const { exit, err } = await tarazed(['doctr'])
    expect(exit).toBe(2)
    expect(err).toContain('did you mean "doctor"')
  })

  it('tells a failure in the language of the user and ends with 1', async () => {
    const failing = command(() => Promise.reject(new Failure({ en: 'no bread', zh: '没有面包' })))
    const chinese = await tarazed(['try', 'it', '--lang', 'zh'], { commands: [failing] })
    expect(chinese).toEqual({ exit: 1, out: '', err: '没有面包\n' })
    const english = await tarazed(['try', 'it'], { commands: [failing] })
    expect(english).toEqual({ exit: 1, out: '', err: 'no bread\n' })
  })

  it('calls an error of ours internal, with its stack', async () => {
    const broken = command(() => Promise.reject(new TypeError('x is not a function')))
    const { exit, err } = await tarazed(['try', 'it'], { commands: [broken] })
    expect(exit).toBe(1)
    expect(err).toMatch(/^internal: .*\n.*x is not a function[^]*run\.test\.ts/)
  })

  it('says that it was interrupted and ends with 130', async () => {
    const controller = new AbortController()
    const slow = command(async () => controller.abort())
    const outcome = await tarazed(['try', 'it'], { commands: [slow], signal: controller.signal })
    expect(outcome).toEqual({ exit: 130, out: '', err: 'Interrupted\n' })
  })
})

describe('arguments of a command', () => {
  const options = {
    size: { kind: 'integer', value: 'N', range: [1, 10], about },
    rate: { kind: 'number', range: [0, Infinity], about },
    name: { kind: 'text', short: 'n', choices: ['a', 'b'], about },
    stop: { kind: 'texts', about },
    fast: { kind: 'flag', about },
  } as const
  const seen: unknown[] = []
  const echo = command(
    async (values) => {
      seen.push([values.number('size'), values.number('rate'), values.text('name'), values.texts('stop')])
      seen.push([values.flag('fast'), values.positionals])
    },
    {
      options,
      arguments: [
        { name: 'FROM', about },
        { name: 'TO', optional: true, about },
      ],
    },
  )
  const line = (text: string) => tarazed(['try', 'it', ...text.split(' ')], { commands: [echo] })

  it('are read by kind', async () => {
    seen.length = 0
    expect(await line('here --size 3 --rate=0.5 -n a --stop x --stop y there --fast')).toMatchObject({ exit: 0 })
    expect(seen).toEqual([
      [3, 0.5, 'a', ['x', 'y']],
      [true, ['here', 'there']],
    ])
  })

  it.each([
    ['here --size 11', '--size takes a whole number from 1 to 10, got "11"'],
    ['here --size 1.5', '--size takes a whole number'],
    ['here --rate fast', '--rate takes a number of at least 0, got "fast"'],
    ['here --name c', '--name takes one of a, b, got "c"'],
    ['here --name', '--name takes a value'],
    ['here --size --fast', '--size takes a value'],
    ['here --fast=yes', '--fast takes no value'],
    ['here --speed 3', 'There is no option --speed'],
    ['here there everywhere', '"everywhere" is one argument too many'],
    ['--fast', 'FROM is missing'],
  ])('are refused: %s', async (text, message) => {
    const { exit, err } = await line(text)
    expect(exit).toBe(2)
    expect(err).toContain(message)
    expect(err).toContain('See tarazed try it --help')
  })
})
