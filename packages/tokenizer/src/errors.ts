/** The one error of this package, and the checks of what plain JavaScript may hand in. */

/** A wrong argument, a file that is damaged or contradicts itself, or a sound file that asks for something that is not here. */
export type TokenizerErrorKind = 'argument' | 'broken' | 'unsupported'

/** Where a {@link TokenizerError} comes from. */
export interface TokenizerErrorOptions extends ErrorOptions {
  /** The file that is wrong, as its folder names it. */
  readonly file?: string
  /** Default: `broken` when there is a file, else `argument`. */
  readonly kind?: TokenizerErrorKind
}

/**
 * A tokenizer file that cannot be understood, or an argument that breaks a rule. The message names the function or the file, the rule,
 * the value that was found and the way out.
 */
export class TokenizerError extends Error {
  override readonly name = 'TokenizerError'
  /** The file that is wrong, when it is one. */
  readonly file: string | undefined
  readonly kind: TokenizerErrorKind

  constructor(message: string, options: TokenizerErrorOptions = {}) {
    super(message, options)
    this.file = options.file
    this.kind = options.kind ?? (options.file === undefined ? 'argument' : 'broken')
  }
}

/** A value as messages show it: its type, and its beginning where that helps. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'bigint') return `${value}n`
  return String(value)
}

/** @throws TokenizerError unless the text is a string */
export function requireText(place: string, text: unknown): asserts text is string {
  if (typeof text !== 'string')
    throw new TokenizerError(`${place}: text must be a string, got ${shown(text)}; pass one string per call`)
}

/**
 * The options of a call, checked: an object with known names and booleans.
 * @throws TokenizerError
 */
export function requireFlags(place: string, options: unknown, known: readonly string[]): void {
  requireOptions(place, options, known)
  for (const [name, value] of Object.entries(options as object)) {
    if (value !== undefined && typeof value !== 'boolean')
      throw new TokenizerError(`${place}: option ${name} must be true or false, got ${shown(value)}`)
  }
}

/**
 * An options object with known names only.
 * @throws TokenizerError that lists the names there are
 */
export function requireOptions(place: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TokenizerError(`${place}: options must be an object, got ${shown(options)}`)
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new TokenizerError(`${place}: there is no option ${JSON.stringify(unknown)}; there are ${known.join(', ')}`)
}

/**
 * A callback that may be left out.
 * @throws TokenizerError
 */
export function requireCallback(place: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw new TokenizerError(`${place} must be a function, got ${shown(value)}`)
}

/**
 * @throws TokenizerError unless the value is an integer of the range
 */
export function requireInteger(place: string, value: unknown, least: number, most: number): asserts value is number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw new TokenizerError(`${place} must be an integer from ${least} to ${most}, got ${shown(value)}`)
}
