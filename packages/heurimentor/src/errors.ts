/** Error classes of this package, and checks of arguments. Messages follow: *function: rule, got value; way out.* */

/** An option or argument that a run cannot have. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** The facts of a {@link RunError}. */
export interface RunErrorFacts {
  /** The file or folder. */
  readonly file: string
  /** The rule that it breaks, without the value found. */
  readonly rule: string
  /** The value found. */
  readonly got?: string
  /** What the user can do. */
  readonly wayOut?: string
  readonly cause?: unknown
}

/** A saved run, or its log, that cannot be read or does not fit. */
export class RunError extends Error {
  override readonly name = 'RunError'
  /** The file or folder. */
  readonly file: string
  /** The rule that was broken, without the value found. */
  readonly rule: string

  constructor({ file, rule, got, wayOut, cause }: RunErrorFacts) {
    const found = got === undefined ? '' : `, got ${got}`
    const remedy = wayOut === undefined ? '' : `; ${wayOut}`
    super(`${file}: ${rule}${found}${remedy}`, cause === undefined ? undefined : { cause })
    this.file = file
    this.rule = rule
  }
}

/** The loss is no number any more, for many steps in a row. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError'
  /** The update at which the engine gave up. */
  readonly step: number

  constructor(step: number, skipped: number) {
    super(
      `train: loss and gradients must be finite, got ${skipped} steps in a row that are not, the last one step ${step}; ` +
        'lower the learning rate, or look at the data of these steps',
    )
    this.step = step
  }
}

/** A value of any type, for messages. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 120 ? `${value.slice(0, 117)}...` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value)
    ? `a list of ${value.length}`
    : `an object of ${Object.keys(value).join(', ') || 'nothing'}`
}

/** @throws ConfigError unless `options` is a plain object that has only the keys `known` */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ConfigError(`${what}: options must be an object, got ${shown(options)}`)
  const strange = Object.keys(options).find((key) => !known.includes(key))
  if (strange !== undefined)
    throw new ConfigError(`${what}: unknown option ${shown(strange)}; the options are ${known.join(', ')}`)
}

/** @throws ConfigError unless `value` is an integer of at least `least` that a double holds exactly */
export function checkCount(what: string, value: unknown, least = 0): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw new ConfigError(`${what} must be an integer of at least ${least}, got ${shown(value)}`)
}

/** @throws ConfigError unless `value` is a finite number of at least `least` */
export function checkNumber(what: string, value: unknown, least = -Infinity): asserts value is number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least)
    throw new ConfigError(
      `${what} must be a finite number${least === -Infinity ? '' : ` of at least ${least}`}, got ${shown(value)}`,
    )
}

/** @throws ConfigError unless `value` is one of `choices` */
export function checkChoice<T extends string>(what: string, value: unknown, choices: readonly T[]): asserts value is T {
  if (!choices.includes(value as T))
    throw new ConfigError(`${what} must be one of ${choices.join(', ')}, got ${shown(value)}`)
}

/** @throws ConfigError unless `value` is a function */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') throw new ConfigError(`${what} must be a function, got ${shown(value)}`)
}

/** @throws ConfigError unless `value` is an object that has the methods `methods` */
export function checkMethods(what: string, value: unknown, methods: readonly string[]): void {
  const record = value as Record<string, unknown> | null
  const fits =
    typeof value === 'object' && record !== null && methods.every((name) => typeof record[name] === 'function')
  if (!fits) throw new ConfigError(`${what} must have the methods ${methods.join(', ')}, got ${shown(value)}`)
}
