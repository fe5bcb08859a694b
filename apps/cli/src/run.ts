/** From a command line to an exit code. */
import { isAbsolute, resolve } from 'node:path'
import type { Command, Context } from './command.js'
import { EXIT, UsageFailure, describeError } from './failure.js'
import { commandHelp, overview, usageOf } from './help.js'
import { type Language, type Text, languageFrom, requestedLanguage } from './language.js'
import { nearest } from './nearest.js'
import { parseValues } from './parse.js'

/** What the process gives. */
export interface World extends Pick<Context, 'env' | 'out' | 'err' | 'input' | 'signal' | 'now'> {
  /** Relative paths start here. */
  readonly folder: string
  readonly version: string
}

const ABOUT: Text = {
  en: 'tarazed trains, converts, inspects and runs the Aquila family of language models.',
  zh: 'tarazed 训练、转换、检查并运行 Aquila 系列语言模型。',
}

/** Runs one command line. Never throws: what goes wrong is written to `err`. */
export async function runCommandLine(
  commands: readonly Command[],
  args: readonly string[],
  world: World,
): Promise<number> {
  const language = requestedLanguage(args, world.env)
  try {
    return await dispatch(commands, args, world, language)
  } catch (error) {
    if (world.signal.aborted) return interrupted(world, language)
    const { text, exit } = describeError(error, language)
    if (text !== '') world.err.write(`${text}\n`)
    return exit
  }
}

async function dispatch(
  commands: readonly Command[],
  args: readonly string[],
  world: World,
  language: Language,
): Promise<number> {
  const [first] = args
  if (first === '--version' || first === '-V') return print(world, `${world.version}\n`)
  const found = findCommand(commands, args)
  if (found !== undefined) return runCommand(found.command, found.rest, world)
  const group = commands.filter(({ path }) => path.length > 1 && path[0] === first)
  if (group.length > 0) return showGroup(group, args, world, language)
  if (
    first === undefined ||
    first === '--help' ||
    first === '-h' ||
    first === 'help' ||
    first === '--lang' ||
    first.startsWith('--lang=')
  ) {
    return print(world, overview(commands, ABOUT, language))
  }
  throw unknownCommand(first, commands)
}

/** The command whose whole path the line begins with. */
function findCommand(commands: readonly Command[], args: readonly string[]) {
  const command = commands.find(({ path }) => path.every((word, k) => args[k] === word))
  return command === undefined ? undefined : { command, rest: args.slice(command.path.length) }
}

/** `tarazed tokenizer` alone, or with a word that is none of its commands. */
function showGroup(group: readonly Command[], args: readonly string[], world: World, language: Language): number {
  const second = args[1]
  if (second === undefined || second.startsWith('-')) return print(world, overview(group, ABOUT, language))
  throw unknownCommand(`${args[0]} ${second}`, group)
}

async function runCommand(command: Command, args: readonly string[], world: World): Promise<number> {
  const asked = requestedLanguage(args, world.env)
  let values
  try {
    values = parseValues(command, args)
  } catch (error) {
    if (!(error instanceof UsageFailure)) throw error
    const hint: Text = {
      en: `See ${
        usageOf(command)
          .split(' [')[0]
          .split(/ [A-Z]/)[0]
      } --help`,
      zh: `用法见 ${
        usageOf(command)
          .split(' [')[0]
          .split(/ [A-Z]/)[0]
      } --help`,
    }
    throw new UsageFailure({ en: `${error.text.en}\n${hint.en}`, zh: `${error.text.zh}\n${hint.zh}` }, { cause: error })
  }
  if (values.flag('help')) return print(world, commandHelp(command, asked))
  const language = (values.text('lang') as Language | undefined) ?? languageFrom(world.env)
  const exit = await command.run(values, contextOf(world, language))
  if (world.signal.aborted) return interrupted(world, language)
  return exit ?? EXIT.done
}

function contextOf(world: World, language: Language): Context {
  const { env, out, err, input, signal, now, folder } = world
  const path = (written: string) => (isAbsolute(written) ? written : resolve(folder, written))
  return { language, env, out, err, input, signal, now, say: (text) => text[language], path }
}

function unknownCommand(name: string, commands: readonly Command[]): UsageFailure {
  const near = nearest(
    name,
    commands.map(({ path }) => path.join(' ')),
  )
  return new UsageFailure({
    en: `There is no command "${name}"${near === undefined ? '' : `; did you mean "${near}"?`} See tarazed --help`,
    zh: `没有命令 "${name}"${near === undefined ? '' : `；是否想用 "${near}"？`} 用法见 tarazed --help`,
  })
}

function interrupted(world: World, language: Language): number {
  world.err.write({ en: 'Interrupted\n', zh: '已中断\n' }[language])
  return EXIT.interrupted
}

function print(world: World, text: string): number {
  world.out.write(text)
  return EXIT.done
}
