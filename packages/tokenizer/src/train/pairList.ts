/** The pairs of neighbours that may still be merged: their counts, and the places where they stand. */
import { PairTable } from '../pairTable.js'
import { withRoom } from '../pieceTable.js'

/** Numbers of pairs grow with time, and so do the places of their lists in the pool. */
export class PairList {
  left = new Int32Array(1 << 12)
  right = new Int32Array(1 << 12)
  counts = new Float64Array(1 << 12)
  /** Where the places of each pair begin in {@link places}, and how many there are. */
  starts = new Int32Array(1 << 12)
  lengths = new Int32Array(1 << 12)
  places: Int32Array
  #table = new PairTable(1 << 12)
  #size = 0
  #used = 0

  /** @param capacity places to begin with */
  constructor(capacity: number) {
    this.places = new Int32Array(Math.max(16, capacity))
  }

  get size(): number {
    return this.#size
  }

  /** Number of a pair, `ABSENT` for one that is not listed. */
  find(left: number, right: number): number {
    return this.#table.get(left, right)
  }

  /**
   * Makes room for places of pairs that come next. Lists move together for it, without the places that other merges took.
   * @param isStill whether a pair still stands at a place
   */
  ensureRoom(room: number, isStill: (pair: number, place: number) => boolean): void {
    if (this.#used + room > this.places.length) this.#makeRoom(room, isStill)
  }

  /** Lists a pair with room for some places, which {@link ensureRoom} has made. @returns its number */
  add(left: number, right: number, count: number, room: number): number {
    const pair = this.#size++
    this.#reserve(pair + 1)
    this.left[pair] = left
    this.right[pair] = right
    this.counts[pair] = count
    this.starts[pair] = this.#used
    this.lengths[pair] = 0
    this.#used += room
    this.#table.set(left, right, pair)
    return pair
  }

  /** A pair that was merged, or never will be. */
  drop(pair: number): void {
    this.counts[pair] = 0
    this.lengths[pair] = 0
  }

  isDropped(pair: number): boolean {
    return this.counts[pair] === 0
  }

  #makeRoom(room: number, isStill: (pair: number, place: number) => boolean): void {
    const places = this.places
    let used = 0
    for (let pair = 0; pair < this.#size; pair++) {
      const begin = used
      const end = this.starts[pair] + this.lengths[pair]
      for (let k = this.starts[pair]; k < end; k++) {
        if (isStill(pair, places[k])) places[used++] = places[k]
      }
      this.starts[pair] = begin
      this.lengths[pair] = used - begin
    }
    this.#used = used
    if (used + room <= 0.8 * places.length) return
    this.places = new Int32Array(Math.ceil(1.5 * (used + room)))
    this.places.set(places.subarray(0, used))
  }

  #reserve(size: number): void {
    if (size <= this.left.length) return
    this.left = withRoom(this.left, size)
    this.right = withRoom(this.right, size)
    this.counts = withRoom(this.counts, size)
    this.starts = withRoom(this.starts, size)
    this.lengths = withRoom(this.lengths, size)
  }
}
