/** Attributes of a case: read by type, and none may stay unread, or the case would claim more than it tests. */

/** An attribute that is missing or of another type than the runner expects. */
export class AttributeError extends Error {
  override readonly name = 'AttributeError'
}

export class Attributes {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #read = new Set<string>()

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name)
  }

  /** Any JSON value; undefined when absent. */
  value(name: string): unknown {
    this.#read.add(name)
    return this.#values[name]
  }

  number(name: string, fallback?: number): number {
    return this.#typed(name, 'a number', isNumber, fallback)
  }

  text(name: string, fallback?: string): string {
    return this.#typed(name, 'a string', (value) => typeof value === 'string', fallback)
  }

  boolean(name: string, fallback?: boolean): boolean {
    return this.#typed(name, 'true or false', (value) => typeof value === 'boolean', fallback)
  }

  /** ONNX spells booleans 0 and 1. */
  flag(name: string, fallback: boolean): boolean {
    return this.number(name, fallback ? 1 : 0) !== 0
  }

  numbers(name: string, fallback?: number[]): number[] {
    return this.#typed(name, 'numbers', isNumbers, fallback)
  }

  /** A list of `[low, high]`. */
  pairs(name: string): [number, number][] {
    return this.#typed(name, 'pairs of numbers', (value) => Array.isArray(value) && value.every(isNumbers)) as [
      number,
      number,
    ][]
  }

  numberOrNull(name: string): number | null {
    return this.#orNull(name, () => this.number(name))
  }

  numbersOrNull(name: string): number[] | null {
    return this.#orNull(name, () => this.numbers(name))
  }

  textOrNull(name: string): string | null {
    return this.#orNull(name, () => this.text(name))
  }

  /** Names that nobody asked for. */
  unread(): string[] {
    return Object.keys(this.#values).filter((name) => !this.#read.has(name))
  }

  #orNull<T>(name: string, read: () => T): T | null {
    if (this.value(name) === null) return null
    return read()
  }

  #typed<T>(name: string, what: string, is: (value: unknown) => boolean, fallback?: T): T {
    const value = this.value(name)
    if (value === undefined && fallback !== undefined) return fallback
    if (!is(value)) throw new AttributeError(`attribute ${name} must be ${what}, got ${JSON.stringify(value)}`)
    return value as T
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isNumber)
}
