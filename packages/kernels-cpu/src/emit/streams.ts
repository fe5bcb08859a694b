/** Which operands a pass reads from memory first, and whether touching them ahead of the arithmetic pays. */
import { dtypeBytes } from '@tarazed/tensor'
import { pointerOf, type KernelContext } from './context.js'
import { argumentsOf } from './rewrite.js'
import type { Stream } from './walk.js'

/** Below this many vector instructions an element the processor's own prefetching is as good (add, AdamW) or better. */
const HEAVY = 16

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
