/**
 * Epilogues of products, cut as the product is: the kernel's items are the rows of one tile of the result after the
 * other, in the order in which the product finishes tiles, so that each is worked on while it is in the cache.
 */
import type { Expr, FusedStep } from '@tarazed/tensor'
import type { ResultTiles } from '../routines/plan.js'
import { extents, fuseAxis, isPointwise, lowered, permute, walksAsOne } from './normalise.js'
import { accessesOf, renumber, renumberStore, shareAndPrune } from './rewrite.js'
import { crossAxis } from './tiles.js'

export interface TiledStep {
  /** With the operands and params of the epilogue. */
  readonly step: FusedStep
  /** Items that one row of a tile is: more than one where operands do not continue from one column to the next. */
  readonly itemsOfRow: number
}

/**
 * The epilogue over [matrices, column tiles, rows, columns of a tile], or over [matrices, row tiles, column tiles, rows of a
 * tile, columns of a tile]. Undefined when it is better left to a pass of its own.
 *
 * @param result the slot that the product writes
 */
export function tileRows(epilogue: FusedStep, result: number, tiles: ResultTiles): TiledStep | undefined {
  if (!isPointwise(epilogue)) return undefined
  const { rows, columns, tileRows, tileColumns, rowTilesFirst } = tiles
  const bounds = [tileColumns, columns, rowTilesFirst ? tileRows * columns : columns, rows * columns]
  let step = inOrderOf(lowered(epilogue), result)
  if (step === undefined || turns(step)) return undefined
  for (const bound of bounds) step = step && splitAt(step, bound)
  if (step === undefined) return undefined
  const [inner, columnTiles, rowsOfTile, otherRows, matrices] = segments(step, bounds)
  const order = rowTilesFirst
    ? [matrices, otherRows, columnTiles, rowsOfTile, inner]
    : [matrices, columnTiles, otherRows, inner]
  return inner.length === 0 ? undefined : merged(permute(step, order.flat()), order)
}

/** Whether operands run across the result: those are better walked in square tiles. */
function turns(step: FusedStep): boolean {
  const inner = step.outer.length
  return (
    crossAxis(step) !== undefined || step.stores.some(({ access }) => step.inner >= 8 && access.strides[inner] !== 1)
  )
}

/** The step over axes in the order in which they walk through the result; undefined when the result is not read. */
function inOrderOf(step: FusedStep, result: number): FusedStep | undefined {
  const read = step.exprs.find((expr) => expr.op === 'load' && step.operands[expr.operand] === result)
  if (read?.op !== 'load') return undefined
  const { strides } = read.access
  const axes = extents(step).flatMap((extent, axis) => (extent > 1 ? [axis] : []))
  if (axes.length === 0) return undefined
  return permute(
    step,
    axes.sort((a, b) => strides[b] - strides[a]),
  )
}

/** Splits the axis that runs across element `bound`, counted from the last axis; undefined when it does not divide. */
function splitAt(step: FusedStep, bound: number): FusedStep | undefined {
  const sizes = extents(step)
  let after = 1
  for (let axis = sizes.length - 1; axis >= 0 && after < bound; axis--) {
    const whole = after * sizes[axis]
    if (whole > bound) return whole % bound === 0 && bound % after === 0 ? split(step, axis, bound / after) : undefined
    after = whole
  }
  return after === bound || after < bound ? step : undefined
}

/** Axis `axis` of extent n becomes n / low and, right after it, `low`. */
function split(step: FusedStep, axis: number, low: number): FusedStep {
  const sizes = extents(step)
  sizes.splice(axis, 1, sizes[axis] / low, low)
  const exprs: Expr[] = []
  const map: number[] = []
  const access = <A extends { readonly strides: readonly number[] }>(of: A): A => {
    const strides = [...of.strides]
    strides.splice(axis, 1, strides[axis] * low, strides[axis])
    return { ...of, strides }
  }
  for (const old of step.exprs) {
    const expr = renumber(old, (id) => map[id])
    if (expr.op === 'index' && expr.axis === axis) map.push(pushSplitIndex(exprs, expr, axis, low))
    else if (expr.op === 'index')
      map.push(exprs.push({ ...expr, axis: expr.axis > axis ? expr.axis + 1 : expr.axis }) - 1)
    else if (expr.op === 'load') map.push(exprs.push({ ...expr, access: access(expr.access) }) - 1)
    else map.push(exprs.push(expr) - 1)
  }
  const stores = step.stores.map((store) => {
    const moved = renumberStore(store, (id) => map[id])
    return { ...moved, access: access(moved.access) }
  })
  return { ...step, exprs, stores, outer: sizes.slice(0, -1), inner: sizes[sizes.length - 1] }
}

/** index = high · low + rest */
function pushSplitIndex(exprs: Expr[], { level }: Expr, axis: number, low: number): number {
  const high = exprs.push({ op: 'index', type: 'i32', level, axis }) - 1
  const factor = exprs.push({ op: 'const', type: 'i32', level: 'row', value: low }) - 1
  const scaled = exprs.push({ op: 'mul', type: 'i32', level, args: [high, factor] }) - 1
  const rest = exprs.push({ op: 'index', type: 'i32', level, axis: axis + 1 }) - 1
  return exprs.push({ op: 'add', type: 'i32', level, args: [scaled, rest] }) - 1
}

/** Axes between the bounds, from the last axis on; the fifth list is what lies outside all of them. */
function segments(step: FusedStep, bounds: readonly number[]): number[][] {
  const sizes = extents(step)
  const lists: number[][] = [[], [], [], [], []]
  let after = 1
  for (let axis = sizes.length - 1; axis >= 0; axis--) {
    const segment = bounds.findIndex((bound) => after < bound)
    lists[segment < 0 ? 4 : segment].unshift(axis)
    after *= sizes[axis]
  }
  return lists
}

/** Joins neighbouring axes of a segment where every operand walks them as one. */
function merged(step: FusedStep, order: readonly (readonly number[])[]): TiledStep {
  const segmentOf = order.flatMap((axes, segment) => axes.map(() => segment))
  let result = step
  for (let axis = segmentOf.length - 2; axis >= 0; axis--) {
    if (segmentOf[axis] !== segmentOf[axis + 1]) continue
    const isIndexed = result.exprs.some((expr) => expr.op === 'index' && (expr.axis === axis || expr.axis === axis + 1))
    const extent = extents(result)[axis + 1]
    if (isIndexed || !accessesOf(result).every((access) => walksAsOne(access, axis, extent))) continue
    result = fuseAxis(result, axis)
    segmentOf.splice(axis, 1)
  }
  const inner = order.length - 1
  const itemsOfRow = result.outer.reduce(
    (items, extent, axis) => (segmentOf[axis] === inner ? items * extent : items),
    1,
  )
  return { step: shareAndPrune(result), itemsOfRow }
}
