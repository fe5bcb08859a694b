/** Attention under vmap: the mapped axis joins the batch. */
import type { AttentionAttrs } from '../../graph/primitive.js'
import { attentionGradOf, attentionOf, broadcast, reshapeTo } from '../../graph/primitives.js'
import type { Node, Tensor } from '../../graph/tensor.js'
import { expandBody } from '../derivatives/body.js'
import type { Batched, BatchFunction, BatchRule } from '../rules.js'
import { elementShape, lead, mapped, mergeLeading, splitLeading } from './lead.js'

/** A mapped number of keys in use is nothing the routine knows: the body of primitives does it. */
function lengthIsMapped(attrs: AttentionAttrs, operands: readonly Batched[]): boolean {
  return attrs.hasLength && operands[operands.length - 1].batched
}

function throughBody(node: Node, operands: readonly Batched[], size: number, batch: BatchFunction): Batched[] {
  return batch((inputs) => expandBody(node.op, inputs, node.attrs), operands, size) as Batched[]
}

/** A mask [B|1, H|1, T|1, S|1] for the merged batch; shared ones stay small. */
function mergedMask(mask: Batched, size: number, B: number): Tensor {
  const shape = elementShape(mask)
  const padded = [...Array.from({ length: 4 - shape.length }, () => 1), ...shape]
  const full = reshapeTo(mask.tensor, mask.batched ? [size, ...padded] : padded)
  if (!mask.batched && padded[0] === 1) return full
  return mergeLeading(broadcast(full, [size, B, ...padded.slice(1)]))
}

function extraOperands(attrs: AttentionAttrs, extra: readonly Batched[], size: number, B: number): Tensor[] {
  return extra.map((operand, k) => (attrs.mask !== 'none' && k === 0 ? mergedMask(operand, size, B) : operand.tensor))
}

export const batchedAttention: BatchRule<'attention'> = (node, operands, size, batch) => {
  if (lengthIsMapped(node.attrs, operands)) return throughBody(node as unknown as Node, operands, size, batch)
  const [q, k, v] = operands.slice(0, 3).map((operand) => mergeLeading(lead(operand, size)))
  const B = q.shape[0] / size
  const results = attentionOf(q, k, v, extraOperands(node.attrs, operands.slice(3), size, B), node.attrs)
  return results.map((result) => mapped(splitLeading(result, size, B)))
}

export const batchedAttentionGrad: BatchRule<'attentionGrad'> = (node, operands, size, batch) => {
  if (lengthIsMapped(node.attrs, operands)) return throughBody(node as unknown as Node, operands, size, batch)
  const main = operands.slice(0, 6).map((operand) => mergeLeading(lead(operand, size)))
  const B = main[0].shape[0] / size
  const results = attentionGradOf(main, extraOperands(node.attrs, operands.slice(6), size, B), node.attrs)
  return results.map((result) => mapped(splitLeading(result, size, B)))
}
