/** The command line of `npm start`. */
import { parseArgs } from 'node:util'
import { Failure } from './failure.js'
import { type Language, languageFrom } from './messages.js'

/** What the user asked for; undefined where the choice is ours, or the resumed run's. */
export interface Options {
  readonly help: boolean
  readonly lang: Language
  readonly corpus?: string
  readonly out?: string
  readonly resume?: string
  readonly prompt?: string
  readonly steps?: number
  readonly seconds?: number
  readonly seed?: number
  readonly threads?: number
  readonly batch?: number
  readonly layers?: number
  readonly width?: number
  readonly context?: number
  readonly vocab?: number
  readonly sample: number
}

const TEXT_FLAGS = ['lang', 'corpus', 'out', 'resume', 'prompt'] as const

/** Whole numbers: [least, most]. */
const NUMBER_FLAGS = {
  steps: [1, 10_000_000],
  seconds: [1, 1_000_000],
  seed: [0, Number.MAX_SAFE_INTEGER],
  threads: [1, 64],
  batch: [1, 4096],
  layers: [1, 64],
  width: [32, 4096],
  context: [8, 4096],
  vocab: [265, 100_000],
  sample: [0, 1_000_000],
} as const

/** Tokens. */
const DEFAULT_SAMPLE = 120

/** Flags that describe the model or the run; a resumed run has them already. */
const FIXED_BY_RUN = ['seed', 'batch', 'layers', 'width', 'context', 'vocab', 'corpus', 'out'] as const

/** The language in which errors of the command line itself are told: `--lang` may be what is wrong. */
export function requestedLanguage(args: readonly string[], env: NodeJS.ProcessEnv): Language {
  const at = args.indexOf('--lang')
  const given = args.find((arg) => arg.startsWith('--lang='))?.slice('--lang='.length) ?? (at < 0 ? '' : args[at + 1])
  return given === 'en' || given === 'zh' ? given : languageFrom(env)
}

/**
 * Reads the flags.
 * @throws Failure for an unknown flag, a flag without its value, or a value out of range
 */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): Options {
  const values = parsed(args)
  const numbers = Object.fromEntries(
    Object.entries(NUMBER_FLAGS).map(([flag, range]) => [flag, wholeNumber(flag, values[flag] as string, range)]),
  )
  const texts = Object.fromEntries(TEXT_FLAGS.map((flag) => [flag, values[flag] as string | undefined]))
  const options = { ...texts, ...numbers, help: values.help === true }
  const given = { sample: DEFAULT_SAMPLE, ...defined(options), lang: language(texts.lang, env) } as unknown as Options
  checkTogether(given)
  return given
}

function parsed(args: readonly string[]): Record<string, string | boolean | undefined> {
  const text = { type: 'string' } as const
  const flags = [...TEXT_FLAGS, ...Object.keys(NUMBER_FLAGS)].map((flag) => [flag, text])
  const options = { ...Object.fromEntries(flags), help: { type: 'boolean', short: 'h' } } as const
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values as Record<string, string | boolean>
  } catch (error) {
    // parseArgs explains in English: "Unknown option '--stpes'. …"; its first sentence names the flag
    const reason = (error as Error).message.split('. ')[0]
    throw new Failure((say) => say.badFlags(reason), { cause: error })
  }
}

function wholeNumber(flag: string, text: string | undefined, [least, most]: readonly [number, number]) {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
    throw new Failure((say) => say.badNumber(flag, text, least, most))
  return value
}

function language(given: string | undefined, env: NodeJS.ProcessEnv): Language {
  if (given === undefined) return languageFrom(env)
  if (given !== 'en' && given !== 'zh') throw new Failure((say) => say.badLanguage(given))
  return given
}

function checkTogether(options: Options): void {
  if (options.steps !== undefined && options.seconds !== undefined) throw new Failure((say) => say.stepsOrSeconds())
  if (options.width !== undefined && options.width % 32 !== 0)
    throw new Failure((say) => say.badWidth(options.width as number))
  const fixed = FIXED_BY_RUN.find((flag) => options.resume !== undefined && options[flag] !== undefined)
  if (fixed !== undefined) throw new Failure((say) => say.fixedByRun(fixed))
}

function defined<T extends object>(record: T): Partial<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>
}
