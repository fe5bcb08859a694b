/** Products with block-quantised weights; layouts in `program/quant.ts`. */
import type { QuantMatmulAttrs } from '../../graph/primitive.js'
import { NF4_LEVELS } from '../../program/quant.js'
import type { Value } from './value.js'

/** Element k of row n before scaling: 4-bit formats hold elements j and j + 16 of a block of 32 in byte j. */
function storedElement(packed: Value, format: string, n: number, k: number): number {
  const columns = packed.shape[1]
  if (format === 'int8') return packed.data[n * columns + k]
  const within = k % 32
  const byte = packed.data[n * columns + Math.floor(k / 32) * 16 + (within % 16)]
  return within < 16 ? byte % 16 : Math.floor(byte / 16)
}

export function weightElement(
  weight: readonly Value[],
  { format, group }: QuantMatmulAttrs,
  n: number,
  k: number,
): number {
  const [packed, scale, zero] = weight
  const at = n * scale.shape[1] + Math.floor(k / group)
  const q = storedElement(packed, format, n, k)
  switch (format) {
    case 'int8':
      return q * scale.data[at]
    case 'int4':
      return (q - zero.data[at]) * scale.data[at]
    case 'int4sym':
      return (q - 8) * scale.data[at]
    case 'nf4':
      return NF4_LEVELS[q] * scale.data[at]
    default:
      throw new Error(`interpret: unknown format ${format}`)
  }
}

/** x Wᵀ; activations are never rounded, whatever the attribute allows a backend to do. */
export function quantMatmulData(x: Value, weight: readonly Value[], attrs: QuantMatmulAttrs): Float64Array {
  const [M, K] = x.shape
  const N = attrs.outFeatures
  const out = new Float64Array(M * N)
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++) {
      const element = weightElement(weight, attrs, n, k)
      for (let m = 0; m < M; m++) out[m * N + n] += x.data[m * K + k] * element
    }
  return out
}
