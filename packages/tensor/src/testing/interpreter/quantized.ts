/** Products with block-quantised weights. */
import type { QuantMatmulAttrs } from '../../graph/primitive.js'
import type { Value } from './value.js'

/** @throws Error always, until the layout of packed weights is fixed by `quant.ts` */
export function quantMatmulData(_x: Value, _weight: readonly Value[], attrs: QuantMatmulAttrs): Float64Array {
  throw new Error(`interpret: quantMatmul of format ${attrs.format} is not evaluated`)
}
