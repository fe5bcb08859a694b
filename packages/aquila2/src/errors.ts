/** Error classes of this package. Messages follow: *function: rule, got value; way out.* */

/** A configuration that describes no Aquila2, contradicts itself, or contradicts the tensors beside it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** The key of config.json that is at fault. */
  readonly field: string
  constructor(message: string, field: string, options?: ErrorOptions) {
    super(message, options)
    this.field = field
  }
}

/** An option or argument that a function does not take. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
  /** The option's name, as written by the caller. */
  readonly option: string
  constructor(message: string, option: string) {
    super(message)
    this.option = option
  }
}

/** A value for a message, short enough for one line. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return value.length > 12 ? `a list of ${value.length}` : `[${value.map(shown).join(', ')}]`
  const text = safeJson(value)
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}

function safeJson(value: object): string {
  try {
    return JSON.stringify(value) ?? 'an object'
  } catch {
    return 'an object'
  }
}

/**
 * @throws OptionError unless `options` is an object that has only the keys `known`
 */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new OptionError(`${what}: options are an object of ${known.join(', ')}, got ${shown(options)}`, 'options')
  for (const key of Object.keys(options))
    if (!known.includes(key))
      throw new OptionError(`${what}: unknown option ${shown(key)}; the options are ${known.join(', ')}`, key)
}
