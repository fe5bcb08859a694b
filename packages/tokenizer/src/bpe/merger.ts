/**
 * Byte pair encoding of one piece: the neighbours with the lowest rank merge first, the leftmost of equals, until none has a rank.
 * Short pieces scan for the lowest rank; long ones keep a heap, so that a word of a megabyte takes n log n.
 */
import { NEVER, type MergeTable } from './mergeTable.js'
import { MinHeap } from './minHeap.js'

/** From here on a heap beats scanning (measured on Chinese text, where pieces are long). */
const HEAP_FROM = 192

/** Bytes of a piece for which memory is kept. */
const MOST_KEPT = 1 << 16

/** The merges of a vocabulary by ids. */
export interface Merges {
  /** Id of the token of every byte; -1 where the vocabulary has none. */
  readonly byteIds: Int32Array
  readonly ranks: MergeTable
  /** Id of the merged token of every rank. */
  readonly merged: Int32Array
}

/** Merges pieces one after the other in memory of its own. */
export class Merger {
  /** Bytes of the piece, to be filled before {@link merge}. */
  bytes = new Uint8Array(1024)
  /** Ids of the tokens after {@link merge}. */
  symbols = new Int32Array(1024)
  /** Byte where each token starts. */
  starts = new Int32Array(1024)
  #ranks = new Int32Array(1024)
  readonly #merges: Merges
  readonly #unknown: number
  /** Ranks of all pairs of bytes: half of all lookups. */
  readonly #bytePairs: Int32Array

  /** @param unknown id for bytes without a token; -1 leaves them out */
  constructor(merges: Merges, unknown: number) {
    this.#merges = merges
    this.#unknown = unknown
    this.#bytePairs = ranksOfBytePairs(merges)
  }

  /** Makes room for a piece of so many bytes. */
  reserve(count: number): void {
    if (count <= this.bytes.length) return
    const size = Math.max(count, 2 * this.bytes.length)
    this.bytes = new Uint8Array(size)
    this.symbols = new Int32Array(size)
    this.starts = new Int32Array(size)
    this.#ranks = new Int32Array(size)
  }

  /** Gives back the memory that a very long piece took. */
  release(): void {
    if (this.bytes.length <= MOST_KEPT) return
    this.bytes = new Uint8Array(1024)
    this.symbols = new Int32Array(1024)
    this.starts = new Int32Array(1024)
    this.#ranks = new Int32Array(1024)
  }

  /** @returns how many tokens the first `count` bytes make */
  merge(count: number): number {
    const length = this.#start(count)
    return length < HEAP_FROM ? this.#mergeByScan(length) : this.#mergeByHeap(length)
  }

  /** Tokens of single bytes, and the rank of each with its right neighbour. */
  #start(count: number): number {
    const { bytes, symbols, starts } = this
    const { byteIds } = this.#merges
    const ranks = this.#ranks
    let length = 0
    let complete = true
    for (let k = 0; k < count; k++) {
      let id = byteIds[bytes[k]]
      if (id < 0) {
        complete = false
        id = this.#unknown
        if (id < 0) continue
      }
      symbols[length] = id
      starts[length++] = k
    }
    for (let k = 0; k < length - 1; k++) {
      ranks[k] = complete
        ? this.#bytePairs[(bytes[k] << 8) | bytes[k + 1]]
        : this.#merges.ranks.get(symbols[k], symbols[k + 1])
    }
    if (length > 0) ranks[length - 1] = NEVER
    return length
  }

  #mergeByScan(count: number): number {
    const { symbols, starts } = this
    const { ranks: table, merged } = this.#merges
    const ranks = this.#ranks
    let length = count
    for (;;) {
      let best = NEVER
      let at = 0
      for (let k = 0; k < length; k++) {
        if (ranks[k] < best) {
          best = ranks[k]
          at = k
        }
      }
      if (best === NEVER) return length
      length--
      for (let k = at + 1; k < length; k++) {
        symbols[k] = symbols[k + 1]
        starts[k] = starts[k + 1]
        ranks[k] = ranks[k + 1]
      }
      const symbol = (symbols[at] = merged[best])
      ranks[at] = at + 1 < length ? table.get(symbol, symbols[at + 1]) : NEVER
      if (at > 0) ranks[at - 1] = table.get(symbols[at - 1], symbol)
    }
  }

  /** Keys are rank · count + position; one whose token is gone or has another rank by now is passed over. */
  #mergeByHeap(count: number): number {
    const { symbols } = this
    const { ranks: table, merged } = this.#merges
    const ranks = this.#ranks
    const next = new Int32Array(count)
    const previous = new Int32Array(count)
    const heap = new MinHeap(count)
    for (let k = 0; k < count; k++) {
      next[k] = k + 1
      previous[k] = k - 1
      if (ranks[k] !== NEVER) heap.push(ranks[k] * count + k)
    }
    const rank = (at: number): void => {
      const right = next[at]
      ranks[at] = right < count ? table.get(symbols[at], symbols[right]) : NEVER
      if (ranks[at] !== NEVER) heap.push(ranks[at] * count + at)
    }
    while (heap.size > 0) {
      const key = heap.pop()
      const at = key % count
      if (ranks[at] !== (key - at) / count) continue
      const gone = next[at]
      symbols[at] = merged[ranks[at]]
      ranks[gone] = NEVER
      next[at] = next[gone]
      if (next[at] < count) previous[next[at]] = at
      rank(at)
      if (previous[at] >= 0) rank(previous[at])
    }
    return this.#compact(next, count)
  }

  #compact(next: Int32Array, count: number): number {
    const { symbols, starts } = this
    let length = 0
    for (let at = 0; at < count; at = next[at]) {
      symbols[length] = symbols[at]
      starts[length++] = starts[at]
    }
    return length
  }
}

function ranksOfBytePairs({ byteIds, ranks }: Merges): Int32Array {
  const pairs = new Int32Array(0x10000).fill(NEVER)
  for (let k = 0; k < pairs.length; k++) {
    const left = byteIds[k >> 8]
    const right = byteIds[k & 0xff]
    if (left >= 0 && right >= 0) pairs[k] = ranks.get(left, right)
  }
  return pairs
}
