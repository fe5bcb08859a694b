/**
 * The ranks of merges by pairs of ids. A slot is one number, the rank with some bits of the hash, so that the table of 100,000 merges is
 * one megabyte, and a pair without a merge, the usual case, is mostly told by a single look.
 */

/** Rank of a pair that is never merged: larger than every rank. */
export const NEVER = 0x7fffffff

/** A table that does not change, of pairs given by their rank. */
export class MergeTable {
  readonly #left: Int32Array
  readonly #right: Int32Array
  /** 0 when free, else rank + 1 with hash bits above {@link #rankMask}. */
  readonly #slots: Int32Array
  readonly #shift: number
  readonly #rankMask: number

  /** Of a pair that is given twice the last rank counts. */
  constructor(left: Int32Array, right: Int32Array) {
    this.#left = left
    this.#right = right
    this.#rankMask = 2 ** bitsFor(left.length + 1) - 1
    const slotBits = Math.max(4, bitsFor(left.length * 2))
    this.#shift = 32 - slotBits
    this.#slots = new Int32Array(1 << slotBits)
    for (let rank = 0; rank < left.length; rank++) this.#put(rank)
  }

  get size(): number {
    return this.#left.length
  }

  /** Rank of a pair, {@link NEVER} when it has none. */
  get(left: number, right: number): number {
    const slots = this.#slots
    const rankMask = this.#rankMask
    const hash = hashOfPair(left, right)
    const tag = hash & ~rankMask
    const mask = slots.length - 1
    let slot = hashToSlot(hash) >>> this.#shift
    for (;;) {
      const stored = slots[slot]
      if (stored === 0) return NEVER
      if ((stored & ~rankMask) === tag) {
        const rank = (stored & rankMask) - 1
        if (this.#left[rank] === left && this.#right[rank] === right) return rank
      }
      slot = (slot + 1) & mask
    }
  }

  #put(rank: number): void {
    const left = this.#left[rank]
    const right = this.#right[rank]
    const hash = hashOfPair(left, right)
    const mask = this.#slots.length - 1
    let slot = hashToSlot(hash) >>> this.#shift
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const before = (this.#slots[slot] & this.#rankMask) - 1
      if (this.#left[before] === left && this.#right[before] === right) break
    }
    this.#slots[slot] = (hash & ~this.#rankMask) | (rank + 1)
  }
}

function bitsFor(value: number): number {
  return Math.ceil(Math.log2(value + 1))
}

/** Ids are small and consecutive; the multiplications spread them over the high bits. */
function hashOfPair(left: number, right: number): number {
  return Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b)
}

/** Other bits than those that a slot keeps. */
function hashToSlot(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x9e3779b1)
}
