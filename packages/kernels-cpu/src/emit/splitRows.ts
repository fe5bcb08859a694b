/**
 * Kernels for few very long rows with reductions (the sum of everything): threads share a row. Each phase is two stages:
 * blocks of 1,024 elements are reduced to sixteen lanes each, then one item a row folds the blocks in their order, which
 * is the order that a single thread follows too. Stores of elements come last, in blocks of their own.
 */
import { REDUCE_BLOCK, type FusedStep } from '@tarazed/tensor'
import { I32, V128, type Code } from '../wasm/code.js'
import { DESC } from './context.js'
import { ItemLoop } from './itemLoop.js'
import { estimate, makeContext, type Kernel, type KernelContext, type KernelStage } from './kernelContext.js'
import { ReducePass } from './reducePass.js'
import { RowCache } from './rowCache.js'
import { RowParts } from './rowParts.js'
import type { Scope } from './scope.js'
import { BLOCK } from './walk.js'

/** Blocks of one item. */
const BLOCKS = 8

/** Rows that are too few to go round, and long enough to be worth the extra stages. */
export function isSplit(step: FusedStep): boolean {
  return step.phases > 0 && rowsOf(step) <= 8 && step.inner >= 65536
}

function rowsOf(step: FusedStep): number {
  return step.outer.reduce((product, extent) => product * extent, 1)
}

export function emitSplitRows(step: FusedStep, relaxed: boolean): Kernel {
  const plan = planShared(step)
  const stages: KernelStage[] = []
  const add = (blocks: number | undefined, nanoseconds: number, emit: (stage: SplitStage, block?: number) => void) => {
    const stage = new SplitStage(makeContext(step, relaxed, step.outer.length), plan)
    const body = stage.emit(blocks, (block) => emit(stage, block))
    stages.push({ body, items: rowsOf(step) * (blocks ?? 1), itemNanoseconds: nanoseconds })
  }
  const work = (elements: number) => estimate(makeContext(step, relaxed, step.outer.length), elements)
  for (let phase = 0; phase < step.phases; phase++) {
    add(Math.ceil(plan.blocks / BLOCKS), work(BLOCKS * REDUCE_BLOCK), (stage, block) => stage.partials(phase, block!)) // blocks are given
    add(undefined, 2 * plan.blocks, (stage) => stage.fold(phase))
  }
  if (step.stores.some((store) => store.level === 'element')) {
    add(Math.ceil(step.inner / BLOCK), work(BLOCK), (stage, block) => stage.elements(block!)) // blocks are given
  }
  if (step.stores.some((store) => store.level === 'row')) add(undefined, 100, (stage) => stage.rowStores())
  return { stages, scratchBytes: 0, sharedBytes: plan.bytes }
}

/** The shared scratch: states of all blocks of one phase, then the values of all reductions, row by row. */
interface SharedPlan {
  readonly blocks: number
  /** Bytes of the state of one block. */
  readonly stateBytes: number
  readonly values: number
  /** Place of each reduction among the values of a row. */
  readonly order: ReadonlyMap<number, number>
  readonly bytes: number
}

function planShared(step: FusedStep): SharedPlan {
  const blocks = Math.ceil(step.inner / REDUCE_BLOCK)
  const phases = Array.from({ length: step.phases }, (_, phase) => ReducePass.stateVectors(step, phase))
  const stateBytes = 16 * Math.max(...phases)
  const reductions = step.exprs.flatMap((expr, id) => (expr.op === 'reduce' ? [id] : []))
  const values = rowsOf(step) * blocks * stateBytes
  const order = new Map(reductions.map((id, k) => [id, k]))
  return { blocks, stateBytes, values, order, bytes: values + rowsOf(step) * reductions.length * 16 }
}

class SplitStage {
  readonly #code: Code
  readonly #parts: RowParts
  /** Number of the row, and the address of the shared scratch. */
  readonly #row: number
  readonly #shared: number

  constructor(
    readonly context: KernelContext,
    readonly plan: SharedPlan,
  ) {
    this.#code = context.code
    this.#parts = new RowParts(context, new RowCache(new Map(), 0))
    this.#row = this.#code.allocate(I32)
    this.#shared = this.#code.allocate(I32)
  }

  emit(blocks: number | undefined, body: (block: number | undefined) => void): Uint8Array {
    const { step, code } = this.context
    const axes = step.outer.map((_, axis) => axis)
    const items = new ItemLoop(this.context, axes, blocks)
    items.begin()
    code.get(DESC)
    code.i32Load(4 * (step.operands.length + step.params.length))
    code.set(this.#shared)
    this.#parts.callValues()
    items.run((block) => {
      this.#setRow()
      body(block)
    })
    return code.finish()
  }

  #setRow(): void {
    const { outer } = this.context.step
    this.#code.i32(0)
    outer.forEach((extent, axis) => {
      this.#code.intWith('mul', extent)
      this.#code.get(this.context.outerIndex[axis]!) // made for every outer axis
      this.#code.int('add')
    })
    this.#code.set(this.#row)
  }

  partials(phase: number, chunk: number): void {
    const code = this.#code
    const { inner } = this.context.step
    const full = Math.floor(inner / REDUCE_BLOCK)
    const row = this.#openRow(phase)
    const block = code.allocate(I32)
    const end = code.allocate(I32)
    code.get(chunk)
    code.intWith('mul', BLOCKS)
    code.tee(block)
    code.i32(BLOCKS)
    code.int('add')
    code.tee(end)
    code.i32(full)
    code.get(end)
    code.i32(full)
    code.int('ltU')
    code.emit(0x1b) // select
    code.set(end)
    const isLast = () => {
      code.get(chunk)
      code.i32(Math.ceil(this.plan.blocks / BLOCKS) - 1)
      code.int('eq')
    }
    // After the loop over whole blocks, `block` is the number of the shorter one at the end of the row.
    this.#parts.pass(row, phase).emitBlocks(block, end, isLast, (state) => {
      const address = code.allocate(I32)
      this.#pushState(block)
      code.set(address)
      state.forEach((local, vector) => {
        code.get(address)
        code.get(local)
        code.simdMemory('store', 16 * vector)
      })
      code.release(address)
    })
    code.release(block)
    code.release(end)
    this.#parts.close(row)
  }

  fold(phase: number): void {
    const code = this.#code
    const row = this.#openRow(phase)
    const block = code.allocate(I32)
    const pass = this.#parts.pass(row, phase)
    pass.emitFold(block, this.plan.blocks, (vector) => {
      this.#pushState(block)
      code.simdMemory('load', 16 * vector)
    })
    code.release(block)
    for (const id of pass.ids) {
      this.#pushValues()
      code.get((row.find(id) as { local: number }).local) // the fold has just set it
      code.simdMemory('store', 16 * this.plan.order.get(id)!) // every reduction has a place
    }
    this.#parts.close(row)
  }

  elements(block: number): void {
    const row = this.#openRow(this.context.step.phases)
    this.#parts.elementStores(row, block)
    this.#parts.close(row)
  }

  rowStores(): void {
    const row = this.#openRow(this.context.step.phases)
    this.#parts.rowStores(row)
    this.#parts.close(row)
  }

  /** A row in which the reductions of the phases before `phase` are known. */
  #openRow(phase: number): Scope {
    const row = this.#parts.open()
    const { exprs } = this.context.step
    for (let ready = 0; ready <= phase; ready++) {
      exprs.forEach((expr, id) => {
        if (expr.op !== 'reduce' || expr.phase !== ready - 1) return
        this.#pushValues()
        this.#code.simdMemory('load', 16 * this.plan.order.get(id)!) // every reduction has a place
        const local = row.own(V128)
        this.#code.set(local)
        row.set(id, { local })
      })
      this.#parts.values(row, ready)
    }
    return row
  }

  /** Address of the state of a block of the row. */
  #pushState(block: number): void {
    const code = this.#code
    code.get(this.#row)
    code.intWith('mul', this.plan.blocks)
    code.get(block)
    code.int('add')
    code.intWith('mul', this.plan.stateBytes)
    code.get(this.#shared)
    code.int('add')
  }

  /** Address of the values of the row's reductions. */
  #pushValues(): void {
    const code = this.#code
    code.get(this.#row)
    code.intWith('mul', 16 * this.plan.order.size)
    code.get(this.#shared)
    code.int('add')
    code.intWith('add', this.plan.values)
  }
}
