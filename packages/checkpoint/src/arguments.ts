/** Checks of arguments, so that plain JavaScript gets an error that teaches instead of a TypeError from inside. */
import { ArgumentError, shown } from './errors.js'

/** @throws ArgumentError unless `value` is a non-empty string */
export function checkText(what: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '')
    throw new ArgumentError(`${what} must be a non-empty string, got ${shown(value)}`)
}

/** @throws ArgumentError unless `value` is a Uint8Array */
export function checkBytes(what: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new ArgumentError(`${what} must be a Uint8Array, got ${shown(value)}`)
}

/** @throws ArgumentError unless `value` is an integer of at least `least` that a double holds exactly */
export function checkCount(what: string, value: unknown, least = 0): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw new ArgumentError(`${what} must be an integer of at least ${least}, got ${shown(value)}`)
}

/** @throws ArgumentError unless `value` is an object that is no list */
export function checkObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ArgumentError(`${what} must be an object, got ${shown(value)}`)
}

/** @throws ArgumentError unless `value` is a function */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') throw new ArgumentError(`${what} must be a function, got ${shown(value)}`)
}

/** @throws ArgumentError unless `options` is an object that has only the keys `known` */
export function checkOptions(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ArgumentError(`${what}: options must be an object, got ${shown(options)}`)
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new ArgumentError(`${what}: unknown option ${shown(key)}; the options are ${known.join(', ')}`)
  }
}

/** @throws ArgumentError unless `value` is one of `choices` */
export function checkChoice<T extends string>(what: string, value: unknown, choices: readonly T[]): asserts value is T {
  if (!choices.includes(value as T))
    throw new ArgumentError(`${what} must be one of ${choices.join(', ')}, got ${shown(value)}`)
}

/** @throws ArgumentError unless `value` has the methods `methods` */
export function checkMethods(what: string, value: unknown, methods: readonly string[]): void {
  const object = value as Record<string, unknown> | null | undefined
  const missing =
    typeof value !== 'object' || value === null
      ? methods
      : methods.filter((method) => typeof object?.[method] !== 'function')
  if (missing.length > 0)
    throw new ArgumentError(`${what} must have the methods ${methods.join(', ')}, got ${shown(value)}`)
}
