/** Ids to text: the bytes of all tokens in a row, read as UTF-8. */
import { shown, TokenizerError } from './errors.js'
import { type TokenStream } from './tokenizer.js'
import { incompleteBytes } from './utf8.js'

/** Nothing is dropped at the beginning: U+FEFF is a character like others. Broken sequences become U+FFFD per maximal subpart. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** What decoding needs to know of a vocabulary. */
export interface TokenTexts {
  /** Bytes of each id's text; undefined where there is no token. */
  readonly bytes: readonly (Uint8Array | undefined)[]
  /** Bytes of a token that is the first of a text, where they can differ; never more than elsewhere. */
  readonly firstBytes?: (id: number) => Uint8Array
  readonly special: ReadonlySet<number>
}

/** The texts of all tokens in one block of memory. */
export class Detokenizer {
  readonly #bytes: Uint8Array
  /** Where each token's bytes begin; the last entry is their end. */
  readonly #starts: Int32Array
  /** 0: no such token, 1: ordinary, 2: special. */
  readonly #kinds: Uint8Array
  readonly #firstBytes: ((id: number) => Uint8Array) | undefined
  /** Texts of tokens that are whole characters, as they are asked for. */
  readonly #texts: (string | undefined)[]

  constructor({ bytes, firstBytes, special }: TokenTexts) {
    this.#starts = new Int32Array(bytes.length + 1)
    for (const [id, token] of bytes.entries()) this.#starts[id + 1] = this.#starts[id] + (token?.length ?? 0)
    this.#bytes = new Uint8Array(this.#starts[bytes.length])
    this.#kinds = new Uint8Array(bytes.length)
    for (const [id, token] of bytes.entries()) {
      if (token === undefined) continue
      this.#bytes.set(token, this.#starts[id])
      this.#kinds[id] = special.has(id) ? 2 : 1
    }
    this.#firstBytes = firstBytes
    this.#texts = new Array<string | undefined>(bytes.length)
  }

  /** @throws TokenizerError when no token has one of the ids */
  decode(ids: Iterable<number>, skipSpecial: boolean): string {
    const list = listOf(ids)
    let output = new Uint8Array(list.length * 4 + 16)
    let count = 0
    let first = this.#firstBytes !== undefined
    for (let k = 0; k < list.length; k++) {
      const id = list[k]
      if (this.#kindOf(id, 'decode', k) === 2 && skipSpecial) continue
      const from = this.#starts[id]
      const to = this.#starts[id + 1]
      if (count + to - from > output.length) output = grown(output, count + to - from)
      if (first) {
        const bytes = this.#firstBytes?.(id) ?? new Uint8Array(0)
        output.set(bytes, count)
        count += bytes.length
        first = false
      } else {
        const bytes = this.#bytes
        for (let at = from; at < to; at++) output[count++] = bytes[at]
      }
    }
    return utf8.decode(output.subarray(0, count))
  }

  /** The text of one more id, given the bytes that wait; see {@link TokenStream}. */
  stream(skipSpecial: boolean): TokenStream {
    let waiting = new Uint8Array(0)
    let first = true
    return {
      push: (id) => {
        if (this.#kindOf(id, 'stream.push', undefined) === 2 && skipSpecial) return ''
        const bytes = first && this.#firstBytes !== undefined ? this.#firstBytes(id) : undefined
        first = false
        if (waiting.length === 0 && bytes === undefined) {
          const text = this.#wholeText(id)
          if (text !== undefined) return text
        }
        const all = joined(waiting, bytes ?? this.#bytes.subarray(this.#starts[id], this.#starts[id + 1]))
        const complete = all.length - incompleteBytes(all, all.length)
        waiting = all.slice(complete)
        return utf8.decode(all.subarray(0, complete))
      },
      end: () => {
        const text = utf8.decode(waiting)
        waiting = new Uint8Array(0)
        first = true
        return text
      },
    }
  }

  /** Bytes of a token's text. */
  byteLength(id: number): number {
    return this.#starts[id + 1] - this.#starts[id]
  }

  #kindOf(id: number, place: string, position: number | undefined): number {
    const kind = typeof id === 'number' ? this.#kinds[id] : undefined
    if (kind !== undefined && kind !== 0) return kind
    const where = position === undefined ? '' : ` at position ${position}`
    throw new TokenizerError(
      `${place}: ids must be those of tokens, integers from 0 to ${this.#kinds.length - 1}, got ${shown(id)}${where}; ` +
        'the ids come from another vocabulary, or a model has more rows than its tokenizer has tokens',
    )
  }

  #wholeText(id: number): string | undefined {
    const known = this.#texts[id]
    if (known !== undefined) return known
    const bytes = this.#bytes.subarray(this.#starts[id], this.#starts[id + 1])
    if (incompleteBytes(bytes, bytes.length) > 0) return undefined
    return (this.#texts[id] = utf8.decode(bytes))
  }
}

function listOf(ids: Iterable<number>): ArrayLike<number> {
  if (Array.isArray(ids) || (ArrayBuffer.isView(ids) && 'length' in ids)) return ids as ArrayLike<number>
  if (typeof ids === 'string' || typeof (ids as Iterable<number> | undefined)?.[Symbol.iterator] !== 'function')
    throw new TokenizerError(`decode: ids must be an array or another iterable of integers, got ${shown(ids)}`)
  return [...ids]
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(left.length + right.length)
  all.set(left)
  all.set(right, left.length)
  return all
}

function grown(array: Uint8Array, needed: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(needed, 2 * array.length))
  larger.set(array)
  return larger
}
