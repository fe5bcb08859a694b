/** What a command is: a page of help and a function. */
import type { Language, Text } from './language.js'

/** An option of a command, by its long name without dashes. */
export interface Option {
  readonly kind: 'text' | 'number' | 'integer' | 'flag' | 'texts'
  /** What the value is called in the help, as `DIR`; flags have none. */
  readonly value?: string
  /** One letter. */
  readonly short?: string
  /** For numbers. */
  readonly range?: readonly [least: number, most: number]
  /** For texts: the only values. */
  readonly choices?: readonly string[]
  /** Shown in the help; the command applies it. */
  readonly byDefault?: string | Text
  readonly about: Text
}

/** A positional argument. */
export interface Argument {
  readonly name: string
  readonly optional?: boolean
  /** The last one may take all that follow. */
  readonly many?: boolean
  readonly about: Text
}

/** A line to copy, with what it does. */
export interface Example {
  readonly line: string
  readonly about: Text
}

/** The values of a parsed command line. */
export interface Values {
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  number(name: string): number | undefined
  flag(name: string): boolean
  /** Positional arguments; optional ones may be missing. */
  readonly positionals: readonly string[]
}

/** Where text goes; `process.stdout` fits. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** All that a command sees of the world. */
export interface Context {
  readonly language: Language
  readonly env: Readonly<Record<string, string | undefined>>
  /** Results. */
  readonly out: Screen
  /** Progress, warnings, errors. */
  readonly err: Screen
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal
  /** Milliseconds, for progress. */
  now(): number
  /** A text in the user's language. */
  say(text: Text): string
  /** An absolute path for one that the user wrote. */
  path(written: string): string
}

/** One command of `tarazed`. */
export interface Command {
  /** `['tokenizer', 'train']` is `tarazed tokenizer train`. */
  readonly path: readonly string[]
  readonly about: Text
  readonly details?: Text
  readonly arguments?: readonly Argument[]
  readonly options?: Readonly<Record<string, Option>>
  readonly examples: readonly Example[]
  /** @returns the exit code; nothing: 0 */
  run(values: Values, context: Context): Promise<number | void>
}
