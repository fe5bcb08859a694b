/** Ids of pieces that were met before, without a string or an array per piece. */

/** Pieces above this many units are rare and mostly met once. */
export const LONGEST_CACHED = 48

const STRIDE = 4
const FIRST_BITS = 12
/** Entries after which the cache starts again: some 30 MB with the text and the ids that they hold. */
const MOST_ENTRIES = 1 << 18

/** An open-addressing table of parts of texts; equal units mean the same piece. */
export class PieceCache {
  #bits = FIRST_BITS
  #slots = new Int32Array(1 << FIRST_BITS)
  /** Per entry: hash, first unit, length · 2^16 + ids, first id. */
  #entries = new Int32Array(STRIDE << (FIRST_BITS - 1))
  #size = 0
  #units = new Uint16Array(1 << FIRST_BITS)
  #unitCount = 0
  /** The ids of all entries, one after the other. */
  ids = new Int32Array(1 << FIRST_BITS)
  #idCount = 0

  /** @returns the entry of a piece, or -1 */
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
      if (entries[at] === hash && entries[at + 2] >> 16 === length) {
        let k = 0
        const first = entries[at + 1]
        while (k < length && units[first + k] === text.charCodeAt(from + k)) k++
        if (k === length) return entry
      }
      slot = (slot + 1) & mask
    }
  }

  /** Where the ids of an entry begin in {@link ids}. */
  firstId(entry: number): number {
    return this.#entries[entry * STRIDE + 3]
  }

  idCount(entry: number): number {
    return this.#entries[entry * STRIDE + 2] & 0xffff
  }

  /** Remembers a piece that is not in the cache; at most {@link LONGEST_CACHED} units. */
  add(text: string, from: number, to: number, hash: number, ids: Int32Array, count: number): void {
    if (this.#size === MOST_ENTRIES) this.#clear()
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    const length = to - from
    this.#units = withRoom(this.#units, this.#unitCount + length)
    this.ids = withRoom(this.ids, this.#idCount + count)
    this.#entries.set([hash, this.#unitCount, (length << 16) | count, this.#idCount], this.#size * STRIDE)
    for (let k = from; k < to; k++) this.#units[this.#unitCount++] = text.charCodeAt(k)
    for (let k = 0; k < count; k++) this.ids[this.#idCount++] = ids[k]
    this.#link(this.#size++)
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

  #clear(): void {
    this.#size = this.#unitCount = this.#idCount = 0
    this.#slots.fill(0)
  }
}

/** Hash of a piece, with its best bits on top. */
export function hashOfPiece(text: string, from: number, to: number): number {
  let hash = to - from
  for (let k = from; k < to; k++) hash = Math.imul(hash ^ text.charCodeAt(k), 0x9e3779b1)
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) | 0
}

function withRoom<T extends Uint16Array | Int32Array>(array: T, needed: number): T {
  if (needed <= array.length) return array
  const larger = new (array.constructor as new (length: number) => T)(Math.max(needed, 2 * array.length))
  larger.set(array)
  return larger
}
