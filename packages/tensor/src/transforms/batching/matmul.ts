/** Matrix products under vmap. */
import { InternalError } from '../../errors.js'
import { matmulOf, quantMatmulOf, reshapeTo } from '../../graph/primitives.js'
import type { BatchRule } from '../rules.js'
import { lead, mapped, mergeLeading, splitLeading } from './lead.js'

/** A shared right matrix takes the mapped rows of the left one together: one product instead of many. */
export const batchedMatmul: BatchRule<'matmul'> = (_node, [a, b], size) => {
  if (a.batched && !b.batched && b.tensor.rank === 2) {
    const [B, M, K] = a.tensor.shape
    const product = matmulOf(reshapeTo(a.tensor, [B * M, K]), b.tensor)
    return [mapped(reshapeTo(product, [B, M, b.tensor.shape[1]]))]
  }
  return [mapped(matmulOf(lead(a, size), lead(b, size)))]
}

export const batchedQuantMatmul: BatchRule<'quantMatmul'> = (node, [x, ...weight], size) => {
  if (weight.some((w) => w.batched)) throw new InternalError('vmap: quantMatmul with mapped weights')
  const product = quantMatmulOf(
    mergeLeading(lead(x, size)),
    weight.map((w) => w.tensor),
    node.attrs,
  )
  return [mapped(splitLeading(product, size, product.shape[0] / size))]
}
