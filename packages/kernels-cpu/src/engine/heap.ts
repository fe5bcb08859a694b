/** An allocator over a range of addresses: best fit by size class, neighbours merged when they are freed. */
import { InternalError } from '@tarazed/tensor'

/** Every block starts at a multiple of this. */
export const ALIGNMENT = 64

/** Free blocks looked at in the class of the request before a larger class is taken. */
const SCAN = 16

export class Heap {
  readonly #sizeAt = new Map<number, number>()
  readonly #startOfEnd = new Map<number, number>()
  readonly #classes: Set<number>[] = Array.from({ length: 33 }, () => new Set<number>())
  #top: number

  /** @param grow makes room up to an address; false when it cannot */
  constructor(
    base: number,
    readonly grow: (end: number) => boolean,
  ) {
    this.#top = base
  }

  /** Bytes that a request takes. */
  static sizeOf(bytes: number): number {
    return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT)
  }

  /** Address of a block, or undefined when there is no room. */
  allocate(bytes: number): number | undefined {
    const size = Heap.sizeOf(bytes)
    const start = this.#find(size)
    if (start === undefined) return this.#extend(size)
    const found = this.#sizeAt.get(start)! // the class lists only free blocks
    this.#remove(start, found)
    if (found > size) this.#insert(start + size, found - size)
    return start
  }

  /** Gives a block back; `bytes` as it was requested. */
  free(start: number, bytes: number): void {
    let from = start
    let size = Heap.sizeOf(bytes)
    if (this.#sizeAt.has(from)) throw new InternalError('heap: a block was freed twice')
    const next = this.#sizeAt.get(from + size)
    if (next !== undefined) {
      this.#remove(from + size, next)
      size += next
    }
    const before = this.#startOfEnd.get(from)
    if (before !== undefined) {
      const length = from - before
      this.#remove(before, length)
      from = before
      size += length
    }
    this.#insert(from, size)
  }

  #find(size: number): number | undefined {
    let scanned = 0
    let best: number | undefined
    let bestSize = Infinity
    for (const start of this.#classes[classOf(size)]) {
      const found = this.#sizeAt.get(start)! // listed, so free
      if (found >= size && found < bestSize) {
        best = start
        bestSize = found
        if (found === size) break
      }
      if (++scanned >= SCAN) break
    }
    for (let k = classOf(size) + 1; best === undefined && k < this.#classes.length; k++) {
      for (const start of this.#classes[k]) {
        best = start
        break
      }
    }
    return best
  }

  /** Takes new room above the top, together with a free block that ends there. */
  #extend(size: number): number | undefined {
    const last = this.#startOfEnd.get(this.#top)
    const start = last ?? this.#top
    if (!this.grow(start + size)) return undefined
    if (last !== undefined) this.#remove(last, this.#top - last)
    this.#top = start + size
    return start
  }

  #insert(start: number, size: number): void {
    this.#sizeAt.set(start, size)
    this.#startOfEnd.set(start + size, start)
    this.#classes[classOf(size)].add(start)
  }

  #remove(start: number, size: number): void {
    this.#sizeAt.delete(start)
    this.#startOfEnd.delete(start + size)
    this.#classes[classOf(size)].delete(start)
  }
}

function classOf(size: number): number {
  return Math.floor(Math.log2(size))
}
