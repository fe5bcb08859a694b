/** Counts the pieces of texts. */
import { nextPiece } from '../gpt2Split.js'
import { hashOfPiece, PieceTable, withRoom } from '../pieceTable.js'

/** Every distinct piece with the number of times that it was met. */
export class PieceCounter {
  readonly #table = new PieceTable()
  #counts = new Float64Array(1 << 12)
  #total = 0

  /** How many different pieces there are. */
  get distinct(): number {
    return this.#table.size
  }

  /** How many pieces were counted. */
  get total(): number {
    return this.#total
  }

  /**
   * Counts the next pieces of text[at, limit), at most so many.
   * @returns where it stopped
   */
  count(text: string, at: number, limit: number, most: number): number {
    const table = this.#table
    let from = at
    for (let k = 0; k < most && from < limit; k++) {
      const to = nextPiece(text, from, limit)
      const hash = hashOfPiece(text, from, to)
      let entry = table.find(text, from, to, hash)
      if (entry < 0) {
        entry = table.add(text, from, to, hash)
        this.#counts = withRoom(this.#counts, entry + 1)
      }
      this.#counts[entry]++
      this.#total++
      from = to
    }
    return from
  }

  /** Each piece and its count, in the order of first sight. */
  *[Symbol.iterator](): Iterator<readonly [piece: string, count: number]> {
    for (let entry = 0; entry < this.distinct; entry++) yield [this.#table.textOf(entry), this.#counts[entry]]
  }
}
