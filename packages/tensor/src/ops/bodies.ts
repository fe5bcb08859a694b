/**
 * What the routines compute, as compositions of other primitives: for forward derivatives, vmap, second derivatives,
 * and for backends without the routine. A sort has no body.
 */
import type { AttentionAttrs, ConvAttrs, PrimitiveAttrs, PrimitiveName } from '../graph/primitive.js'
import { attentionBody, attentionGradBody } from './bodies/attention.js'
import { convBody } from './bodies/conv.js'
import { cumulativeBody } from './bodies/cumulative.js'
import { groupedMatmulBody } from './bodies/groupedMatmul.js'
import { groupedQuantMatmulBody, quantMatmulBody } from './bodies/quantMatmul.js'
import type { Tensor } from '../graph/tensor.js'

/** Outputs of a primitive in terms of its inputs. */
export type PrimitiveBody<Op extends PrimitiveName> = (inputs: readonly Tensor[], attrs: PrimitiveAttrs[Op]) => Tensor[]

export const primitiveBodies: { readonly [Op in PrimitiveName]?: PrimitiveBody<Op> } = {
  attention: (inputs, attrs: AttentionAttrs) => attentionBody(inputs, attrs),
  attentionGrad: (inputs, attrs: AttentionAttrs) => attentionGradBody(inputs, attrs),
  conv: ([x, w], attrs: ConvAttrs) => [convBody(x, w, attrs)],
  cumulative: ([x], attrs) => [cumulativeBody(x, attrs)],
  groupedMatmul: ([a, b, offsets], { contract }) => [groupedMatmulBody(a, b, offsets, contract)],
  quantMatmul: ([x, ...weight], attrs) => [quantMatmulBody(x, weight, attrs)],
  groupedQuantMatmul: ([x, ...rest], attrs) => [
    groupedQuantMatmulBody(x, rest.slice(0, -1), rest[rest.length - 1], attrs),
  ],
}
