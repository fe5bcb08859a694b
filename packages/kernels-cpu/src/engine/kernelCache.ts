/** Kernels by content: equal steps of any program share one function, which keeps its place in the function table. */
import { type FusedStep } from '@tarazed/tensor'
import { emitKernel } from '../emit/kernel.js'
import type { Kernel } from '../emit/kernelContext.js'
import { stepKey } from '../emit/rewrite.js'

export interface LoadedKernel {
  readonly key: string
  readonly tableIndex: number
  readonly kernel: Omit<Kernel, 'body'>
  users: number
}

/** Kernels without users that are kept for the next program that needs them. */
const KEPT = 4096

export class KernelCache {
  readonly #kernels = new Map<string, LoadedKernel>()
  readonly #freeIndices: number[] = []
  #nextIndex: number
  #unused = 0

  constructor(
    firstIndex: number,
    readonly relaxed: boolean,
  ) {
    this.#nextIndex = firstIndex
  }

  /** Entries that the function table needs. */
  get tableSize(): number {
    return this.#nextIndex
  }

  /** The kernel of a step; a new one is appended to `fresh`, to be compiled before it runs. */
  acquire(step: FusedStep, fresh: { tableIndex: number; body: Uint8Array }[]): LoadedKernel {
    const key = stepKey(step)
    const known = this.#kernels.get(key)
    if (known) {
      if (known.users++ === 0) this.#unused--
      // The order of the map is the order of use.
      this.#kernels.delete(key)
      this.#kernels.set(key, known)
      return known
    }
    const { body, ...kernel } = emitKernel(step, this.relaxed)
    const tableIndex = this.#freeIndices.pop() ?? this.#nextIndex++
    fresh.push({ tableIndex, body })
    const loaded = { key, tableIndex, kernel, users: 1 }
    this.#kernels.set(key, loaded)
    return loaded
  }

  release(kernel: LoadedKernel): void {
    if (--kernel.users > 0) return
    this.#unused++
    if (this.#unused <= KEPT) return
    for (const [key, oldest] of this.#kernels) {
      if (oldest.users > 0) continue
      this.#kernels.delete(key)
      this.#freeIndices.push(oldest.tableIndex)
      this.#unused--
      return
    }
  }
}
