/**
 * Memory for what the host writes: headers, descriptors, lists, bindings. It is kept apart from the heap of buffers,
 * whose freed blocks may still be written by runs under way; here a block is reused only when the runs that were
 * enqueued before it was freed have ended.
 */
import { Heap } from './heap.js'

export interface TableBlock {
  readonly address: number
  readonly bytes: number
  readonly heap: Heap
}

const SLAB_BYTES = 1 << 20

export class TableMemory {
  readonly #slabs: Heap[] = []
  readonly #retired: { readonly block: TableBlock; readonly run: number }[] = []

  /** @param takeSlab memory of the heap; called only while nothing runs */
  constructor(
    readonly takeSlab: (bytes: number) => number,
    readonly runsEnded: () => number,
  ) {}

  /** A block, or undefined when `addSlab` must make room first. */
  tryAllocate(bytes: number): TableBlock | undefined {
    this.#reclaim()
    for (const heap of this.#slabs) {
      const address = heap.allocate(bytes)
      if (address !== undefined) return { address, bytes, heap }
    }
    return undefined
  }

  /** Makes room for a block. Nothing may run: memory from the heap can still be written by earlier runs. */
  addSlab(bytes: number): void {
    const size = Math.max(SLAB_BYTES, Heap.sizeOf(bytes))
    const base = this.takeSlab(size)
    this.#slabs.push(new Heap(base, (end) => end <= base + size))
  }

  /** Frees a block once run `run` has ended. */
  retire(block: TableBlock, run: number): void {
    this.#retired.push({ block, run })
  }

  #reclaim(): void {
    const ended = this.runsEnded()
    while (this.#retired.length > 0 && this.#retired[0].run <= ended) {
      const { block } = this.#retired.shift()! // there is one
      block.heap.free(block.address, block.bytes)
    }
  }
}
