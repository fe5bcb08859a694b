/** Products whose rows are divided at run time: rows by expert, rows in use. */
import { isInteger } from '../dtype.js'
import { binary, broadcast, castTo, concatOf, groupedMatmulOf, reshapeTo, scalarConst } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sizeOf } from '../shape.js'
import { constant, times } from './build.js'
import {
  dtypeError,
  requireFloat,
  requireRank,
  requireSameDType,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { runtimeCount } from './runtimeCount.js'

/**
 * Rows in groups, each times the matrix of its group: rows offsets[e] … offsets[e+1]-1 of x are multiplied by weight[e]. The work follows
 * the offsets, which are known at run time: experts of a mixture, whose rows were sorted by expert.
 *
 * Rows outside of all groups are never read; their results, and their parts of gradients, are zero. Offsets are clamped to 0 … N and
 * raised to the one before, so that any numbers are legal; a group without rows gets a gradient of zeros.
 *
 * @param x [N, in]
 * @param weight [E, in, out]; a transposed view of [E, out, in] costs nothing
 * @param offsets integer [E + 1]
 * @returns [N, out] in x's dtype, accumulated in f32
 * @throws ShapeError or DTypeError when operands do not fit together
 */
export function groupedMatmul(x: Tensor, weight: Tensor, offsets: Tensor): Tensor {
  requireFloat('groupedMatmul', x, weight)
  requireSameDType('groupedMatmul', x, weight)
  requireRank('groupedMatmul', 'x', x, 2)
  requireRank('groupedMatmul', 'weight', weight, 3)
  const limits = offsetsOperand(offsets, weight.shape[0], [x, weight])
  if (x.shape[1] !== weight.shape[1])
    throw shapeError(
      'groupedMatmul',
      'the last axis of x must be the inputs of the weight, axis 1',
      showAll([x, weight]),
      'transpose or reshape one of them',
    )
  return groupedMatmulOf(x, weight, limits, 'columns')
}

function offsetsOperand(offsets: Tensor, groups: number, operands: readonly Tensor[]): Tensor {
  requireTensor('groupedMatmul', offsets)
  if (!isInteger(offsets.dtype))
    throw dtypeError(
      'groupedMatmul',
      'offsets must be integers',
      show(offsets),
      "cast them, as in cast(offsets, 'i32')",
    )
  if (offsets.rank !== 1 || offsets.shape[0] !== groups + 1)
    throw shapeError(
      'groupedMatmul',
      `offsets must be [${groups + 1}], the first row of each of the ${groups} groups and the end of the last`,
      showAll([...operands, offsets]),
      'take the cumulative sum of the counts, with a 0 in front',
    )
  return castTo(offsets, 'i32')
}

/**
 * The product of the part of x that is in use: the first `inUse` entries of its leading axis, a count known at run time. Work follows
 * the count, so that one compiled step serves every number of sequences up to its capacity.
 *
 * What lies past the count is never read; its results, and its parts of gradients, are zero.
 *
 * @param x [N, …, in]
 * @param weight [in, out]
 * @param inUse a number or an integer rank-0 tensor, clamped to 0 … N
 * @returns [N, …, out] in x's dtype, accumulated in f32
 * @throws ShapeError, DTypeError or ArgumentError when operands do not fit together
 */
export function boundedMatmul(x: Tensor, weight: Tensor, inUse: Tensor | number): Tensor {
  requireFloat('boundedMatmul', x, weight)
  requireSameDType('boundedMatmul', x, weight)
  requireRank('boundedMatmul', 'weight', weight, 2)
  if (x.rank < 2 || x.shape[x.rank - 1] !== weight.shape[0])
    throw shapeError(
      'boundedMatmul',
      'x must have a leading axis and, last, the inputs of the weight',
      showAll([x, weight]),
      'reshape or transpose one of them',
    )
  const count = runtimeCount('boundedMatmul', 'inUse', inUse)
  const [N, ...rest] = x.shape.slice(0, -1)
  const inside = binary('maximum', binary('minimum', count, constant(N, count)), constant(0, count))
  const rows = times(inside, sizeOf(rest))
  const offsets = concatOf([broadcast(scalarConst(0, 'i32'), [1]), reshapeTo(rows, [1])], 0)
  const flat = reshapeTo(x, [N * sizeOf(rest), weight.shape[0]])
  const product = groupedMatmulOf(flat, reshapeTo(weight, [1, ...weight.shape]), offsets, 'columns')
  return reshapeTo(product, [N, ...rest, weight.shape[1]])
}
