/** Quantised arrays as tensors. */
import { checkQuantShape, requireRecord, type QuantizedArrays } from '../quant.js'
import { fromBytes } from './create.js'
import type { QuantWeight } from './matmul.js'

/** The tensors of a quantised weight: what `quantMatmul` takes. Copies the arrays. */
export function quantWeight(weight: QuantizedArrays): QuantWeight {
  requireRecord('quantWeight', weight)
  checkQuantShape('quantWeight', weight.shape, weight.format, weight.group)
  const { format, shape, group, packed, scale, zero } = weight
  const [N, K] = shape
  const bytesOf = (array: ArrayBufferView): Uint8Array =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  const columns = format === 'int8' ? K : K / 2
  return {
    format,
    group,
    packed: fromBytes(bytesOf(packed), { shape: [N, columns], dtype: format === 'int8' ? 'i8' : 'u8' }),
    scale: fromBytes(bytesOf(scale), { shape: [N, K / group], dtype: 'f32' }),
    ...(zero === undefined ? {} : { zero: fromBytes(bytesOf(zero), { shape: [N, K / group], dtype: 'u8' }) }),
  }
}
