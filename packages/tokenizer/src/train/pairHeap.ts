/** The queue of pairs: the most frequent first; of equals the one with the smaller left id, then the smaller right id. */

/** The ids of pairs, by their numbers. */
export interface PairIds {
  readonly left: Int32Array
  readonly right: Int32Array
}

/** A binary heap of pairs with the counts that they had when they were put in. */
export class PairHeap {
  #pairs = new Int32Array(1 << 12)
  #counts = new Float64Array(1 << 12)
  #size = 0

  get size(): number {
    return this.#size
  }

  push(pair: number, count: number, ids: PairIds): void {
    if (this.#size === this.#pairs.length) this.#grow()
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!comesFirst(pair, count, this.#pairs[parent], this.#counts[parent], ids)) break
      this.#pairs[at] = this.#pairs[parent]
      this.#counts[at] = this.#counts[parent]
      at = parent
    }
    this.#pairs[at] = pair
    this.#counts[at] = count
  }

  /** Number of the first pair; the heap must not be empty. */
  get topPair(): number {
    return this.#pairs[0]
  }

  /** The count that the first pair was put in with. */
  get topCount(): number {
    return this.#counts[0]
  }

  /** Takes the first pair out. */
  pop(ids: PairIds): void {
    const pairs = this.#pairs
    const counts = this.#counts
    const size = --this.#size
    const pair = pairs[size]
    const count = counts[size]
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      const right = child + 1
      if (right < size && comesFirst(pairs[right], counts[right], pairs[child], counts[child], ids)) child = right
      if (!comesFirst(pairs[child], counts[child], pair, count, ids)) break
      pairs[at] = pairs[child]
      counts[at] = counts[child]
      at = child
    }
    pairs[at] = pair
    counts[at] = count
  }

  #grow(): void {
    const pairs = new Int32Array(this.#size * 2)
    const counts = new Float64Array(this.#size * 2)
    pairs.set(this.#pairs)
    counts.set(this.#counts)
    this.#pairs = pairs
    this.#counts = counts
  }
}

function comesFirst(a: number, countOfA: number, b: number, countOfB: number, { left, right }: PairIds): boolean {
  if (countOfA !== countOfB) return countOfA > countOfB
  return left[a] !== left[b] ? left[a] < left[b] : right[a] < right[b]
}
