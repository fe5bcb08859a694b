/** Ids of pieces that were met before, without a string or an array per piece. */
import { PieceTable, withRoom } from '../pieceTable.js'

/** Pieces above this many units are rare and mostly met once. */
export const LONGEST_CACHED = 48

/** Entries, and ids of all entries, after which the cache starts again: some 50 MB with the text that they hold, mostly far less. */
const MOST_ENTRIES = 1 << 18
const MOST_IDS = 1 << 22

/** A table of pieces and their ids, which starts again when it is full. */
export class PieceCache {
  readonly #table = new PieceTable()
  /** Where the ids of each entry begin; the next entry's are after them. */
  #firsts = new Int32Array(1 << 12)
  /** The ids of all entries, one after the other. */
  ids = new Int32Array(1 << 13)

  /** @returns the entry of a piece, or -1 */
  find(text: string, from: number, to: number, hash: number): number {
    return this.#table.find(text, from, to, hash)
  }

  /** Where the ids of an entry begin in {@link ids}. */
  firstId(entry: number): number {
    return this.#firsts[entry]
  }

  idCount(entry: number): number {
    return this.#firsts[entry + 1] - this.#firsts[entry]
  }

  /** Remembers a piece that is not in the cache; at most {@link LONGEST_CACHED} units. */
  add(text: string, from: number, to: number, hash: number, ids: Int32Array, count: number): void {
    if (this.#table.size === MOST_ENTRIES || this.#firsts[this.#table.size] > MOST_IDS) this.#table.clear()
    const entry = this.#table.add(text, from, to, hash)
    this.#firsts = withRoom(this.#firsts, entry + 2)
    const first = this.#firsts[entry]
    this.#firsts[entry + 1] = first + count
    this.ids = withRoom(this.ids, first + count)
    for (let k = 0; k < count; k++) this.ids[first + k] = ids[k]
  }
}
