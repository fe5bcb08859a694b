/** Rules of one routine step: operand counts, dense results, views that stay in their slots, and shapes that fit. */
import { InternalError } from '../../errors.js'
import { stridesOf } from '../../shape.js'
import type { Program, RoutineName, RoutineStep, View } from '../ir.js'
import { reach } from './access.js'
import { validateFusedStep } from './fusedStep.js'

const RESULTS: Readonly<Record<RoutineName, number>> = {
  matmul: 1,
  groupedMatmul: 1,
  quantMatmul: 1,
  groupedQuantMatmul: 1,
  conv: 1,
  attention: 2,
  attentionGrad: 3,
  scatterAdd: 1,
  sort: 2,
  cumulative: 1,
  copy: 1,
}

/** Least and most operands. */
const OPERANDS: Readonly<Record<RoutineName, readonly [number, number]>> = {
  matmul: [2, 2],
  groupedMatmul: [3, 3],
  quantMatmul: [3, 4],
  groupedQuantMatmul: [4, 5],
  conv: [2, 2],
  attention: [3, 5],
  attentionGrad: [6, 8],
  scatterAdd: [3, 3],
  sort: [1, 1],
  cumulative: [1, 1],
  copy: [1, 1],
}

/** @throws InternalError naming the step and the operand */
export function validateRoutineStep(program: Program, step: RoutineStep, where: string): void {
  const require = (holds: boolean, message: string): void => {
    if (!holds) throw new InternalError(`${where} ${step.name}: ${message}`)
  }
  require(step.name in RESULTS, 'there is no such routine')
  const [least, most] = OPERANDS[step.name]
  const count = step.operands.length
  require(count >= least && count <= most, `takes ${least} … ${most} operands, got ${count}`)
  require(step.results.length === RESULTS[step.name], `gives ${RESULTS[step.name]} results, got ${step.results.length}`)
  step.operands.forEach((view, k) => validateView(program, view, `${where} ${step.name}: operand ${k}`))
  step.results.forEach((view, k) => {
    const what = `${where} ${step.name}: result ${k}`
    validateView(program, view, what)
    const dense = stridesOf(view.shape)
    const isDense = view.shape.every((size, axis) => size <= 1 || view.strides[axis] === dense[axis])
    require(isDense || view.shape.includes(0), `result ${k} is not dense: [${view.strides}] for [${view.shape}]`)
    require(program.slots[view.slot].place.kind !== 'input', `result ${k} writes to an input`)
    const readsIt = step.operands.some((operand) => operand.slot === view.slot)
    require(!readsIt, `result ${k} is written to slot ${view.slot}, which is also an operand`)
  })
  const misfit = shapeMisfit(step)
  require(misfit === null, `${misfit}`)
  if (step.epilogue !== undefined) validateFusedStep(program, step.epilogue, `${where} epilogue`)
}

/** @throws InternalError for a view that leaves its slot */
export function validateView(program: Program, view: View, what: string): void {
  const slot = program.slots[view.slot]
  if (slot === undefined) throw new InternalError(`${what} names slot ${view.slot} of ${program.slots.length}`)
  if (slot.dtype !== view.dtype) throw new InternalError(`${what} takes ${view.dtype} from a slot of ${slot.dtype}`)
  if (view.strides.length !== view.shape.length)
    throw new InternalError(`${what} has ${view.strides.length} strides for shape [${view.shape}]`)
  const range = reach(view.offset, view.strides, view.shape)
  if (range !== null && (range.low < 0 || range.high >= slot.elements))
    throw new InternalError(`${what} touches elements ${range.low} … ${range.high} of a slot of ${slot.elements}`)
}

/** What is wrong with the shapes of a routine; null when they fit. */
function shapeMisfit(step: RoutineStep): string | null {
  const shapes = step.operands.map((view) => view.shape)
  const results = step.results.map((view) => view.shape)
  const all = `[${[...shapes, ...results].map((shape) => `[${shape}]`).join(' ')}]`
  const fits = ((): boolean => {
    switch (step.name) {
      case 'matmul':
        return matmulFits(shapes[0], shapes[1], results[0])
      case 'groupedMatmul':
        return groupedFits(step, shapes, results[0])
      case 'quantMatmul':
        return shapes[0].length === 2 && equal(results[0], [shapes[0][0], shapes[1][0]])
      case 'groupedQuantMatmul': {
        const [x, packed] = shapes
        const groups = shapes[shapes.length - 1][0] - 1
        const offsets = step.operands[step.operands.length - 1]
        const isRank2 = x.length === 2 && results[0].length === 2 && offsets.shape.length === 1
        return isRank2 && offsets.dtype === 'i32' && results[0][0] === x[0] && packed[0] === groups * results[0][1]
      }
      case 'conv': {
        const [x, w] = shapes
        const rank = x.length
        const isRank = rank >= 3 && rank <= 5 && w.length === rank && results[0].length === rank
        return isRank && x[1] === w[1] * Number(step.attrs.groups) && results[0][0] === x[0] && results[0][1] === w[0]
      }
      case 'attention':
        return (
          attentionFits(shapes) && equal(results[0], outputShape(shapes)) && equal(results[1], shapes[0].slice(0, 3))
        )
      case 'attentionGrad':
        return attentionFits(shapes) && results.every((result, k) => equal(result, shapes[k]))
      case 'scatterAdd':
        return equal(results[0], shapes[0]) && equal(shapes[1], shapes[2]) && shapes[1].length === shapes[0].length
      case 'sort':
        return results.every((result) => equal(result, shapes[0]))
      case 'cumulative':
      case 'copy':
        return equal(results[0], shapes[0])
    }
  })()
  return fits ? null : `shapes do not fit: ${all}`
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}

function matmulFits(a: readonly number[], b: readonly number[], out: readonly number[]): boolean {
  const rank = a.length
  if (rank < 2 || b.length !== rank || a[rank - 1] !== b[rank - 2]) return false
  const batch = a.slice(0, -2)
  return equal(batch, b.slice(0, -2)) && equal(out, [...batch, a[rank - 2], b[rank - 1]])
}

function groupedFits(
  step: RoutineStep,
  [a, b, offsets]: readonly (readonly number[])[],
  out: readonly number[],
): boolean {
  if (a.length !== 2 || offsets.length !== 1 || step.operands[2].dtype !== 'i32') return false
  const groups = offsets[0] - 1
  if (step.attrs.contract === 'rows') return b.length === 2 && a[0] === b[0] && equal(out, [groups, a[1], b[1]])
  return step.attrs.contract === 'columns' && equal(b, [groups, a[1], b[2]]) && equal(out, [a[0], b[2]])
}

function attentionFits([q, k, v]: readonly (readonly number[])[]): boolean {
  const isRank4 = q.length === 4 && k.length === 4 && v.length === 4
  return isRank4 && q[0] === k[0] && q[3] === k[3] && q[1] % k[1] === 0 && equal(k.slice(0, 3), v.slice(0, 3))
}

/** [B, H, T, E] */
function outputShape([q, , v]: readonly (readonly number[])[]): number[] {
  return [q[0], q[1], q[2], v[3]]
}
