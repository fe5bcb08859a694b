/** What every kind of kernel starts from and ends in. */
import { dtypeBytes, type FusedStep } from '@tarazed/tensor'
import { Code, I32 } from '../wasm/code.js'
import { analyse } from './analyse.js'
import type { KernelContext } from './context.js'

export type { KernelContext }

/** A finished kernel: one function, or several that run one after the other. */
export interface Kernel {
  readonly stages: readonly KernelStage[]
  /** Scratch of every thread. */
  readonly scratchBytes: number
  /** Scratch that the threads share, from one stage to the next. */
  readonly sharedBytes: number
}

/** A function and how the driver may cut its work into pieces. */
export interface KernelStage {
  readonly body: Uint8Array
  readonly items: number
  readonly itemNanoseconds: number
}

export function oneStage(body: Uint8Array, items: number, itemNanoseconds: number, scratchBytes: number): Kernel {
  return { stages: [{ body, items, itemNanoseconds }], scratchBytes, sharedBytes: 0 }
}

export function makeContext(step: FusedStep, relaxed: boolean, vectorAxis: number): KernelContext {
  const code = new Code(4)
  return {
    code,
    step,
    analysis: analyse(step),
    vectorAxis,
    relaxed,
    bases: step.operands.map(() => code.allocate(I32)),
    pointers: new Map(),
    rowPointers: new Map(),
    outerIndex: step.outer.map(() => code.allocate(I32)),
  }
}

/** Nanoseconds of that many elements on one thread, from their vector instructions and its bytes. */
export function estimate(context: KernelContext, elements: number): number {
  const { step, analysis } = context
  let bytes = 0
  let instructions = 0
  step.exprs.forEach((expr, id) => {
    if (analysis.place[id] !== 'element') return
    instructions += 1
    if (expr.op === 'load') bytes += dtypeBytes(expr.dtype)
  })
  for (const store of step.stores) if (store.level === 'element') bytes += 2 * dtypeBytes(store.dtype)
  return 10 + elements * (instructions * 0.1 + bytes * 0.08)
}
