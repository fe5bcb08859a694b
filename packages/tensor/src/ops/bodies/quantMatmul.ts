/** Products with quantised weights: dequantise, then multiply. */
import type { QuantMatmulAttrs } from '../../graph/primitive.js'
import {
  binary,
  broadcast,
  castTo,
  concatOf,
  gatherAlong,
  groupedMatmulOf,
  matmulOf,
  reshapeTo,
  scalarConst,
  transposeTo,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { NF4_LEVELS, QUANT_BLOCK, type QuantFormat } from '../../program/quant.js'
import { constant, coordinates, minus, times, toF32 } from '../build.js'

/** x [M,K], packed, scale, zero? -> [M,N] */
export function quantMatmulBody(x: Tensor, weight: readonly Tensor[], attrs: QuantMatmulAttrs): Tensor {
  const wide = dequantizeOf(weight, attrs.format as QuantFormat, attrs.group)
  return castTo(matmulOf(toF32(x), transposeTo(wide, [1, 0])), x.dtype)
}

/** x [N,K], the parts of E weights [M,K] one after the other, offsets [E+1] -> [N,M] */
export function groupedQuantMatmulBody(
  x: Tensor,
  weight: readonly Tensor[],
  offsets: Tensor,
  attrs: QuantMatmulAttrs,
): Tensor {
  const wide = dequantizeOf(weight, attrs.format as QuantFormat, attrs.group)
  const stack = reshapeTo(wide, [offsets.shape[0] - 1, attrs.outFeatures, x.shape[1]])
  return castTo(groupedMatmulOf(toF32(x), transposeTo(stack, [0, 2, 1]), offsets, 'columns'), x.dtype)
}

/** packed, scale, zero? -> f32 [N,K] */
export function dequantizeOf([packed, scale, zero]: readonly Tensor[], format: QuantFormat, group: number): Tensor {
  const levels = format === 'int8' ? castTo(packed, 'f32') : levelsOf(halves(packed), format, zero, group)
  return binary('mul', levels, perElement(toF32(scale), levels.shape, group))
}

/** A value for every group as one for every element. */
function perElement(x: Tensor, [N, K]: readonly number[], group: number): Tensor {
  return reshapeTo(broadcast(reshapeTo(x, [N, K / group, 1]), [N, K / group, group]), [N, K])
}

/** u8 [N,K/2] -> i32 [N,K] in 0 … 15: bytes j hold elements j and j + 16 of a block. */
function halves(packed: Tensor): Tensor {
  const [N, bytes] = packed.shape
  const blockBytes = QUANT_BLOCK / 2
  const shape = [N, bytes / blockBytes, 2, blockBytes]
  const both = broadcast(reshapeTo(castTo(packed, 'i32'), [N, bytes / blockBytes, 1, blockBytes]), shape)
  const shift = times(coordinates(shape, 2), 4)
  const low = binary('and', binary('shr', both, shift), constant(15, both))
  return reshapeTo(low, [N, bytes * 2])
}

function levelsOf(q: Tensor, format: Exclude<QuantFormat, 'int8'>, zero: Tensor | undefined, group: number): Tensor {
  switch (format) {
    case 'int4':
      return castTo(minus(q, perElement(castTo(zero as Tensor, 'i32'), q.shape, group)), 'f32')
    case 'int4sym':
      return castTo(minus(q, 8), 'f32')
    case 'nf4':
      return reshapeTo(gatherAlong(nf4Table(), reshapeTo(q, [q.size]), 0), q.shape)
  }
}

/** Built from constants, because a body may not bring tensors of its own into a graph. */
function nf4Table(): Tensor {
  return concatOf(
    NF4_LEVELS.map((level) => reshapeTo(scalarConst(level, 'f32'), [1])),
    0,
  )
}
