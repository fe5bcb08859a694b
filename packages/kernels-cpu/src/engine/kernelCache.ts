/** Kernels by content: equal steps of any program share one function, which keeps its place in the function table. */
import type { FusedStep } from '@tarazed/tensor'
import { emitKernel } from '../emit/kernel.js'
import type { Kernel, KernelStage } from '../emit/kernelContext.js'
import { stepKey } from '../emit/rewrite.js'
import { emitRows } from '../emit/rows.js'
import { tileRows, type TiledStep } from '../emit/tileRows.js'
import type { ResultTiles } from '../routines/plan.js'

/** A function in the table, and its work. */
export interface LoadedStage extends Omit<KernelStage, 'body'> {
  readonly tableIndex: number
}

/** A function that is not compiled yet. */
export interface FreshKernel {
  readonly key: string
  readonly tableIndex: number
  readonly body: Uint8Array
}

export interface LoadedKernel {
  readonly key: string
  readonly stages: readonly LoadedStage[]
  readonly scratchBytes: number
  readonly sharedBytes: number
  users: number
}

/** The kernel of an epilogue that follows the tiles of its product. */
export interface TiledKernel {
  readonly kernel: LoadedKernel
  readonly itemsOfRow: number
}

/** Kernels without users that are kept for the next program that needs them. */
const KEPT = 4096

export class KernelCache {
  readonly #kernels = new Map<string, LoadedKernel>()
  readonly #freeIndices: number[] = []
  /** Items in a row of tiles for epilogues seen before, 0 for those that are not cut. */
  readonly #itemsOfRow = new Map<string, number>()
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
  acquire(step: FusedStep, fresh: FreshKernel[]): LoadedKernel {
    return this.#acquire(stepKey(step), fresh, () => emitKernel(step, this.relaxed))
  }

  /** The kernel of an epilogue whose items are rows of tiles; undefined where it is better left to a pass of its own. */
  acquireTiled(epilogue: FusedStep, result: number, tiles: ResultTiles, fresh: FreshKernel[]): TiledKernel | undefined {
    const { rows, columns, tileRows: height, tileColumns: width, rowTilesFirst } = tiles
    const cut = [epilogue.operands.indexOf(result), rows, columns, height, width, rowTilesFirst ? 1 : 0].join(' ')
    const key = `tiles ${cut} ${stepKey(epilogue)}`
    let tiled: TiledStep | undefined
    let itemsOfRow = this.#itemsOfRow.get(key)
    if (itemsOfRow === undefined) {
      tiled = tileRows(epilogue, result, tiles)
      itemsOfRow = tiled?.itemsOfRow ?? 0
      if (this.#itemsOfRow.size >= KEPT) this.#itemsOfRow.clear()
      this.#itemsOfRow.set(key, itemsOfRow)
    }
    if (itemsOfRow === 0) return undefined
    // What was cut before is cut again when its kernel has been dropped meanwhile; then it can be cut.
    const emit = (): Kernel => emitRows((tiled ?? (tileRows(epilogue, result, tiles) as TiledStep)).step, this.relaxed)
    return { kernel: this.#acquire(key, fresh, emit), itemsOfRow }
  }

  #acquire(key: string, fresh: FreshKernel[], emit: () => Kernel): LoadedKernel {
    const known = this.#kernels.get(key)
    if (known) {
      if (known.users++ === 0) this.#unused--
      // The order of the map is the order of use.
      this.#kernels.delete(key)
      this.#kernels.set(key, known)
      return known
    }
    const { stages, scratchBytes, sharedBytes } = emit()
    const placed = stages.map(({ body, ...work }) => {
      const tableIndex = this.#freeIndices.pop() ?? this.#nextIndex++
      fresh.push({ key, tableIndex, body })
      return { ...work, tableIndex }
    })
    const loaded = { key, stages: placed, scratchBytes, sharedBytes, users: 1 }
    this.#kernels.set(key, loaded)
    return loaded
  }

  /** Takes back kernels that will not be compiled, since their program could not be laid out. */
  discard(fresh: readonly FreshKernel[]): void {
    for (const { key, tableIndex } of fresh) {
      this.#kernels.delete(key)
      this.#freeIndices.push(tableIndex)
    }
  }

  release(kernel: LoadedKernel): void {
    if (--kernel.users > 0) return
    this.#unused++
    if (this.#unused <= KEPT) return
    for (const [key, oldest] of this.#kernels) {
      if (oldest.users > 0) continue
      this.#kernels.delete(key)
      this.#freeIndices.push(...oldest.stages.map((stage) => stage.tableIndex))
      this.#unused--
      return
    }
  }
}
