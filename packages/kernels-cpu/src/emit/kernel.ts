/** Chooses how a fused step is walked and emits its function. */
import type { Access, FusedStep } from '@tarazed/tensor'
import { emitColumns } from './columns.js'
import type { Kernel } from './kernelContext.js'
import { normalise, permute } from './normalise.js'
import { emitRows } from './rows.js'
import { emitSplitRows, isSplit } from './splitRows.js'
import { crossAxis, emitTiles } from './tiles.js'

export function emitKernel(original: FusedStep, relaxed: boolean): Kernel {
  const step = normalise(original)
  const cross = crossAxis(step)
  if (cross !== undefined) return emitTiles(step, relaxed, cross)
  const axis = columnAxis(step)
  if (axis === undefined) return isSplit(step) ? emitSplitRows(step, relaxed) : emitRows(step, relaxed)
  const others = step.outer.map((_, k) => k).filter((k) => k !== axis)
  return emitColumns(permute(step, [...others, axis, step.outer.length]), relaxed)
}

/** The outer axis along which elements lie side by side, when the inner axis is not that one (reductions over axis 0). */
function columnAxis(step: FusedStep): number | undefined {
  if (step.phases === 0 || step.inner < 2) return undefined
  const inner = step.outer.length
  let best: number | undefined
  let bestScore = contiguous(step, inner)
  for (let axis = inner - 1; axis >= 0; axis--) {
    const score = contiguous(step, axis)
    if (step.outer[axis] < 4 || score <= bestScore) continue
    best = axis
    bestScore = score
  }
  return best
}

/** Accesses of elements that walk an axis with stride 1. */
function contiguous(step: FusedStep, axis: number): number {
  const inner = step.outer.length
  const counts = (access: Access) => (access.strides[inner] !== 0 && access.strides[axis] === 1 ? 1 : 0)
  let sum = 0
  for (const expr of step.exprs) if (expr.op === 'load') sum += counts(expr.access)
  for (const store of step.stores) if (store.level === 'element') sum += 2 * counts(store.access)
  return sum
}
