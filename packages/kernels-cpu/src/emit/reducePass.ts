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
    const vectors = Math.min(4, Math.ceil(inner / 4))
    for (const { fold } of this.#reductions)
      this.#lanes.push(new Accumulators(this.#code, fold, vectors, inner > REDUCE_BLOCK))
    const blocks = inner > REDUCE_BLOCK && this.#reductions.some(({ fold }) => isOrdered(fold))
    const walk: Walk = {
      code: this.#code,
      axis: this.context.vectorAxis,
      unroll: 4,
      streams: this.streams.take(this.#roots(), this.phase),
      body: (position, vector) => this.#vector(position, vector),
    }
    if (blocks) this.#walkBlocks(walk, inner)
    else walkKnown(walk, 0, inner)
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
    scope.expect(this.#roots())
    for (const id of this.cache.writtenIn(this.phase)) this.cache.write(scope, id, defineValue(scope, id))
    this.#reductions.forEach(({ arg }, k) => this.#lanes[k].fold(defineValue(scope, arg), accumulator, position))
    scope.close()
  }
}

function foldOf(step: FusedStep, expr: ReduceExpr): Fold {
  return { kind: expr.kind, type: step.exprs[expr.arg].type }
}
