/** Parts of texts as keys of a hash table, without a string for each: the core of the cache of encoding and of counting in training. */

const STRIDE = 4
const FIRST_BITS = 12

/** An open-addressing table; equal UTF-16 units are the same key, and every key has a number from 0 on. */
export class PieceTable {
  #bits = FIRST_BITS
  #slots = new Int32Array(1 << FIRST_BITS)
  /** Per entry: hash, first unit, length, and a number of the user's. */
  #entries = new Int32Array(STRIDE << (FIRST_BITS - 1))
  #size = 0
  #units = new Uint16Array(1 << FIRST_BITS)
  #unitCount = 0

  get size(): number {
    return this.#size
  }

  /** @returns the number of a part of a text, or -1 */
  find(text: string, from: number, to: number, hash: number): number {
    const entries = this.#entries
    const slots = this.#slots
    const units = this.#units
    const mask = slots.length - 1
    const length = to - from
    let slot = hash >>> (32 - this.#bits)
    for (;;) {
      const entry = slots[slot] - 1
      if (entry < 0) return -1
      const at = entry * STRIDE
      if (entries[at] === hash && entries[at + 2] === length) {
        let k = 0
        const first = entries[at + 1]
        while (k < length && units[first + k] === text.charCodeAt(from + k)) k++
        if (k === length) return entry
      }
      slot = (slot + 1) & mask
    }
  }

  /** The number that was given with an entry. */
  valueOf(entry: number): number {
    return this.#entries[entry * STRIDE + 3]
  }

  /** Adds a part that is not in the table, with a number beside it. @returns the entry's own number */
  add(text: string, from: number, to: number, hash: number, value = 0): number {
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    const at = this.#size * STRIDE
    this.#entries[at] = hash
    this.#entries[at + 1] = this.#unitCount
    this.#entries[at + 2] = to - from
    this.#entries[at + 3] = value
    this.#units = withRoom(this.#units, this.#unitCount + to - from)
    for (let k = from; k < to; k++) this.#units[this.#unitCount++] = text.charCodeAt(k)
    this.#link(this.#size)
    return this.#size++
  }

  /** The text of an entry. */
  textOf(entry: number): string {
    const first = this.#entries[entry * STRIDE + 1]
    const units = this.#units.subarray(first, first + this.#entries[entry * STRIDE + 2])
    let text = ''
    // Arguments of a call lie on the stack: not too many at once.
    for (let k = 0; k < units.length; k += 4096) text += String.fromCharCode(...units.subarray(k, k + 4096))
    return text
  }

  /** Forgets all entries but keeps the memory. */
  clear(): void {
    this.#size = this.#unitCount = 0
    this.#slots.fill(0)
  }

  #link(entry: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#entries[entry * STRIDE] >>> (32 - this.#bits)
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = entry + 1
  }

  #grow(): void {
    this.#bits++
    this.#slots = new Int32Array(1 << this.#bits)
    this.#entries = withRoom(this.#entries, STRIDE << (this.#bits - 1))
    for (let entry = 0; entry < this.#size; entry++) this.#link(entry)
  }
}

/** Hash of a part of a text, with its best bits on top. */
export function hashOfPiece(text: string, from: number, to: number): number {
  let hash = to - from
  for (let k = from; k < to; k++) hash = Math.imul(hash ^ text.charCodeAt(k), 0x9e3779b1)
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) | 0
}

/** The array, or a larger copy with room for so many elements. */
export function withRoom<T extends Uint16Array | Int32Array | Float64Array>(array: T, needed: number): T {
  if (needed <= array.length) return array
  const larger = new (array.constructor as new (length: number) => T)(Math.max(needed, 2 * array.length))
  larger.set(array)
  return larger
}
