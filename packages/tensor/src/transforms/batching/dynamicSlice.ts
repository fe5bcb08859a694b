/** Slices at run-time starts under vmap: a mapped start becomes an index. */
import {
  binary,
  broadcast,
  compare,
  dynamicSliceOf,
  gatherAlong,
  iota,
  reshapeTo,
  select,
  updateSliceOf,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { add, constant, keepWhere, sub } from '../arithmetic.js'
import type { Batched, BatchRule } from '../rules.js'
import { elementShape, lead, mapped, zeroStart } from './lead.js'

/** min(max(start, 0), last) */
function clamp(start: Tensor, last: number): Tensor {
  return binary('maximum', binary('minimum', start, constant(start, last)), constant(start, 0))
}

/** Puts a [n] vector or [V, n] matrix of axis coordinates along an axis of `shape` (mapped axis included). */
function alongAxis(x: Tensor, axis: number, shape: readonly number[]): Tensor {
  return broadcast(
    reshapeTo(
      x,
      shape.map((n, k) => (k === axis || (k === 0 && x.rank === 2) ? n : 1)),
    ),
    shape,
  )
}

/** [V] starts and n coordinates -> [V, n] */
function startPlus(start: Tensor, n: number): Tensor {
  const shape = [start.size, n]
  return add(broadcast(reshapeTo(start, [start.size, 1]), shape), broadcast(iota(n), shape))
}

export const batchedDynamicSlice: BatchRule<'dynamicSlice'> = ({ attrs }, [x, ...starts], size) => {
  const input = elementShape(x)
  const shared = starts.map((start) => (start.batched ? zeroStart() : start.tensor))
  const first = attrs.size.map((n, k) => (starts[k].batched ? input[k] : n))
  let result = dynamicSliceOf(lead(x, size), [zeroStart(), ...shared], [size, ...first])
  starts.forEach((start, k) => {
    if (!start.batched) return
    const coordinates = startPlus(clamp(start.tensor, input[k] - attrs.size[k]), attrs.size[k])
    const shape = result.shape.map((n, axis) => (axis === k + 1 ? attrs.size[k] : n))
    result = gatherAlong(result, alongAxis(coordinates, k + 1, shape), k + 1)
  })
  return [mapped(result)]
}

export const batchedUpdateSlice: BatchRule<'updateSlice'> = (_node, [x, update, ...starts], size) => {
  const target = lead(x, size)
  if (!starts.some((start) => start.batched))
    return [mapped(updateSliceOf(target, lead(update, size), [zeroStart(), ...starts.map((start) => start.tensor)]))]
  return [mapped(updateWhereInside(target, lead(update, size), starts))]
}

/** Every element asks whether it lies in the slice: reads all of x, but needs no data-dependent write. */
function updateWhereInside(x: Tensor, update: Tensor, starts: readonly Batched[]): Tensor {
  const size = x.shape[0]
  let placed = update
  let inside: Tensor | null = null
  starts.forEach((start, k) => {
    const axis = k + 1
    const extent = update.shape[axis]
    const begin = clamp(lead(start, size), x.shape[axis] - extent)
    const shape = [size, x.shape[axis]]
    const offset = sub(broadcast(iota(x.shape[axis]), shape), broadcast(reshapeTo(begin, [size, 1]), shape))
    const within = binary(
      'and',
      compare('le', constant(offset, 0), offset),
      compare('lt', offset, constant(offset, extent)),
    )
    const grown = placed.shape.map((n, d) => (d === axis ? x.shape[axis] : n))
    placed = gatherAlong(placed, alongAxis(keepWhere(within, offset), axis, grown), axis)
    const mask = alongAxis(within, axis, x.shape)
    inside = inside === null ? mask : binary('and', inside, mask)
  })
  return inside === null ? placed : select(inside, placed, x)
}
