/** Bytes moved and floating-point operations of a step, counted from its shapes: the currency of profiles. */
import { dtypeBytes } from '../dtype.js'
import { sizeOf } from '../shape.js'
import type { FusedStep, Program, RoutineStep, Step, View } from '../program/ir.js'

export interface Work {
  /** Every operand read once, every result written once. */
  readonly bytes: number
  readonly flops: number
}

export function stepWork(step: Step, program: Program): Work {
  switch (step.kind) {
    case 'fused':
      return fusedWork(step, program)
    case 'routine': {
      const bytes = viewBytes([...step.operands, ...step.results])
      const { epilogue } = step
      if (epilogue === undefined) return { bytes, flops: routineFlops(step) }
      // The epilogue finds the results in the cache.
      const then = fusedWork(epilogue, program)
      return { bytes: bytes + then.bytes - viewBytes(step.results), flops: routineFlops(step) + then.flops }
    }
    case 'collective':
      return { bytes: viewBytes([...step.operands, ...step.results]), flops: 0 }
    case 'loop': {
      const body = programWork(step.body)
      return { bytes: body.bytes * step.trips, flops: body.flops * step.trips }
    }
  }
}

export function programWork(program: Program): Work {
  let bytes = 0
  let flops = 0
  for (const step of program.steps) {
    const work = stepWork(step, program)
    bytes += work.bytes
    flops += work.flops
  }
  return { bytes, flops }
}

/** Arithmetic expressions once per element (row expressions once per row); operands by the part of them that the domain can reach. */
function fusedWork(step: FusedStep, program: Program): Work {
  const rows = sizeOf(step.outer)
  const elements = rows * step.inner
  let flops = 0
  for (const expr of step.exprs) {
    if (expr.op === 'const' || expr.op === 'param' || expr.op === 'index' || expr.op === 'load') continue
    flops += expr.level === 'element' || expr.op === 'reduce' ? elements : rows
  }
  const touched = new Map<number, number>()
  const touch = (operand: number, level: 'row' | 'element'): void => {
    const slot = program.slots[step.operands[operand]]
    const reach = Math.min(slot.bytes, (level === 'element' ? elements : rows) * dtypeBytes(slot.dtype))
    touched.set(operand, Math.max(touched.get(operand) ?? 0, reach))
  }
  for (const expr of step.exprs) if (expr.op === 'load') touch(expr.operand, expr.level)
  let bytes = [...touched.values()].reduce((sum, part) => sum + part, 0)
  for (const store of step.stores) bytes += (store.level === 'element' ? elements : rows) * dtypeBytes(store.dtype)
  return { bytes, flops }
}

function viewBytes(views: readonly View[]): number {
  return views.reduce((sum, view) => {
    // A broadcast axis is read again, not moved again.
    const elements = view.shape.reduce((product, extent, k) => product * (view.strides[k] === 0 ? 1 : extent), 1)
    return sum + elements * dtypeBytes(view.dtype)
  }, 0)
}

function routineFlops(step: RoutineStep): number {
  const [a, b] = step.operands
  const [result] = step.results
  switch (step.name) {
    case 'matmul':
      return 2 * sizeOf(result.shape) * a.shape[a.shape.length - 1]
    case 'groupedMatmul':
      return 2 * sizeOf(a.shape) * result.shape[result.shape.length - 1]
    case 'quantMatmul':
    case 'groupedQuantMatmul':
      return 2 * sizeOf(result.shape) * a.shape[1]
    case 'conv':
      return 2 * sizeOf(result.shape) * sizeOf(b.shape.slice(1))
    case 'attention':
    case 'attentionGrad': {
      const [B, H, T, D] = a.shape
      const S = b.shape[2]
      const visible = step.attrs.causal === 'none' ? 1 : 0.5
      return B * H * T * S * D * visible * (step.name === 'attention' ? 4 : 10)
    }
    default:
      return sizeOf(result.shape)
  }
}
