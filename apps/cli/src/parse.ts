/** Reads a command's arguments. */
import { parseArgs } from 'node:util'
import type { Argument, Command, Option, Values } from './command.js'
import { UsageFailure } from './failure.js'
import { nearest } from './nearest.js'

/** Options that every command has. */
export const COMMON: Readonly<Record<string, Option>> = {
  lang: {
    kind: 'text',
    value: 'en|zh',
    choices: ['en', 'zh'],
    byDefault: 'LANG',
    about: { en: 'language of messages', zh: '消息语言' },
  },
  help: { kind: 'flag', short: 'h', about: { en: 'this page', zh: '本页' } },
}

/**
 * @param args what follows the command's name
 * @throws UsageFailure for an unknown option, a missing or extra argument, or a value out of range
 */
export function parseValues(command: Command, args: readonly string[]): Values {
  const options = { ...command.options, ...COMMON }
  const { values, positionals } = parsed(options, args)
  for (const [name, value] of Object.entries(values)) checkValue(name, options[name], value)
  if (values.help !== true) checkCount(command.arguments ?? [], positionals)
  return {
    positionals,
    text: (name) => values[name] as string | undefined,
    texts: (name) => (values[name] as string[] | undefined) ?? [],
    number: (name) => (values[name] === undefined ? undefined : Number(values[name])),
    flag: (name) => values[name] === true,
  }
}

type Parsed = Record<string, string | boolean | string[] | undefined>

function parsed(options: Readonly<Record<string, Option>>, args: readonly string[]) {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { kind, short }]) => [
      name,
      { type: kind === 'flag' ? 'boolean' : 'string', multiple: kind === 'texts', ...(short && { short }) } as const,
    ]),
  )
  const known = new Set(Object.keys(options))
  const { tokens } = parseArgs({
    args: [...args],
    options: config,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!known.has(token.name)) throw unknownOption(token.rawName, token.name, [...known])
    const { kind, value } = options[token.name]
    if (kind === 'flag' && token.value !== undefined) throw flagWithValue(token.rawName)
    if (kind !== 'flag' && (token.value === undefined || looksLikeOption(token, known)))
      throw missingValue(token.rawName, value)
  }
  const { values, positionals } = parseArgs({ args: [...args], options: config, allowPositionals: true, strict: false })
  return { values: values as Parsed, positionals }
}

/** `--out --json`: the value was forgotten. A value that begins with a dash is written `--prompt=-x`. */
function looksLikeOption(token: { value?: string; inlineValue?: boolean }, known: ReadonlySet<string>): boolean {
  const { value = '', inlineValue } = token
  return !inlineValue && value.startsWith('--') && known.has(value.slice(2).split('=')[0])
}

function unknownOption(raw: string, name: string, known: readonly string[]): UsageFailure {
  const near = nearest(name, known)
  return new UsageFailure({
    en: `There is no option ${raw}${near === undefined ? '' : `; did you mean --${near}?`}`,
    zh: `没有选项 ${raw}${near === undefined ? '' : `；是否想用 --${near}？`}`,
  })
}

function flagWithValue(raw: string): UsageFailure {
  return new UsageFailure({ en: `${raw} takes no value`, zh: `${raw} 不带值` })
}

function missingValue(raw: string, value = 'VALUE'): UsageFailure {
  return new UsageFailure({
    en: `${raw} takes a value: ${raw} ${value} (one that begins with a dash: ${raw}=-x)`,
    zh: `${raw} 需要一个值：${raw} ${value}（以短横线开头的值写作 ${raw}=-x）`,
  })
}

function checkValue(name: string, option: Option, value: Parsed[string]): void {
  if (typeof value !== 'string') return
  if (option.choices !== undefined && !option.choices.includes(value)) {
    const choices = option.choices.join(', ')
    throw new UsageFailure({
      en: `--${name} takes one of ${choices}, got "${value}"`,
      zh: `--${name} 应为 ${choices} 之一，得到 "${value}"`,
    })
  }
  if (option.kind === 'number' || option.kind === 'integer') checkNumber(name, option, value)
}

function checkNumber(name: string, { kind, range = [-Infinity, Infinity] }: Option, text: string): void {
  const value = Number(text)
  const [least, most] = range
  const fits = text.trim() !== '' && (kind === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value))
  if (fits && value >= least && value <= most) return
  const [en, zh] = kind === 'integer' ? ['a whole number', '整数'] : ['a number', '数']
  const [from, to] = [String(least), String(most)]
  const unbounded = most === Infinity
  throw new UsageFailure({
    en: `--${name} takes ${en}${unbounded ? (least === -Infinity ? '' : ` of at least ${from}`) : ` from ${from} to ${to}`}, got "${text}"`,
    zh: `--${name} 应为${unbounded ? (least === -Infinity ? '' : `不小于 ${from} 的`) : ` ${from} 到 ${to} 之间的`}${zh}，得到 "${text}"`,
  })
}

function checkCount(wanted: readonly Argument[], given: readonly string[]): void {
  const missing = wanted.find((argument, k) => !argument.optional && given.length <= k)
  if (missing !== undefined)
    throw new UsageFailure({
      en: `${missing.name} is missing: ${missing.about.en}`,
      zh: `缺少 ${missing.name}：${missing.about.zh}`,
    })
  if (given.length > wanted.length && !wanted.at(-1)?.many)
    throw new UsageFailure({
      en: `"${given[wanted.length]}" is one argument too many`,
      zh: `多余的参数 "${given[wanted.length]}"`,
    })
}
