/** The unigram model: of all ways to write a piece with tokens, the one with the best sum of scores. */
import { isPair } from '../characterClasses.js'
import { type IdSink } from '../idSink.js'
import { ABSENT, PairTable } from '../pairTable.js'
import { type SubwordModel } from '../subwordTokenizer.js'
import { writeUtf8 } from '../utf8.js'
import { type WordSplitter, type Word } from './words.js'

/** How much worse than the worst token an unknown character is, as in SentencePiece. */
const UNKNOWN_PENALTY = 10

/** What a unigram model consists of. */
export interface UnigramOptions {
  /** Token and score by id. */
  readonly pieces: readonly (readonly [token: string, score: number])[]
  readonly unknown: number
  /** Ids of the tokens `<0x00>` to `<0xFF>`, which unknown characters then become. */
  readonly byteIds?: readonly number[]
  readonly split: WordSplitter
}

/** Encodes words by Viterbi's algorithm over a trie of all tokens. */
export class UnigramModel implements SubwordModel {
  readonly #options: UnigramOptions
  readonly #scores: Float64Array
  readonly #unknownScore: number
  readonly #children: PairTable
  /** Id of the token that ends at a node of the trie, or -1. */
  readonly #ends: Int32Array
  #best = new Float64Array(256)
  #from = new Int32Array(256)
  #ids = new Int32Array(256)

  constructor(options: UnigramOptions) {
    this.#options = options
    this.#scores = Float64Array.from(options.pieces, ([, score]) => score)
    this.#unknownScore = this.#scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY
    const trie = trieOf(options.pieces, options.unknown)
    this.#children = trie.children
    this.#ends = trie.ends
  }

  encode(text: string, from: number, to: number, out: IdSink, first: boolean): void {
    for (const word of this.#options.split(text, from, to, first)) this.#encodeWord(word, out)
  }

  #encodeWord(word: Word, out: IdSink): void {
    const { text } = word
    this.#search(text)
    const begin = out.length
    let unknownFrom = -1
    for (const at of this.#cuts(text.length)) {
      const id = this.#ids[at]
      const start = this.#from[at]
      if (id === this.#options.unknown) {
        if (unknownFrom < 0) unknownFrom = start
      } else {
        if (unknownFrom >= 0) this.#putUnknown(text, unknownFrom, start, out)
        unknownFrom = -1
        out.push(id, start, at)
      }
    }
    if (unknownFrom >= 0) this.#putUnknown(text, unknownFrom, text.length, out)
    out.remap(begin, word.start, word.end)
  }

  /** Fills, for every place, the best token that ends there. */
  #search(text: string): void {
    const length = text.length
    this.#reserve(length + 1)
    const best = this.#best.fill(-Infinity, 0, length + 1)
    const children = this.#children
    best[0] = 0
    for (let at = 0; at < length;) {
      const width = isPair(text, at, length) ? 2 : 1
      let single = false
      for (let end = at, node = 0; end < length;) {
        node = children.get(node, text.charCodeAt(end++))
        if (node === ABSENT) break
        const id = this.#ends[node]
        if (id < 0) continue
        if (end === at + width) single = true
        this.#offer(at, end, id, this.#scores[id])
      }
      if (!single) this.#offer(at, at + width, this.#options.unknown, this.#unknownScore)
      at += width
    }
  }

  /** The first of equal scores stays. */
  #offer(from: number, to: number, id: number, score: number): void {
    const sum = this.#best[from] + score
    if (sum <= this.#best[to]) return
    this.#best[to] = sum
    this.#from[to] = from
    this.#ids[to] = id
  }

  /** Ends of the best tokens, in order. */
  #cuts(length: number): number[] {
    const cuts: number[] = []
    for (let at = length; at > 0; at = this.#from[at]) cuts.push(at)
    return cuts.reverse()
  }

  /** Unknown characters in a row are one unknown token, or the tokens of their bytes. */
  #putUnknown(text: string, from: number, to: number, out: IdSink): void {
    const { byteIds, unknown } = this.#options
    if (byteIds === undefined) return out.push(unknown, from, to)
    const bytes = new Uint8Array(3 * (to - from))
    const units = new Int32Array(bytes.length)
    const count = writeUtf8(text, from, to, bytes, units)
    for (let k = 0; k < count; k++)
      out.push(byteIds[bytes[k]], units[k], units[k] + (isPair(text, units[k], to) ? 2 : 1))
  }

  #reserve(size: number): void {
    if (size <= this.#best.length) return
    this.#best = new Float64Array(2 * size)
    this.#from = new Int32Array(2 * size)
    this.#ids = new Int32Array(2 * size)
  }
}

/** A trie over UTF-16 units. The unknown token is no text, and an empty token would never end. */
function trieOf(
  pieces: readonly (readonly [string, number])[],
  unknown: number,
): { readonly children: PairTable; readonly ends: Int32Array } {
  const children = new PairTable(2 * pieces.length)
  const ends: number[] = [-1]
  for (const [id, [token]] of pieces.entries()) {
    if (id === unknown || token === '') continue
    let node = 0
    for (let k = 0; k < token.length; k++) {
      const unit = token.charCodeAt(k)
      let child = children.get(node, unit)
      if (child === ABSENT) {
        child = ends.length
        ends.push(-1)
        children.set(node, unit, child)
      }
      node = child
    }
    ends[node] = id
  }
  return { children, ends: Int32Array.from(ends) }
}
