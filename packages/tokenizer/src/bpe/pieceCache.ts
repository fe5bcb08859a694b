/** Ids of pieces that were met before, without a string or an array per piece. */
import { type IdSink } from '../idSink.js'
import { PieceTable, withRoom } from '../pieceTable.js'

/** Pieces above this many units are rare and mostly met once. */
export const LONGEST_CACHED = 48

/** Entries, and ids of all entries, after which the cache starts again: some 50 MB with the text that they hold, mostly far less. */
const MOST_ENTRIES = 1 << 18
const MOST_IDS = 1 << 22

/** A table of pieces and their ids, which starts again when it is full. */
export class PieceCache {
  readonly #table = new PieceTable()
  /** Per entry its number of ids and the ids: one place to look. */
  #ids = new Int32Array(1 << 13)
  #used = 0

  /** Puts the ids of a piece into `out`. @returns whether they were known */
  recall(text: string, from: number, to: number, hash: number, out: IdSink): boolean {
    const entry = this.#table.find(text, from, to, hash)
    if (entry < 0) return false
    const first = this.#table.valueOf(entry)
    out.append(this.#ids, first + 1, this.#ids[first])
    return true
  }

  /** Remembers a piece that is not known; at most {@link LONGEST_CACHED} units. */
  remember(text: string, from: number, to: number, hash: number, ids: Int32Array, count: number): void {
    if (this.#table.size === MOST_ENTRIES || this.#used > MOST_IDS) {
      this.#table.clear()
      this.#used = 0
    }
    const first = this.#used
    this.#table.add(text, from, to, hash, first)
    this.#ids = withRoom(this.#ids, first + count + 1)
    this.#ids[first] = count
    for (let k = 0; k < count; k++) this.#ids[first + 1 + k] = ids[k]
    this.#used = first + count + 1
  }
}
