/** The header of a `.npy` file: a Python dictionary of three known keys. */
import { NpyError } from './npyError.js'

export interface NpyHeader {
  readonly descr: string
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
}

const MAX_RANK = 64

/**
 * Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
 * @throws NpyError for anything else, structured dtypes included
 */
export function parseHeader(text: string): NpyHeader {
  const reader = new HeaderReader(text)
  const found = new Map<string, unknown>()
  reader.expect('{')
  while (!reader.take('}')) {
    const key = reader.string()
    if (found.has(key)) throw reader.error(`key '${key}' occurs twice`)
    reader.expect(':')
    found.set(key, reader.valueOf(key))
    if (!reader.take(',')) {
      reader.expect('}')
      break
    }
  }
  reader.expectEnd()
  for (const key of ['descr', 'fortran_order', 'shape'])
    if (!found.has(key)) throw reader.error(`key '${key}' is missing`)
  return {
    descr: found.get('descr') as string,
    fortranOrder: found.get('fortran_order') as boolean,
    shape: found.get('shape') as number[],
  }
}

class HeaderReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  valueOf(key: string): unknown {
    switch (key) {
      case 'descr':
        return this.string()
      case 'fortran_order':
        return this.#boolean()
      case 'shape':
        return this.#tuple()
      default:
        throw this.error(`key '${key}' is not known`)
    }
  }

  string(): string {
    this.#skipSpace()
    const match = /^(?:'([^'\\]{0,64})'|"([^"\\]{0,64})")/.exec(this.#text.slice(this.#at, this.#at + 80))
    if (match === null) throw this.error('a short string is expected (structured dtypes are not supported)')
    this.#at += match[0].length
    return match[1] ?? match[2]
  }

  take(token: string): boolean {
    this.#skipSpace()
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#at += token.length
    return true
  }

  expect(token: string): void {
    if (!this.take(token)) throw this.error(`'${token}' is expected`)
  }

  expectEnd(): void {
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.error('nothing more is expected')
  }

  error(rule: string): NpyError {
    const near = JSON.stringify(this.#text.slice(this.#at, this.#at + 20))
    return new NpyError(`npy: header, character ${this.#at}: ${rule}, got ${near}`)
  }

  #boolean(): boolean {
    if (this.take('True')) return true
    if (this.take('False')) return false
    throw this.error('True or False is expected')
  }

  #tuple(): number[] {
    const sizes: number[] = []
    this.expect('(')
    while (!this.take(')')) {
      this.#skipSpace()
      const match = /^[0-9]{1,16}/.exec(this.#text.slice(this.#at, this.#at + 17))
      if (match === null) throw this.error('a size is expected')
      // numpy of Python 2 wrote long integers as 3L
      this.#at += match[0].length
      this.take('L')
      const size = Number(match[0])
      if (!Number.isSafeInteger(size)) throw this.error(`a size below 2^53 is expected, not ${match[0]}`)
      sizes.push(size)
      if (sizes.length > MAX_RANK) throw this.error(`at most ${MAX_RANK} axes are expected`)
      if (!this.take(',')) {
        this.expect(')')
        break
      }
    }
    return sizes
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && ' \t\n\r'.includes(this.#text[this.#at])) this.#at++
  }
}
