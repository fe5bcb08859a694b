import { describe, expect, it } from 'vitest'
import { Failure, describeFailure } from '../start/failure.js'
import { messagesIn } from '../start/speak.js'
import { readOptions, requestedLanguage } from '../start/options.js'

const refusal = (...args: string[]) => {
  try {
    readOptions(args, {})
  } catch (error) {
    return describeFailure(error, messagesIn('en'))
  }
  return 'accepted'
}

describe('options', () => {
  it('reads flags with = and with a space', () => {
    expect(readOptions(['--corpus', 'texts', '--steps=20'], {})).toMatchObject({ corpus: 'texts', steps: 20 })
  })

  it('leaves out what was not given, so that defaults apply', () => {
    expect(readOptions([], {})).toEqual({ help: false, lang: 'en', sample: 120 })
  })

  it('takes the language from --lang, else from the locale', () => {
    expect(readOptions([], { LANG: 'zh_CN.UTF-8' }).lang).toBe('zh')
    expect(readOptions([], { LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }).lang).toBe('en')
    expect(readOptions(['--lang', 'zh'], { LANG: 'en_US.UTF-8' }).lang).toBe('zh')
    expect(requestedLanguage(['--stpes', '3', '--lang=zh'], {})).toBe('zh')
  })

  it.each([
    [['--steps', 'many'], '--steps takes a whole number from 1 to 10000000, got "many"'],
    [['--steps', '0'], 'got "0"'],
    [['--steps', '1.5'], 'got "1.5"'],
    [['--steps', ''], 'got ""'],
    [['--threads', '1e9'], 'got "1e9"'],
    [['--seed=-1'], 'got "-1"'],
    [['--stpes', '3'], '--stpes'],
    [['texts'], 'texts'],
    [['--corpus'], '--corpus'],
    [['--lang', 'fr'], '--lang takes en or zh, got "fr"'],
    [['--width', '100'], 'multiple of 32'],
    [['--steps', '3', '--seconds', '3'], 'not both'],
    [['--resume', 'x', '--seed', '1'], '--seed belongs to the run'],
    [['--resume', 'x', '--corpus', 'y'], '--corpus belongs to the run'],
    [['--vocab', '100'], 'from 265 to 100000, got "100"'],
  ])('refuses %j in plain words', (args, words) => {
    expect(refusal(...args)).toContain(words)
  })

  it('tells of a full disk, a forbidden folder and a bug in different words', () => {
    const system = (code: string) => Object.assign(new Error(code), { code, path: '/x' })
    const say = messagesIn('en')
    expect(describeFailure(system('ENOSPC'), say)).toContain('The disk is full (/x)')
    expect(describeFailure(system('EACCES'), say)).toContain('No permission for /x')
    expect(describeFailure(new TypeError('oops'), say)).toMatch(/^internal: .*report it\nTypeError: oops/s)
    expect(describeFailure(new Failure((words) => words.badWidth(3)), messagesIn('zh'))).toContain('32 的倍数')
  })

  it('speaks both languages everywhere and names every flag in both helps', () => {
    const [english, chinese] = [messagesIn('en'), messagesIn('zh')]
    expect(Object.keys(chinese).sort()).toEqual(Object.keys(english).sort())
    const flags = (help: string) => [...new Set(help.match(/--[a-z]+/g))].sort()
    expect(flags(chinese.help)).toEqual(flags(english.help))
    for (const flag of flags(english.help)) expect(refusal(flag)).not.toContain('Unknown option')
  })
})
