/** Products whose rows are divided at run time: rows by expert, rows in use. */
import { isInteger } from '../dtype.js'
import {
  binary,
  broadcast,
  castTo,
  concatOf,
  groupedMatmulOf,
  groupedQuantMatmulOf,
  reshapeTo,
  scalarConst,
} from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { sizeOf } from '../shape.js'
import { constant, times } from './build.js'
import {
  argumentError,
  dtypeError,
  requireChoice,
  requireFloat,
  requireRank,
  requireSameDType,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { quantShape, type QuantWeight } from './matmul.js'
import { checkOptions } from './options.js'
import { runtimeCount } from './runtimeCount.js'

/** Options of `groupedMatmul` and `boundedMatmul`. */
export interface GroupedMatmulOptions {
  /** How x is rounded inside the routine of a quantised weight: not at all (`f32`, the default), or to 16 or 8 bits for speed. */
  readonly activations?: 'f32' | 'i16' | 'i8'
}

/**
 * Rows in groups, each times the matrix of its group: rows offsets[e] … offsets[e+1]-1 of x are multiplied by weight[e]. The work follows
 * the offsets, which are known at run time: experts of a mixture, whose rows were sorted by expert.
 *
 * Rows outside of all groups are never read; their results, and their parts of gradients, are zero. Offsets are clamped to 0 … N and
 * raised to the one before, so that any numbers are legal; a group without rows gets a gradient of zeros.
 *
 * @param x [N, in]
 * @param weight [E, in, out] (a transposed view of [E, out, in] costs nothing), or a quantised weight whose tensors are stacked along a
 *   leading axis E; gradients of a quantised one flow to x only
 * @param offsets integer [E + 1]
 * @returns [N, out] in x's dtype, accumulated in f32
 * @throws ShapeError, DTypeError or ArgumentError when operands do not fit together
 */
export function groupedMatmul(
  x: Tensor,
  weight: Tensor | QuantWeight,
  offsets: Tensor,
  options: GroupedMatmulOptions = {},
): Tensor {
  const op = 'groupedMatmul'
  requireFloat(op, x)
  requireRank(op, 'x', x, 2)
  const activations = activationsOf(op, weight, options)
  if (!(weight instanceof Tensor)) {
    const groups = stackSize(op, weight)
    return quantised(op, x, flatWeight(weight), groups, offsetsOperand(offsets, groups, [x]), activations)
  }
  requireFloat(op, weight)
  requireSameDType(op, x, weight)
  requireRank(op, 'weight', weight, 3)
  const limits = offsetsOperand(offsets, weight.shape[0], [x, weight])
  if (x.shape[1] !== weight.shape[1])
    throw shapeError(
      op,
      'the last axis of x must be the inputs of the weight, axis 1',
      showAll([x, weight]),
      'transpose or reshape one of them',
    )
  return groupedMatmulOf(x, weight, limits, 'columns')
}

function activationsOf(
  op: string,
  weight: Tensor | QuantWeight,
  options: GroupedMatmulOptions,
): NonNullable<GroupedMatmulOptions['activations']> {
  const { activations = 'f32' } = checkOptions(op, options, ['activations'])
  requireChoice(op, 'activations', activations, ['f32', 'i16', 'i8'])
  if (weight instanceof Tensor && activations !== 'f32')
    throw argumentError(
      op,
      'activations are rounded only beside a quantised weight',
      `activations '${activations}' and ${show(weight)}`,
      'quantise the weight or leave the option out',
    )
  return activations
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

/** E of a quantised weight whose tensors are [E, N, …]. */
function stackSize(op: string, weight: QuantWeight): number {
  if (typeof weight !== 'object' || weight === null || !(weight.packed instanceof Tensor))
    throw argumentError(
      op,
      'the weight must be a tensor or a record of a quantised weight',
      show(weight),
      'use a tensor [E, in, out], or stack the parts of quantised weights',
    )
  const parts = partsOf(weight)
  requireTensor(op, ...parts)
  const [E, N] = parts[0].shape
  if (parts.some((part) => part.rank !== 3 || part.shape[0] !== E || part.shape[1] !== N))
    throw shapeError(
      op,
      'the parts of a quantised weight must be stacked, [E, out, …]',
      showAll(parts),
      'stack the parts of one weight for each group',
    )
  return E
}

function partsOf({ packed, scale, zero }: QuantWeight): Tensor[] {
  return zero === undefined ? [packed, scale] : [packed, scale, zero]
}

/** [E, N, …] -> [E · N, …] */
function flatWeight(weight: QuantWeight): QuantWeight {
  const flat = (part: Tensor): Tensor => reshapeTo(part, [part.shape[0] * part.shape[1], part.shape[2]])
  const { packed, scale, zero } = weight
  return { ...weight, packed: flat(packed), scale: flat(scale), zero: zero === undefined ? undefined : flat(zero) }
}

/** `weight` has the rows of all groups one after the other. */
function quantised(
  op: string,
  x: Tensor,
  weight: QuantWeight,
  groups: number,
  offsets: Tensor,
  activations: 'f32' | 'i16' | 'i8',
): Tensor {
  const [rows, K] = quantShape(op, weight)
  if (x.shape[1] !== K)
    throw shapeError(
      op,
      `the last axis must be the ${K} inputs of the weight`,
      `${show(x)} and ${groups} weights of [${rows / groups}, ${K}]`,
      'transpose or reshape it',
    )
  const outFeatures = groups === 0 ? 0 : rows / groups
  const { format, group } = weight
  return groupedQuantMatmulOf(x, partsOf(weight), offsets, { format, group, activations, outFeatures })
}

/**
 * The product of the part of x that is in use: the first `inUse` entries of its leading axis, a count known at run time. Work follows
 * the count, so that one compiled step serves every number of sequences up to its capacity.
 *
 * What lies past the count is never read; its results, and its parts of gradients, are zero.
 *
 * @param x [N, …, in]
 * @param weight [in, out], or a quantised weight (gradients flow to x only)
 * @param inUse a number or an integer rank-0 tensor, clamped to 0 … N
 * @returns [N, …, out] in x's dtype, accumulated in f32
 * @throws ShapeError, DTypeError or ArgumentError when operands do not fit together
 */
export function boundedMatmul(
  x: Tensor,
  weight: Tensor | QuantWeight,
  inUse: Tensor | number,
  options: GroupedMatmulOptions = {},
): Tensor {
  const op = 'boundedMatmul'
  requireFloat(op, x)
  if (x.rank < 2) throw shapeError(op, 'x must have a leading axis and, last, the inputs', show(x), 'reshape it')
  const activations = activationsOf(op, weight, options)
  const [N, ...rest] = x.shape.slice(0, -1)
  const rows = reshapeTo(x, [N * sizeOf(rest), x.shape[x.rank - 1]])
  const offsets = offsetsInUse(runtimeCount(op, 'inUse', inUse), N, sizeOf(rest))
  const product = boundedRows(op, rows, weight, offsets, activations)
  return reshapeTo(product, [N, ...rest, product.shape[1]])
}

/** [0, rows in use] */
function offsetsInUse(count: Tensor, capacity: number, rowsEach: number): Tensor {
  const inside = binary('maximum', binary('minimum', count, constant(capacity, count)), constant(0, count))
  return concatOf([broadcast(scalarConst(0, 'i32'), [1]), reshapeTo(times(inside, rowsEach), [1])], 0)
}

function boundedRows(
  op: string,
  rows: Tensor,
  weight: Tensor | QuantWeight,
  offsets: Tensor,
  activations: 'f32' | 'i16' | 'i8',
): Tensor {
  if (!(weight instanceof Tensor)) return quantised(op, rows, weight, 1, offsets, activations)
  requireFloat(op, weight)
  requireSameDType(op, rows, weight)
  requireRank(op, 'weight', weight, 2)
  if (rows.shape[1] !== weight.shape[0])
    throw shapeError(
      op,
      'the last axis of x must be the inputs of the weight, axis 0',
      showAll([rows, weight]),
      'transpose or reshape one of them',
    )
  return groupedMatmulOf(rows, reshapeTo(weight, [1, ...weight.shape]), offsets, 'columns')
}
