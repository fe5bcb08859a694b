/** Error classes of this package. Messages follow: *file: tensor: rule, got value; way out.* */

/** The facts of a {@link CheckpointError}. */
export interface CheckpointErrorFacts {
  /** Where it was found: the name of a file, a folder, an address or a repository. */
  readonly file: string
  /** The tensor, where the error is about one. */
  readonly tensor?: string
  /** The rule that the file breaks, without the value found. */
  readonly rule: string
  /** The value found. */
  readonly got?: string
  /** What the user can do. */
  readonly wayOut?: string
  readonly cause?: unknown
}

/** A checkpoint that cannot be read or written: a broken or hostile file, a missing tensor, a full disk. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError'
  /** Where it was found: the name of a file, a folder, an address or a repository. */
  readonly file: string
  /** The tensor, where the error is about one. */
  readonly tensor: string | undefined
  /** The rule that was broken, without the value found. */
  readonly rule: string

  constructor({ file, tensor, rule, got, wayOut, cause }: CheckpointErrorFacts) {
    const place = tensor === undefined ? file : `${file}: tensor ${quoted(tensor)}`
    const found = got === undefined ? '' : `, got ${got}`
    const remedy = wayOut === undefined ? '' : `; ${wayOut}`
    super(`${place}: ${rule}${found}${remedy}`, cause === undefined ? undefined : { cause })
    this.file = file
    this.tensor = tensor
    this.rule = rule
  }
}

/** An argument of the wrong type or out of range: a mistake of the caller, not of a file. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError'
}

/** Names from files in messages: escaped, and never longer than a line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text)
}

/** A value of any type, for messages. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    const text = JSON.stringify(value)
    return text.length > 120 ? `${text.slice(0, 117)}...` : text
  } catch {
    return 'an object'
  }
}
