/** JSON whose doubled keys are reported instead of lost. */
import { checkOptions } from './arguments.js'
import { ArgumentError, CheckpointError, quoted, shown } from './errors.js'

/** A key that one object has several times. */
export interface DuplicateKey {
  /** Keys and indices from the top to the object. */
  readonly path: readonly (string | number)[]
  readonly key: string
  /** Every value of the key in the order of the text. */
  readonly values: readonly unknown[]
}

/** A JSON text as JavaScript values, and what `JSON.parse` would have dropped. */
export interface JsonWithDuplicates {
  /** As by `JSON.parse`: the last of doubled keys wins. */
  readonly value: unknown
  readonly duplicates: readonly DuplicateKey[]
}

/** Options of {@link parseJsonKeepingDuplicates}. */
export interface JsonOptions {
  /** For messages. */
  readonly file?: string
  /** Deepest nesting, default 200. */
  readonly maxDepth?: number
}

/**
 * Parses JSON and lists doubled keys with all their values. One published configuration has `rope_scaling` twice, an
 * object and then null; `JSON.parse` keeps the null without a word.
 *
 * @throws CheckpointError with line and column when the text is no JSON or nested too deeply
 */
export function parseJsonKeepingDuplicates(text: string, options: JsonOptions = {}): JsonWithDuplicates {
  if (typeof text !== 'string')
    throw new ArgumentError(`parseJsonKeepingDuplicates: text must be a string, got ${shown(text)}`)
  checkOptions('parseJsonKeepingDuplicates', options, ['file', 'maxDepth'])
  const { file = 'JSON', maxDepth = 200 } = options
  const plain = parseWithoutDuplicates(text, maxDepth)
  if (plain !== undefined) return { value: plain.value, duplicates: [] }
  const parser = new JsonParser(text, file, maxDepth)
  const value = parser.document()
  return { value, duplicates: parser.duplicates }
}

/**
 * The platform's parser, ten times as fast, where it loses nothing: when the text has as many keys as the value.
 * @returns undefined for everything that needs a closer look, errors included
 */
function parseWithoutDuplicates(text: string, maxDepth: number): { readonly value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return keysOfValue(value, maxDepth) === keysOfText(text) ? { value } : undefined
  } catch {
    return undefined
  }
}

/** Keys at any depth; NaN beyond the deepest nesting that is allowed. */
function keysOfValue(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth <= 0) return NaN
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + keysOfValue(item, depth - 1), 0)
  let count = 0
  for (const key of Object.keys(value)) count += 1 + keysOfValue((value as Record<string, unknown>)[key], depth - 1)
  return count
}

/** Strings that a colon follows, in a text that is known to be JSON. */
function keysOfText(text: string): number {
  const strings = /"(?:[^"\\]|\\.)*"\s*(:)?/g
  let count = 0
  for (let match = strings.exec(text); match !== null; match = strings.exec(text)) if (match[1] !== undefined) count++
  return count
}

class JsonParser {
  readonly #text: string
  readonly #file: string
  readonly #maxDepth: number
  readonly #path: (string | number)[] = []
  #at = 0
  readonly duplicates: DuplicateKey[] = []

  constructor(text: string, file: string, maxDepth: number) {
    this.#text = text
    this.#file = file
    this.#maxDepth = maxDepth
  }

  document(): unknown {
    const value = this.#value()
    this.#skipSpace()
    if (this.#at < this.#text.length) this.#fail('nothing may follow the value')
    return value
  }

  #value(): unknown {
    this.#skipSpace()
    switch (this.#text[this.#at]) {
      case '{':
        return this.#nested(() => this.#object())
      case '[':
        return this.#nested(() => this.#array())
      case '"':
        return this.#string()
      default:
        return this.#scalar()
    }
  }

  #nested<T>(read: () => T): T {
    if (this.#path.length >= this.#maxDepth) this.#fail(`values may be nested ${this.#maxDepth} deep`)
    this.#at++
    return read()
  }

  #object(): object {
    const result: Record<string, unknown> = {}
    let doubled: Map<string, unknown[]> | undefined
    if (this.#closes('}')) return result
    do {
      this.#skipSpace()
      if (this.#text[this.#at] !== '"') this.#fail('a key in double quotes must stand here')
      const key = this.#string()
      this.#expect(':')
      this.#path.push(key)
      const value = this.#value()
      this.#path.pop()
      if (Object.hasOwn(result, key)) {
        doubled ??= new Map()
        doubled.set(key, [...(doubled.get(key) ?? [result[key]]), value])
      }
      setOwn(result, key, value)
    } while (this.#continues('}'))
    for (const [key, values] of doubled ?? []) this.duplicates.push({ path: [...this.#path], key, values })
    return result
  }

  #array(): unknown[] {
    const result: unknown[] = []
    if (this.#closes(']')) return result
    do {
      this.#path.push(result.length)
      result.push(this.#value())
      this.#path.pop()
    } while (this.#continues(']'))
    return result
  }

  #string(): string {
    const start = this.#at++
    let escaped = false
    for (;;) {
      STRING_STOP.lastIndex = this.#at
      const stop = STRING_STOP.exec(this.#text)?.index
      if (stop === undefined) this.#fail('a string must end', start)
      this.#at = stop + 1
      const character = this.#text[stop]
      if (character === '"') break
      if (character !== '\\') this.#fail('control characters in strings must be escaped', stop)
      escaped = true
      this.#at++
    }
    if (!escaped) return this.#text.slice(start + 1, this.#at - 1)
    return this.#native(this.#text.slice(start, this.#at), start) as string
  }

  #scalar(): unknown {
    SCALAR.lastIndex = this.#at
    const token = SCALAR.exec(this.#text)?.[0]
    if (token === undefined) this.#fail('a JSON value must stand here')
    this.#at += token.length
    return this.#native(token, this.#at - token.length)
  }

  #native(token: string, start: number): unknown {
    try {
      return JSON.parse(token)
    } catch {
      return this.#fail('a string may only have the escapes of JSON', start)
    }
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #closes(end: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== end) return false
    this.#at++
    return true
  }

  #continues(end: string): boolean {
    if (this.#closes(end)) return false
    this.#expect(',', end)
    return true
  }

  #expect(character: string, or?: string): void {
    this.#skipSpace()
    if (this.#text[this.#at] !== character)
      this.#fail(`${[character, or].filter(Boolean).join(' or ')} must stand here`)
    this.#at++
  }

  #fail(rule: string, at = this.#at): never {
    const before = this.#text.slice(0, at)
    const line = before.split('\n').length
    const column = at - before.lastIndexOf('\n')
    throw new CheckpointError({
      file: this.#file,
      rule: `JSON, line ${line} column ${column} (of ${this.#text.length} characters): ${rule}`,
      got: at >= this.#text.length ? 'the end of the text' : quoted(this.#text.slice(at, at + 20)),
      wayOut: at >= this.#text.length ? 'the file is cut off: get it again' : undefined,
    })
  }
}

const STRING_STOP = /["\\\u0000-\u001f]/g
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|true\b|false\b|null\b/y

/** Plain assignment to `__proto__` would change the object's kind instead of giving it a key. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
