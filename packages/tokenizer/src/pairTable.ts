/** A map from pairs of symbols to numbers, as one flat table that grows. */

/** Answer for a pair that is not in the table. */
export const ABSENT = -1

const STRIDE = 4

/** Open addressing with linear probing, at most half full. */
export class PairTable {
  #entries: Int32Array
  #mask: number
  #shift: number
  #size = 0

  /** @param expected how many pairs there will be, roughly */
  constructor(expected: number) {
    const bits = Math.max(4, Math.ceil(Math.log2(expected * 2 + 1)))
    this.#entries = new Int32Array(STRIDE << bits).fill(-1)
    this.#mask = (1 << bits) - 1
    this.#shift = 32 - bits
  }

  get size(): number {
    return this.#size
  }

  /** Number of a pair, or {@link ABSENT}. */
  get(left: number, right: number): number {
    const entries = this.#entries
    const mask = this.#mask
    let slot = hashOfPair(left, right) >>> this.#shift
    for (;;) {
      const at = slot * STRIDE
      const stored = entries[at]
      if (stored === left && entries[at + 1] === right) return entries[at + 2]
      if (stored === -1) return ABSENT
      slot = (slot + 1) & mask
    }
  }

  /** The last number set for a pair counts. */
  set(left: number, right: number, value: number): void {
    if (this.#size * 2 > this.#mask) this.#grow()
    let slot = hashOfPair(left, right) >>> this.#shift
    for (;;) {
      const at = slot * STRIDE
      const stored = this.#entries[at]
      if (stored === -1) break
      if (stored === left && this.#entries[at + 1] === right) {
        this.#entries[at + 2] = value
        return
      }
      slot = (slot + 1) & this.#mask
    }
    this.#entries.set([left, right, value], slot * STRIDE)
    this.#size++
  }

  #grow(): void {
    const old = this.#entries
    this.#entries = new Int32Array(old.length * 2).fill(-1)
    this.#mask = this.#mask * 2 + 1
    this.#shift -= 1
    this.#size = 0
    for (let at = 0; at < old.length; at += STRIDE) {
      if (old[at] !== -1) this.set(old[at], old[at + 1], old[at + 2])
    }
  }
}

/** Symbols are small and consecutive; the multiplications spread them over the high bits, which choose the slot. */
function hashOfPair(left: number, right: number): number {
  return Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b)
}
