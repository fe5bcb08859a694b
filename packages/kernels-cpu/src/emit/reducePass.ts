/** One reduction phase over one row, vectors along the inner axis. */
import { REDUCE_BLOCK, type FusedStep } from '@tarazed/tensor'
import { I32, type Code } from '../wasm/code.js'
import { Accumulators } from './accumulators.js'
import type { KernelContext, Position } from './context.js'
import { isOrdered, type Fold, type ReduceExpr } from './reductions.js'
import type { RowCache } from './rowCache.js'
import type { Scope } from './scope.js'
import type { Streams } from './streams.js'
import { defineValue } from './values.js'
import { touchBlock, walkGroups, walkKnown, type Walk } from './walk.js'

/** One phase over one row. */
export class ReducePass {
  readonly #code: Code
  readonly #reductions: { readonly id: number; readonly fold: Fold; readonly arg: number }[]
  readonly #lanes: Accumulators[] = []
  #uses?: ReadonlyMap<number, number>

  constructor(
    readonly context: KernelContext,
    readonly cache: RowCache,
    readonly row: Scope,
    readonly phase: number,
    readonly streams: Streams,
  ) {
    this.#code = context.code
    this.#reductions = context.step.exprs.flatMap((expr, id) =>
      expr.op === 'reduce' && expr.phase === phase ? [{ id, arg: expr.arg, fold: foldOf(context.step, expr) }] : [],
    )
  }

  emit(): void {
    const { inner } = this.context.step
    const blocks = inner > REDUCE_BLOCK && this.#reductions.some(({ fold }) => isOrdered(fold))
    const ahead = this.streams.ahead(this.#roots(), this.phase)
    const walk = { ...this.#prepare(inner > REDUCE_BLOCK), ahead }
    if (blocks) this.#walkBlocks(walk, inner)
    else walkKnown(walk, 0, inner)
    for (const { pointer } of ahead) this.#code.release(pointer)
    this.#reductions.forEach(({ id }, k) => this.row.set(id, { local: this.#lanes[k].finish(this.row) }))
    for (const lanes of this.#lanes) lanes.release()
  }

  /** Makes the accumulators; `long` rows have totals of their blocks beside them. */
  #prepare(long: boolean): Walk {
    const vectors = Math.min(4, Math.ceil(this.context.step.inner / 4))
    for (const { fold } of this.#reductions) this.#lanes.push(new Accumulators(this.#code, fold, vectors, long))
    return {
      code: this.#code,
      axis: this.context.vectorAxis,
      unroll: 4,
      streams: this.streams.take(this.#roots(), this.phase),
      body: (position, vector) => this.#vector(position, vector),
    }
  }

  /** Reductions of the phase: the expressions, in order. */
  get ids(): number[] {
    return this.#reductions.map(({ id }) => id)
  }

  /** Vectors of state that a block leaves behind. */
  static stateVectors(step: FusedStep, phase: number): number {
    let vectors = 0
    for (const expr of step.exprs) {
      if (expr.op !== 'reduce' || expr.phase !== phase) continue
      const { kind, type } = foldOf(step, expr)
      vectors += kind === 'argMax' || kind === 'argMin' ? 8 : 4
      if (type === 'f32' && (kind === 'max' || kind === 'min')) vectors += 2
    }
    return vectors
  }

  /** The blocks from number `block` to `blockEnd` (locals): `save` is called with the state after each. */
  emitBlocks(block: number, blockEnd: number, isLast: () => void, save: (state: readonly number[]) => void): void {
    const code = this.#code
    const { inner } = this.context.step
    const walk = this.#prepare(false)
    const at = code.allocate(I32)
    const end = code.allocate(I32)
    code.countedLoop(
      block,
      () => code.get(blockEnd),
      1,
      () => {
        for (const lanes of this.#lanes) lanes.clear()
        code.get(block)
        code.intWith('mul', REDUCE_BLOCK)
        code.tee(at)
        code.i32(REDUCE_BLOCK)
        code.int('add')
        code.set(end)
        touchBlock(walk, at)
        walkGroups(walk, at, () => code.get(end))
        save(this.#lanes.flatMap((lanes) => lanes.state()))
      },
    )
    code.release(at)
    code.release(end)
    const rest = inner % REDUCE_BLOCK
    if (rest > 0) {
      isLast()
      code.if()
      for (const lanes of this.#lanes) lanes.clear()
      walkKnown({ ...walk, streams: [] }, inner - rest, rest)
      save(this.#lanes.flatMap((lanes) => lanes.state()))
      code.end()
    }
    for (const lanes of this.#lanes) lanes.release()
  }

  /** Folds saved states in the order of the blocks; `load` pushes a vector of the state of block `block` (a local). */
  emitFold(block: number, blocks: number, load: (vector: number) => void): void {
    const code = this.#code
    this.#prepare(false)
    code.i32(0)
    code.set(block)
    code.countedLoop(
      block,
      () => code.i32(blocks),
      1,
      () => {
        let first = 0
        for (const lanes of this.#lanes) {
          const from = first
          lanes.mergeState((vector) => load(from + vector))
          first += lanes.state().length
        }
      },
    )
    this.#reductions.forEach(({ id }, k) => this.row.set(id, { local: this.#lanes[k].finish(this.row) }))
    for (const lanes of this.#lanes) lanes.release()
  }

  /** Blocks of 1,024 elements; the last may be shorter, and its last vectors need not fill the sixteen lanes. */
  #walkBlocks(walk: Walk, inner: number): void {
    const code = this.#code
    const full = inner - (inner % REDUCE_BLOCK)
    const at = code.allocate(I32)
    const end = code.allocate(I32)
    code.i32(0)
    code.set(at)
    code.countedLoop(
      at,
      () => code.i32(full),
      0,
      () => {
        for (const lanes of this.#lanes) lanes.startBlock()
        touchBlock(walk, at)
        code.get(at)
        code.i32(REDUCE_BLOCK)
        code.int('add')
        code.set(end)
        walkGroups(walk, at, () => code.get(end))
        for (const lanes of this.#lanes) lanes.endBlock()
      },
    )
    code.release(at)
    code.release(end)
    if (full === inner) return
    for (const lanes of this.#lanes) lanes.startBlock()
    walkKnown({ ...walk, streams: [] }, full, inner - full)
    for (const lanes of this.#lanes) lanes.endBlock()
  }

  #roots(): number[] {
    const written = this.cache.writtenIn(this.phase)
    return [...new Set([...written, ...this.#reductions.map(({ arg }) => arg)])].sort((a, b) => a - b)
  }

  #vector(position: Position, accumulator: number): void {
    const scope = this.cache.openScope(this.row, position, this.phase)
    this.#uses = scope.expect(this.#roots(), this.#uses)
    for (const id of this.cache.writtenIn(this.phase)) this.cache.write(scope, id, defineValue(scope, id))
    this.#reductions.forEach(({ arg }, k) => this.#lanes[k].fold(defineValue(scope, arg), accumulator, position))
    scope.close()
  }
}

function foldOf(step: FusedStep, expr: ReduceExpr): Fold {
  return { kind: expr.kind, type: step.exprs[expr.arg].type }
}
