/** Which operands a pass reads from memory first, and whether touching them ahead of the arithmetic pays. */
import { dtypeBytes } from '@tarazed/tensor'
import { I32 } from '../wasm/code.js'
import { pointerOf, type KernelContext } from './context.js'
import { argumentsOf } from './rewrite.js'
import type { Stream } from './walk.js'

/** Below this many vector instructions an element the processor's own prefetching is as good (add, AdamW) or better. */
const HEAVY = 16

/** Rows of fewer elements are overlapped by the processor itself. */
const WORTH_AHEAD = 512

export class Streams {
  readonly #context: KernelContext
  readonly #firstPass = new Map<number, number>()

  constructor(context: KernelContext) {
    this.#context = context
  }

  /** Operands that pass `pass` is the first to read, when its roots are heavy. */
  take(roots: readonly number[], pass: number): Stream[] {
    const { analysis } = this.#context
    const cost = roots.reduce((sum, id) => sum + analysis.cost[id], 0)
    const found = this.#contiguous(roots).filter(({ pointer }) => {
      const first = this.#firstPass.get(pointer) ?? pass
      this.#firstPass.set(pointer, first)
      return first === pass
    })
    return cost >= HEAVY ? found : []
  }

  /**
   * For a heavy pass after a light one: where its element stores will go, and the next row of what earlier passes have
   * read. The locals are the caller's to release.
   */
  ahead(roots: readonly number[], pass: number): Stream[] {
    const { step, analysis, vectorAxis, code } = this.#context
    const cost = roots.reduce((sum, id) => sum + analysis.cost[id], 0)
    if (cost < HEAVY || step.inner < WORTH_AHEAD) return []
    const found: Stream[] = []
    for (const { operand, dtype, access, level } of step.stores) {
      if (level !== 'element' || access.strides[vectorAxis] !== 1 || access.gathered.length > 0) continue
      const pointer = code.allocate(I32)
      code.get(pointerOf(this.#context, operand, dtype, access))
      code.set(pointer)
      found.push({ pointer, bytes: dtypeBytes(dtype) })
    }
    for (const { local, bytes, access } of this.#context.pointers.values()) {
      const first = this.#firstPass.get(local)
      if (first === undefined || first >= pass || step.outer.length === 0) continue
      found.push({ pointer: this.#nextRow(local, access.strides[vectorAxis - 1] * bytes), bytes })
    }
    return found
  }

  /** The row after this one, or this one again where the last outer axis ends. */
  #nextRow(pointer: number, rowBytes: number): number {
    const { step, outerIndex, vectorAxis, code } = this.#context
    const next = code.allocate(I32)
    code.get(pointer)
    code.intWith('add', rowBytes | 0)
    code.get(pointer)
    code.get(outerIndex[vectorAxis - 1]!) // callers have an outer axis
    code.i32(step.outer[vectorAxis - 1] - 1)
    code.int('ltU')
    code.emit(0x1b) // select
    code.set(next)
    return next
  }

  /** Unguarded loads with stride 1 and no gathered terms below the roots. */
  #contiguous(roots: readonly number[]): Stream[] {
    const { step, analysis, vectorAxis } = this.#context
    const streams = new Map<number, Stream>()
    const seen = new Set<number>()
    const visit = (id: number): void => {
      if (seen.has(id) || analysis.place[id] !== 'element') return
      seen.add(id)
      const expr = step.exprs[id]
      for (const argument of argumentsOf(expr)) visit(argument)
      if (expr.op !== 'load' || expr.guard !== undefined) return
      if (expr.access.strides[vectorAxis] !== 1 || expr.access.gathered.length > 0) return
      const pointer = pointerOf(this.#context, expr.operand, expr.dtype, expr.access)
      streams.set(pointer, { pointer, bytes: dtypeBytes(expr.dtype) })
    }
    for (const root of roots) visit(root)
    return [...streams.values()]
  }
}
