/**
 * Brings a fused step into the form that the emitters take: math functions lowered, equal expressions merged, axes of
 * extent 1 removed, axes merged where every access walks them as one, and (in steps without reductions) the inner
 * axis chosen so that most accesses are contiguous along it.
 */
import { lowerMath, type Access, type Expr, type FusedStep } from '@tarazed/tensor'
import { accessesOf, mapAccesses, shareAndPrune } from './rewrite.js'

export function normalise(step: FusedStep): FusedStep {
  const basic = lowered(step)
  if (!isPointwise(basic)) return mergeAxes(dropUnitAxes(basic, false), 1)
  return mergeAxes(orderAxes(mergeAxes(dropUnitAxes(basic, true), 0)), 0)
}

/** Math functions lowered, equal expressions merged; axes as they are. */
export function lowered(step: FusedStep): FusedStep {
  return shareAndPrune(skipRounding(lowerMath(step)))
}

/**
 * Stores to f16, i8 and u8 round or wrap by themselves, so the rounding of the value just before is left out. bf16 is
 * cut when it is stored and keeps its rounding.
 */
function skipRounding(step: FusedStep): FusedStep {
  const stores = step.stores.map((store) => {
    const value = step.exprs[store.value]
    const repeats = value.op === 'round' && value.to === store.dtype && value.to !== 'bf16'
    return repeats ? { ...store, value: value.args[0] } : store
  })
  return { ...step, stores }
}

/** No reductions and no row stores: any axis may be the inner one. */
export function isPointwise(step: FusedStep): boolean {
  return step.phases === 0 && step.stores.every((store) => store.level === 'element')
}

/** Extents of all axes: the outer ones, then the inner one. */
export function extents(step: FusedStep): number[] {
  return [...step.outer, step.inner]
}

function dropUnitAxes(step: FusedStep, innerToo: boolean): FusedStep {
  const sizes = extents(step)
  const kept = sizes.flatMap((extent, axis) => (extent === 1 && (innerToo || axis < step.outer.length) ? [] : [axis]))
  if (kept.length === sizes.length) return step
  return permute(step, kept.length === 0 ? [step.outer.length] : kept)
}

/** The step over the listed axes (the last one is the new inner axis); the others have extent 1. */
export function permute(step: FusedStep, axes: readonly number[]): FusedStep {
  const sizes = extents(step)
  const moved = mapAccesses(step, (access) => ({ ...access, strides: axes.map((axis) => access.strides[axis]) }))
  const exprs = moved.exprs.map((expr): Expr => {
    if (expr.op !== 'index') return expr
    const axis = axes.indexOf(expr.axis)
    return axis < 0 ? { op: 'const', type: 'i32', level: 'row', value: 0 } : { ...expr, axis }
  })
  const order = axes.map((axis) => sizes[axis])
  return shareAndPrune({ ...moved, exprs, outer: order.slice(0, -1), inner: order[order.length - 1] })
}

/** Whether an access takes axis `axis` and the next one in equal steps. */
export function walksAsOne(access: Access, axis: number, extentOfNext: number): boolean {
  return access.strides[axis] === access.strides[axis + 1] * extentOfNext
}

/** Merges neighbouring axes; the last `keep` axes are left alone (reductions fix the inner one). */
function mergeAxes(step: FusedStep, keep: number): FusedStep {
  const indexed = new Set(step.exprs.flatMap((expr) => (expr.op === 'index' ? [expr.axis] : [])))
  let result = step
  for (let axis = step.outer.length - 1 - keep; axis >= 0; axis--) {
    if (indexed.has(axis) || indexed.has(axis + 1)) continue
    if (!accessesOf(result).every((access) => walksAsOne(access, axis, extents(result)[axis + 1]))) continue
    result = fuseAxis(result, axis)
    const shifted = [...indexed].map((name) => (name > axis ? name - 1 : name))
    indexed.clear()
    for (const name of shifted) indexed.add(name)
  }
  return result
}

/** Joins axis `axis` with the next one; every access has to walk them as one, and no expression may name them. */
export function fuseAxis(step: FusedStep, axis: number): FusedStep {
  const sizes = extents(step)
  const merged = mapAccesses(step, (access) => ({
    ...access,
    strides: access.strides.filter((_, position) => position !== axis),
  }))
  sizes.splice(axis, 2, sizes[axis] * sizes[axis + 1])
  const exprs = merged.exprs.map((expr): Expr =>
    expr.op === 'index' && expr.axis > axis ? { ...expr, axis: expr.axis - 1 } : expr,
  )
  return { ...merged, exprs, outer: sizes.slice(0, -1), inner: sizes[sizes.length - 1] }
}

/** Moves the axis along which most accesses are contiguous to the inside; without reductions the order of axes is free. */
function orderAxes(step: FusedStep): FusedStep {
  const sizes = extents(step)
  if (sizes.length === 1) return step
  const score = (axis: number) => {
    let sum = 0
    for (const store of step.stores) sum += 2 * unitScore(store.access, axis)
    for (const expr of step.exprs) if (expr.op === 'load') sum += unitScore(expr.access, axis)
    // A short axis cannot fill vectors.
    return sizes[axis] < 4 ? sum / 4 : sum
  }
  let best = sizes.length - 1
  for (let axis = sizes.length - 2; axis >= 0; axis--) if (score(axis) > score(best)) best = axis
  if (best === sizes.length - 1) return step
  const axes = sizes.map((_, axis) => axis).filter((axis) => axis !== best)
  return permute(step, [...axes, best])
}

function unitScore(access: Access, axis: number): number {
  const stride = access.strides[axis]
  return stride === 1 || stride === 0 ? 1 : 0
}
