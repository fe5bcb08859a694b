/** Pages of help. */
import { columnsOf, padToColumns } from './columns.js'
import type { Argument, Command, Option } from './command.js'
import type { Language, Text } from './language.js'
import { COMMON } from './parse.js'

const WORDS = {
  usage: { en: 'Usage', zh: '用法' },
  commands: { en: 'Commands', zh: '命令' },
  arguments: { en: 'Arguments', zh: '参数' },
  options: { en: 'Options', zh: '选项' },
  examples: { en: 'Examples', zh: '示例' },
  byDefault: { en: 'default', zh: '默认' },
  more: {
    en: 'tarazed COMMAND --help explains a command and shows examples. Exit codes: 0 done, 1 failed, 2 bad command line, 130 interrupted.',
    zh: 'tarazed 命令 --help 说明该命令并给出示例。退出码：0 完成，1 失败，2 命令行有误，130 被中断。',
  },
} satisfies Record<string, Text>

/** The page of `tarazed --help`: every command with one line, and some to start with. */
export function overview(commands: readonly Command[], about: Text, language: Language): string {
  const rows = commands.map((command): Row => [usageOf(command).replace(/^tarazed /, ''), command.about[language]])
  const first = commands.flatMap(({ examples }) => examples.slice(0, 1))
  return page([
    about[language],
    section(WORDS.commands[language], table(rows)),
    section(WORDS.examples[language], table(first.map((example): Row => [example.line, example.about[language]]))),
    WORDS.more[language],
  ])
}

/** The page of `tarazed COMMAND --help`. */
export function commandHelp(command: Command, language: Language): string {
  const options = { ...command.options, ...COMMON }
  const optionRows = Object.entries(options).map(([name, option]): Row => [
    flagOf(name, option),
    aboutOption(option, language),
  ])
  const argumentRows = (command.arguments ?? []).map((argument): Row => [argument.name, argument.about[language]])
  return page([
    `${command.about[language]}\n\n${WORDS.usage[language]}: ${usageOf(command)} [--…]`,
    command.details?.[language],
    argumentRows.length > 0 ? section(WORDS.arguments[language], table(argumentRows)) : undefined,
    section(WORDS.options[language], table(optionRows)),
    section(
      WORDS.examples[language],
      command.examples.map(({ line, about }) => `  # ${about[language]}\n  ${line}`).join('\n'),
    ),
  ])
}

/** `tarazed convert FROM TO` */
export function usageOf(command: Command): string {
  return ['tarazed', ...command.path, ...(command.arguments ?? []).map(written)].join(' ')
}

function written({ name, optional, many }: Argument): string {
  const all = many ? `${name}…` : name
  return optional ? `[${all}]` : all
}

function flagOf(name: string, { short, value, kind }: Option): string {
  const letter = short === undefined ? '' : `-${short}, `
  return `${letter}--${name}${kind === 'flag' ? '' : ` ${value ?? 'VALUE'}`}`
}

function aboutOption({ about, byDefault }: Option, language: Language): string {
  if (byDefault === undefined) return about[language]
  const shown = typeof byDefault === 'string' ? byDefault : byDefault[language]
  return language === 'zh'
    ? `${about.zh}（${WORDS.byDefault.zh} ${shown}）`
    : `${about.en} (${WORDS.byDefault.en}: ${shown})`
}

type Row = readonly [left: string, right: string]

function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([left]) => columnsOf(left)))
  return rows.map(([left, right]) => `  ${padToColumns(left, width)}  ${right}`).join('\n')
}

function section(title: string, body: string): string {
  return `${title}\n${body}`
}

function page(parts: readonly (string | undefined)[]): string {
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`
}
