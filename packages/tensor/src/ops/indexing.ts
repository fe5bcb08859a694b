/** Reads and writes at places given by integer tensors. */
import { isInteger, type DType } from '../dtype.js'
import {
  broadcast,
  castTo,
  compare,
  dynamicSliceOf,
  gatherAlong,
  reshapeTo,
  scalarConst,
  scatterAddAlong,
  sliceOf,
  padWith,
  updateSliceOf,
} from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { broadcastShapes, normalizeAxis, sameShape, showShape, sizeOf } from '../shape.js'
import { coordinates } from './build.js'
import {
  dtypeError,
  requireCount,
  requireDType,
  requireElement,
  requireList,
  requireRank,
  requireSameDType,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { checkOptions } from './options.js'

const AXIS = ['axis'] as const

/** @throws DTypeError naming all operands when the index is no integer tensor */
function integerIndex(op: string, x: Tensor, index: Tensor): Tensor {
  requireTensor(op, x, index)
  if (!isInteger(index.dtype))
    throw dtypeError(
      op,
      'the index must be an integer tensor',
      showAll([x, index]),
      "cast it, as in cast(index, 'i32')",
    )
  return castTo(index, 'i32')
}

/**
 * Rows of a table: [V, …] and an index of any shape [I…] -> [I…, …].
 * An index out of range gives NaN (0 for integers). Repeated rows add up in the gradient.
 */
export function embedding(table: Tensor, index: Tensor): Tensor {
  const rows = integerIndex('embedding', table, index)
  if (table.rank === 0)
    throw shapeError('embedding', 'the table must have an axis of rows', showAll([table, index]), 'reshape it')
  const rest = table.shape.slice(1)
  const flatTable = reshapeTo(table, [table.shape[0], sizeOf(rest)])
  const taken = selectAlong(flatTable, reshapeTo(rows, [rows.size]), 0)
  return reshapeTo(taken, [...index.shape, ...rest])
}

/** x read along `axis` at the places of a vector. */
export function selectAlong(x: Tensor, index: Tensor, axis: number): Tensor {
  const shape = x.shape.map((n, k) => (k === axis ? index.size : n))
  const column = shape.map((_, k) => (k === axis ? index.size : 1))
  return gatherAlong(x, broadcast(reshapeTo(index, column), shape), axis)
}

/** @throws ShapeError when the ranks differ or the index is larger than x off the axis */
function requireInside(op: string, x: Tensor, index: Tensor, axis: number): void {
  if (index.rank !== x.rank || index.shape.some((n, k) => k !== axis && n > x.shape[k]))
    throw shapeError(
      op,
      `the index must have the rank of the operand and be no larger off axis ${axis}`,
      showAll([x, index]),
      'reshape or slice it',
    )
}

/** The first elements of every axis but `axis`, so that x has the sizes of the index there. */
function cutTo(x: Tensor, index: Tensor, axis: number): Tensor {
  return sliceOf(
    x,
    x.shape.map(() => 0),
    x.shape.map((n, k) => (k === axis ? n : index.shape[k])),
    x.shape.map(() => 1),
  )
}

/**
 * torch.gather: out[i, j, …] = x[index[i, j, …], j, …] for axis 0. The index has the rank of x and may be smaller off the axis.
 * Out of range: NaN (0 for integers).
 */
export function gather(x: Tensor, index: Tensor, options: { axis: number }): Tensor {
  const places = integerIndex('gather', x, index)
  const { axis } = checkOptions('gather', options, AXIS, AXIS)
  const at = normalizeAxis('gather', axis, x.shape)
  requireInside('gather', x, index, at)
  return gatherAlong(cutTo(x, index, at), places, at)
}

/** numpy.take_along_axis: as `gather`, with the other axes broadcast. */
export function takeAlongAxis(x: Tensor, index: Tensor, options: { axis: number }): Tensor {
  const places = integerIndex('takeAlongAxis', x, index)
  const { axis } = checkOptions('takeAlongAxis', options, AXIS, AXIS)
  const at = normalizeAxis('takeAlongAxis', axis, x.shape)
  if (index.rank !== x.rank)
    throw shapeError('takeAlongAxis', 'operand and index must have one rank', showAll([x, index]), 'reshape the index')
  const off = (t: Tensor): number[] => t.shape.map((n, k) => (k === at ? 1 : n))
  let common: number[]
  try {
    common = broadcastShapes('takeAlongAxis', off(x), off(index))
  } catch {
    throw shapeError(
      'takeAlongAxis',
      `sizes off axis ${at} must be equal or 1`,
      showAll([x, index]),
      'reshape or slice one of them',
    )
  }
  const along = (extent: number): number[] => common.map((n, k) => (k === at ? extent : n))
  return gatherAlong(broadcast(x, along(x.shape[at])), broadcast(places, along(index.shape[at])), at)
}

/** Slices of an axis at the places of a vector. Out of range: NaN (0 for integers). */
export function indexSelect(x: Tensor, index: Tensor, options: { axis?: number } = {}): Tensor {
  const places = integerIndex('indexSelect', x, index)
  const { axis = 0 } = checkOptions('indexSelect', options, AXIS)
  const at = normalizeAxis('indexSelect', axis, x.shape)
  if (index.rank !== 1) throw shapeError('indexSelect', 'the index must have 1 axis', showAll([x, index]), 'reshape it')
  return selectAlong(x, places, at)
}

/**
 * x with updates added at out[index[i, j, …], j, …] for axis 0; repeated places add up, in the same order on every run.
 * Index and updates may be smaller than x; places out of range are dropped.
 */
export function scatterAdd(x: Tensor, index: Tensor, updates: Tensor, options: { axis: number }): Tensor {
  const places = integerIndex('scatterAdd', x, index)
  const { axis } = checkOptions('scatterAdd', options, AXIS, AXIS)
  requireSameDType('scatterAdd', x, updates)
  if (x.dtype === 'bool')
    throw dtypeError('scatterAdd', 'operands must be numbers', showAll([x, index, updates]), 'cast them first')
  const at = normalizeAxis('scatterAdd', axis, x.shape)
  requireInside('scatterAdd', x, index, at)
  if (updates.rank !== index.rank || index.shape.some((n, k) => n > updates.shape[k]))
    throw shapeError(
      'scatterAdd',
      'updates must cover the index',
      showAll([x, index, updates]),
      'slice the index or pad the updates',
    )
  const used = sliceOf(
    updates,
    updates.shape.map(() => 0),
    index.shape,
    updates.shape.map(() => 1),
  )
  // Where the index is smaller than x off the axis, the rest is addressed out of range, which drops it.
  const missing = x.shape.map((n, k) => (k === at ? 0 : n - index.shape[k]))
  const none = x.shape.map(() => 0)
  return scatterAddAlong(x, padWith(places, none, missing, none, -1), padWith(used, none, missing, none, 0), at)
}

/** A new last axis of `numClasses` with one where the class equals the index; an index out of range gives zeros. */
export function oneHot(index: Tensor, numClasses: number, options: { dtype?: DType } = {}): Tensor {
  requireTensor('oneHot', index)
  const { dtype = 'f32' } = checkOptions('oneHot', options, ['dtype'])
  requireDType('oneHot', dtype)
  if (!isInteger(index.dtype))
    throw dtypeError('oneHot', 'the index must be an integer tensor', show(index), "cast it, as in cast(index, 'i32')")
  requireCount('oneHot', 'numClasses', numClasses)
  return castTo(isClass(castTo(index, 'i32'), numClasses), dtype)
}

/** [I…] -> bool [I…, classes]: whether the class of the last axis is the index. */
export function isClass(index: Tensor, classes: number): Tensor {
  const shape = [...index.shape, classes]
  return compare('eq', coordinates(shape, index.rank), broadcast(reshapeTo(index, [...index.shape, 1]), shape))
}

/** A start position: a number, or an integer rank-0 tensor known only at run time. */
export type Start = number | Tensor

function startTensors(op: string, x: Tensor, starts: readonly Start[]): Tensor[] {
  requireList(op, 'starts', starts, '[0, scalar(i)], one start for each axis')
  if (starts.length !== x.rank)
    throw shapeError(
      op,
      `there must be one start for each of the ${x.rank} axes`,
      `${show(x)} and ${starts.length} starts`,
      'complete starts',
    )
  return starts.map((start) => {
    if (!(start instanceof Tensor)) {
      requireElement(op, start, 'i32')
      return scalarConst(start, 'i32')
    }
    requireRank(op, 'a start', start, 0)
    if (!isInteger(start.dtype))
      throw dtypeError(op, 'starts must be integers', show(start), "cast it, as in cast(start, 'i32')")
    return castTo(start, 'i32')
  })
}

/** The block of x of a static size that begins at run-time starts, which are clamped so that it fits. */
export function dynamicSlice(x: Tensor, starts: readonly Start[], size: readonly number[]): Tensor {
  requireTensor('dynamicSlice', x)
  requireList('dynamicSlice', 'size', size, 'dynamicSlice(x, [0, i], [2, 1])')
  if (size.length !== x.rank || size.some((n, k) => !Number.isInteger(n) || n < 0 || n > x.shape[k]))
    throw shapeError(
      'dynamicSlice',
      'size must fit the operand on every axis',
      `${show(x)} and size ${showShape(size)}`,
      'change size',
    )
  const at = startTensors('dynamicSlice', x, starts)
  return sameShape(size, x.shape) ? x : dynamicSliceOf(x, at, size)
}

/** x with the block at run-time starts (clamped so that it fits) replaced by `update`. */
export function updateSlice(x: Tensor, update: Tensor, starts: readonly Start[]): Tensor {
  requireSameDType('updateSlice', x, update)
  if (update.rank !== x.rank || update.shape.some((n, k) => n > x.shape[k]))
    throw shapeError(
      'updateSlice',
      'the update must have the rank of the operand and fit into it',
      showAll([x, update]),
      'reshape or slice it',
    )
  return updateSliceOf(x, update, startTensors('updateSlice', x, starts))
}
