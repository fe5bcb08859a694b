/** Convolution under vmap: the mapped axis V joins the batch, the output channels or the groups. */
import type { ConvAttrs } from '../../graph/primitive.js'
import { convOf, reshapeTo, transposeTo } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import type { BatchRule } from '../rules.js'
import { mapped, mergeLeading, splitLeading } from './lead.js'

export const batchedConv: BatchRule<'conv'> = ({ attrs }, [x, w]) => {
  if (!w.batched) {
    const out = convOf(mergeLeading(x.tensor), w.tensor, attrs)
    return [mapped(splitLeading(out, x.tensor.shape[0], x.tensor.shape[1]))]
  }
  return [
    mapped(x.batched ? eachWithItsKernel(x.tensor, w.tensor, attrs) : oneInputManyKernels(x.tensor, w.tensor, attrs)),
  ]
}

/** [V, N, C, S], [V, O, c, K] -> [V, N, O, S'] with V·groups groups. */
function eachWithItsKernel(x: Tensor, w: Tensor, attrs: ConvAttrs): Tensor {
  const [V, N, C, ...S] = x.shape
  const [, O, c, ...K] = w.shape
  const channels = reshapeTo(transposeTo(x, [1, 0, ...rest(x, 2)]), [N, V * C, ...S])
  const out = convOf(channels, reshapeTo(w, [V * O, c, ...K]), { ...attrs, groups: V * attrs.groups })
  const split = reshapeTo(out, [N, V, O, ...out.shape.slice(2)])
  return transposeTo(split, [1, 0, ...rest(split, 2)])
}

/** [N, C, S], [V, g·o, c, K] -> [V, N, g·o, S']: output channels in the order group, V, o. */
function oneInputManyKernels(x: Tensor, w: Tensor, attrs: ConvAttrs): Tensor {
  const { groups } = attrs
  const [V, O, c, ...K] = w.shape
  const grouped = reshapeTo(w, [V, groups, O / groups, c, ...K])
  const kernels = reshapeTo(transposeTo(grouped, [1, 0, ...rest(grouped, 2)]), [V * O, c, ...K])
  const out = convOf(x, kernels, attrs)
  const split = reshapeTo(out, [out.shape[0], groups, V, O / groups, ...out.shape.slice(2)])
  const ordered = transposeTo(split, [2, 0, 1, ...rest(split, 3)])
  return reshapeTo(ordered, [V, out.shape[0], O, ...out.shape.slice(2)])
}

function rest(x: Tensor, from: number): number[] {
  return x.shape.flatMap((_, k) => (k >= from ? [k] : []))
}
