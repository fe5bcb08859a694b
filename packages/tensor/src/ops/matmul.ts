/** Products of vectors, matrices and stacks of them. */
import type { DType } from '../dtype.js'
import { broadcast, matmulOf, quantMatmulOf, reshapeTo } from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { QUANT_BLOCK, QUANT_FORMATS, type QuantFormat } from '../program/quant.js'
import { broadcastShapes, sameShape, sizeOf } from '../shape.js'
import { times } from './build.js'
import {
  argumentError,
  dtypeError,
  requireChoice,
  requireFloat,
  requireNumeric,
  requireRank,
  requireSameDType,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { checkOptions } from './options.js'

const PRODUCT_DTYPES: readonly DType[] = ['f32', 'f16', 'bf16', 'i32']

/** @throws DTypeError for dtypes that the matmul routine does not take */
export function requireProduct(op: string, ...operands: readonly Tensor[]): void {
  requireSameDType(op, ...operands)
  if (!PRODUCT_DTYPES.includes(operands[0].dtype))
    throw dtypeError(op, `operands must be ${PRODUCT_DTYPES.join(', ')}`, showAll(operands), 'cast them first')
}

/**
 * The matrix product with numpy.matmul's rules: a 1-d operand is a row on the left and a column on the right, axes before
 * the last two broadcast. Accumulates in f32 and rounds once; i32 wraps.
 *
 * @throws ShapeError for a rank-0 operand, different inner sizes, or batch axes that do not broadcast
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireProduct('matmul', a, b)
  if (a.rank === 0 || b.rank === 0)
    throw shapeError('matmul', 'operands must have at least 1 axis', showAll([a, b]), 'use mul')
  const left = a.rank === 1 ? reshapeTo(a, [1, a.shape[0]]) : a
  const right = b.rank === 1 ? reshapeTo(b, [b.shape[0], 1]) : b
  if (left.shape[left.rank - 1] !== right.shape[right.rank - 2])
    throw shapeError('matmul', 'inner sizes must be equal', showAll([a, b]), 'transpose or reshape one of them')
  const product = stackedProduct(left, right, () =>
    shapeError(
      'matmul',
      'the axes before the last two must broadcast',
      showAll([a, b]),
      'reshape or transpose one of them',
    ),
  )
  const shape = [...product.shape]
  if (b.rank === 1) shape.pop()
  if (a.rank === 1) shape.splice(shape.length - (b.rank === 1 ? 1 : 2), 1)
  return reshapeTo(product, shape)
}

function stackedProduct(a: Tensor, b: Tensor, mismatch: () => Error): Tensor {
  const [M, K] = a.shape.slice(-2)
  const N = b.shape[b.rank - 1]
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  // One tall product instead of many: also the gradient of b is then one product, not a sum of many.
  if (b.rank === 2) return reshapeTo(matmulOf(reshapeTo(a, [sizeOf(batchA) * M, K]), b), [...batchA, M, N])
  if (sameShape(batchA, batchB)) return matmulOf(a, b)
  let batch: number[]
  try {
    batch = broadcastShapes('matmul', batchA, batchB)
  } catch {
    throw mismatch()
  }
  return matmulOf(broadcast(a, [...batch, M, K]), broadcast(b, [...batch, K, N]))
}

/** The sum of products of two vectors, rank 0. */
export function dot(a: Tensor, b: Tensor): Tensor {
  requireProduct('dot', a, b)
  if (a.rank !== 1 || !sameShape(a.shape, b.shape))
    throw shapeError('dot', 'operands must be vectors of one size', showAll([a, b]), 'use matmul')
  const [n] = a.shape
  return reshapeTo(matmulOf(reshapeTo(a, [1, n]), reshapeTo(b, [n, 1])), [])
}

/** [M], [N] -> [M, N]: every product of an element of a and an element of b. */
export function outer(a: Tensor, b: Tensor): Tensor {
  requireSameDType('outer', a, b)
  requireNumeric('outer', a, b)
  if (a.rank !== 1 || b.rank !== 1)
    throw shapeError('outer', 'operands must be vectors', showAll([a, b]), 'reshape them')
  const shape = [a.size, b.size]
  return times(broadcast(reshapeTo(a, [a.size, 1]), shape), broadcast(b, shape))
}

/**
 * A block-quantised weight [N, K] as a record of plain tensors; layouts in `program/quant.ts`.
 * It is no trainable parameter: gradients flow through `quantMatmul` to the other operand only.
 */
export interface QuantWeight {
  readonly format: QuantFormat
  /** Elements of K that share a scale. */
  readonly group: number
  readonly packed: Tensor
  readonly scale: Tensor
  /** Of format int4 only. */
  readonly zero?: Tensor
}

/** [N, K] of a quantised weight. @throws ArgumentError or ShapeError for a record whose parts do not fit together */
export function quantShape(op: string, weight: QuantWeight): [N: number, K: number] {
  if (typeof weight !== 'object' || weight === null || weight instanceof Tensor)
    throw argumentError(
      op,
      'the weight must be a record of a quantised weight',
      show(weight),
      'make one with quantWeight(quantize(…)), or use matmul for plain tensors',
    )
  const { format, group, packed, scale, zero } = weight
  requireChoice(op, 'format', format, QUANT_FORMATS)
  requireRank(op, 'packed', packed, 2)
  requireRank(op, 'scale', scale, 2)
  if (zero !== undefined) requireTensor(op, zero)
  const [N, columns] = packed.shape
  const K = format === 'int8' ? columns : columns * 2
  const expected: DType = format === 'int8' ? 'i8' : 'u8'
  if (packed.dtype !== expected || scale.dtype !== 'f32' || (zero !== undefined && zero.dtype !== 'u8'))
    throw dtypeError(
      op,
      `${format} takes ${expected} packed, f32 scale and u8 zero`,
      showAll([packed, scale, ...(zero === undefined ? [] : [zero])]),
      'quantise again',
    )
  if (!(group >= 1) || K % group !== 0 || (format !== 'int8' && (K % QUANT_BLOCK !== 0 || group % QUANT_BLOCK !== 0)))
    throw argumentError(
      op,
      `group must divide K${format === 'int8' ? '' : ` and both be multiples of ${QUANT_BLOCK}`}`,
      `group ${show(group)} for K ${K}`,
      'choose another group',
    )
  if (!sameShape(scale.shape, [N, K / group]) || (zero !== undefined && !sameShape(zero.shape, scale.shape)))
    throw shapeError(
      op,
      `scale (and zero) must be [${N}, ${K / group}]`,
      showAll([packed, scale, ...(zero === undefined ? [] : [zero])]),
      'quantise again',
    )
  if ((format === 'int4') !== (zero !== undefined))
    throw argumentError(
      op,
      'zero belongs to format int4, and only to it',
      `format ${format} ${zero === undefined ? 'without' : 'with'} zero`,
      'change the format',
    )
  return [N, K]
}

/**
 * x Wᵀ with a quantised weight: [..., K] -> [..., N]. Differentiable in x.
 * @param options `activations`: how x is rounded inside the routine: not at all (`f32`), or to 16 or 8 bits for speed
 */
export function quantMatmul(
  x: Tensor,
  weight: QuantWeight,
  options: { activations?: 'f32' | 'i16' | 'i8' } = {},
): Tensor {
  requireFloat('quantMatmul', x)
  const { activations = 'f32' } = checkOptions('quantMatmul', options, ['activations'])
  requireChoice('quantMatmul', 'activations', activations, ['f32', 'i16', 'i8'])
  const [N, K] = quantShape('quantMatmul', weight)
  if (x.rank === 0 || x.shape[x.rank - 1] !== K)
    throw shapeError(
      'quantMatmul',
      `the last axis must be the ${K} inputs of the weight`,
      `${show(x)} and a weight [${N}, ${K}]`,
      'transpose or reshape it',
    )
  const batch = x.shape.slice(0, -1)
  const rows = reshapeTo(x, [sizeOf(batch), K])
  const parts = weight.zero === undefined ? [weight.packed, weight.scale] : [weight.packed, weight.scale, weight.zero]
  const product = quantMatmulOf(rows, parts, {
    format: weight.format,
    group: weight.group,
    activations,
    outFeatures: N,
  })
  return reshapeTo(product, [...batch, N])
}
