/** Normalising nodes and softmax. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { positiveAxis, range, type NodeRunner, type OnnxNode } from './node.js'

export const NORMALIZATION: Readonly<Record<string, NodeRunner>> = {
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  GroupNormalization: groupNormalization,
  Softmax: (node) => softmax(node, T.softmax),
  LogSoftmax: (node) => softmax(node, T.logSoftmax),
}

/** Results: the normalised tensor, the mean and the inverse deviation. stash_type asks for f32 inside, which is our rule. */
function layerNormalization(node: OnnxNode): (Tensor | null)[] {
  const { x, attrs, wanted } = node
  attrs.number('stash_type', 1)
  const axis = positiveAxis(attrs.number('axis', -1), x.rank)
  const eps = attrs.number('epsilon', 1e-5)
  const options = { axes: range(x.rank).slice(axis), keepdims: true }
  const wide = T.cast(x, 'f32')
  return [
    T.layerNorm(x, node.tensor(1), node.optional(2), { axes: x.rank - axis, eps }),
    wanted[1] === true ? T.mean(wide, options) : null,
    wanted[2] === true ? T.rsqrt(T.add(T.variance(wide, options), eps)) : null,
  ]
}

/** The library normalises the last axis: the trailing axes are one while it does. */
function rmsNormalization(node: OnnxNode): Tensor {
  const { x, attrs } = node
  attrs.number('stash_type', 1)
  const axis = positiveAxis(attrs.number('axis', -1), x.rank)
  const scale = T.broadcastTo(node.tensor(1), x.shape.slice(axis))
  const flat = T.reshape(x, [...x.shape.slice(0, axis), scale.size])
  const normalised = T.rmsNorm(flat, T.reshape(scale, [scale.size]), { eps: attrs.number('epsilon', 1e-5) })
  return T.reshape(normalised, x.shape)
}

/** Until opset 18 there is one scale and bias for each group, from 21 on for each channel. */
function groupNormalization(node: OnnxNode): Tensor {
  const { x, attrs, opset } = node
  attrs.number('stash_type', 1)
  const groups = attrs.number('num_groups')
  const perChannel = (values: Tensor): Tensor =>
    opset < 21 ? T.repeat(values, x.shape[1] / groups, { axis: 0 }) : values
  return T.groupNorm(x, perChannel(node.tensor(1)), perChannel(node.tensor(2)), {
    groups,
    eps: attrs.number('epsilon', 1e-5),
  })
}

/** Before opset 13 the axes from `axis` (default 1) on are one; since then `axis` (default -1) stands alone. */
function softmax({ x, attrs, opset }: OnnxNode, apply: (x: Tensor, options: { axis: number }) => Tensor): Tensor {
  if (opset >= 13) return apply(x, { axis: attrs.number('axis', -1) })
  const axis = positiveAxis(attrs.number('axis', 1), x.rank)
  const rows = x.shape.slice(0, axis).reduce((product, size) => product * size, 1)
  const columns = x.shape.slice(axis).reduce((product, size) => product * size, 1)
  return T.reshape(apply(T.reshape(x, [rows, columns]), { axis: 1 }), x.shape)
}
