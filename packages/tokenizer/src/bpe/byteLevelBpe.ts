/** Byte-level BPE: text is split into pieces, the UTF-8 bytes of each piece are merged. */
import { tokenOfBytes } from '../byteAlphabet.js'
import { isPair } from '../characterClasses.js'
import { nextPiece } from '../gpt2Split.js'
import { type IdSink } from '../idSink.js'
import { type SubwordModel } from '../subwordTokenizer.js'
import { hashOfPiece } from '../pieceTable.js'
import { writeUtf8 } from '../utf8.js'
import { isThreeBytes, type Joints } from './joints.js'
import { Merger, type Merges } from './merger.js'
import { LONGEST_CACHED, PieceCache } from './pieceCache.js'
import { type Splitter } from './splitters.js'

/** What a byte-level BPE model consists of. */
export interface ByteLevelOptions {
  readonly merges: Merges
  /** Id for bytes without a token, -1 to leave them out. */
  readonly unknown: number
  /** How many bytes the token of an id stands for. */
  readonly byteLength: (id: number) => number
  /** Where pieces can be cut; not given when a piece must stay whole. */
  readonly joints?: Joints
  /** How text becomes pieces; undefined: the pattern of GPT-2. */
  readonly splitter?: Splitter
  /** A blank goes before text that does not begin with one. */
  readonly addPrefixSpace?: boolean
  /** Tokens that whole pieces become, whatever the merges say (`ignore_merges`). */
  readonly wholePieces?: ReadonlyMap<string, number>
}

/** Encodes sections of text; remembers the ids of short pieces. */
export class ByteLevelBpe implements SubwordModel {
  readonly #options: ByteLevelOptions
  readonly #merger: Merger
  readonly #cache = new PieceCache()
  #units = new Int32Array(256)

  constructor(options: ByteLevelOptions) {
    this.#options = options
    this.#merger = new Merger(options.merges, options.unknown)
  }

  encode(text: string, from: number, to: number, out: IdSink): void {
    if (this.#options.addPrefixSpace === true && text[from] !== ' ') {
      const first = out.length
      const shifted = ` ${text.slice(from, to)}`
      this.#encodePieces(shifted, 0, shifted.length, out)
      const original = (at: number): number => Math.max(from, at - 1 + from)
      out.remap(first, original, original)
    } else {
      this.#encodePieces(text, from, to, out)
    }
  }

  #encodePieces(text: string, from: number, to: number, out: IdSink): void {
    const { splitter } = this.#options
    if (splitter === undefined) {
      for (let at = from; at < to;) {
        const end = nextPiece(text, at, to)
        this.#encodeParts(text, at, end, out)
        at = end
      }
    } else {
      for (const [start, end] of splitter(text, from, to)) this.#encodeParts(text, start, end, out)
    }
  }

  /** Cuts a piece where no merge reaches over: its parts have the same tokens, and are met again more often. */
  #encodeParts(text: string, from: number, to: number, out: IdSink): void {
    const { joints } = this.#options
    let start = from
    if (joints !== undefined && text.charCodeAt(to - 1) >= 0x800) {
      let left = text.charCodeAt(from)
      for (let at = from + 1; at < to; at++) {
        const right = text.charCodeAt(at)
        if (isThreeBytes(left) && isThreeBytes(right) && !joints.joins(left, right)) {
          this.#encodePiece(text, start, at, out)
          start = at
        }
        left = right
      }
    }
    this.#encodePiece(text, start, to, out)
  }

  #encodePiece(text: string, from: number, to: number, out: IdSink): void {
    if (out.withOffsets) return this.#encodeWithOffsets(text, from, to, out)
    if (to - from > LONGEST_CACHED) {
      const count = this.#merge(text, from, to)
      out.append(this.#merger.symbols, 0, count)
      this.#merger.release()
      return
    }
    const cache = this.#cache
    const hash = hashOfPiece(text, from, to)
    if (cache.recall(text, from, to, hash, out)) return
    const count = this.#merge(text, from, to)
    out.append(this.#merger.symbols, 0, count)
    cache.remember(text, from, to, hash, this.#merger.symbols, count)
  }

  #encodeWithOffsets(text: string, from: number, to: number, out: IdSink): void {
    if (this.#units.length < 3 * (to - from)) this.#units = new Int32Array(3 * (to - from))
    const units = this.#units
    const count = this.#merge(text, from, to, units)
    const { symbols, starts } = this.#merger
    for (let k = 0; k < count; k++) {
      const last = units[starts[k] + this.#bytesOf(symbols[k]) - 1]
      out.push(symbols[k], units[starts[k]], last + (isPair(text, last, to) ? 2 : 1))
    }
    this.#merger.release()
  }

  /** An unknown token stands for one byte, whatever its own text is. */
  #bytesOf(id: number): number {
    return id === this.#options.unknown ? 1 : this.#options.byteLength(id)
  }

  #merge(text: string, from: number, to: number, units?: Int32Array): number {
    const merger = this.#merger
    merger.reserve(3 * (to - from))
    const count = writeUtf8(text, from, to, merger.bytes, units)
    const whole = this.#options.wholePieces?.get(tokenOfBytes(merger.bytes.subarray(0, count)))
    if (whole === undefined) return merger.merge(count)
    merger.symbols[0] = whole
    merger.starts[0] = 0
    return 1
  }
}
