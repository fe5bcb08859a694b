/** Sorting. */
import { sortOf } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { normalizeAxis } from '../shape.js'
import { requireBoolean, requireTensor, shapeError, show } from './check.js'
import { sliceAxis } from './movement.js'
import { checkOptions } from './options.js'

/** Options of `sort` and `argsort`. Default: ascending along the last axis. */
export interface SortOptions {
  /** Default -1. */
  readonly axis?: number
  readonly descending?: boolean
}

function sorted(op: string, x: Tensor, options: SortOptions): Tensor[] {
  requireTensor(op, x)
  const { axis = -1, descending = false } = checkOptions(op, options, ['axis', 'descending'])
  requireBoolean(op, 'descending', descending)
  return sortOf(x, normalizeAxis(op, axis, x.shape), descending)
}

/** Sorted along an axis: stable in both directions; NaN last, or first when descending. */
export function sort(x: Tensor, options: SortOptions = {}): Tensor {
  return sorted('sort', x, options)[0]
}

/** i32 indices that sort x along an axis, as `sort` orders it. */
export function argsort(x: Tensor, options: SortOptions = {}): Tensor {
  return sorted('argsort', x, options)[1]
}

/**
 * The k largest (or smallest) elements along an axis, in order, and their i32 indices; the lowest index first among equals.
 * @throws ShapeError when the axis has fewer than k elements
 */
export function topk(
  x: Tensor,
  k: number,
  options: { axis?: number; largest?: boolean } = {},
): [values: Tensor, indices: Tensor] {
  requireTensor('topk', x)
  const { axis = -1, largest = true } = checkOptions('topk', options, ['axis', 'largest'])
  requireBoolean('topk', 'largest', largest)
  const at = normalizeAxis('topk', axis, x.shape)
  if (!Number.isInteger(k) || k < 0 || k > x.shape[at])
    throw shapeError(
      'topk',
      `k must be an integer in [0, ${x.shape[at]}]`,
      `${show(x)}, axis ${axis} and k ${show(k)}`,
      'lower k',
    )
  const [values, order] = sortOf(x, at, largest)
  return [sliceAxis(values, at, 0, k), sliceAxis(order, at, 0, k)]
}
