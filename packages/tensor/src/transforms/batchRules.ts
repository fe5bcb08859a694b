/** vmap: one rule per primitive, in the order of `graph/primitive.ts`. The mapped axis is always in front. */
import { InternalError } from '../errors.js'
import type { PrimitiveName } from '../graph/primitive.js'
import {
  broadcast,
  concatOf,
  cumulativeOf,
  gatherAlong,
  padWith,
  reduceOver,
  reshapeTo,
  scatterAddAlong,
  sliceOf,
  sortOf,
  transposeTo,
  windowOf,
} from '../graph/primitives.js'
import { createNode, type Node, type Tensor } from '../graph/tensor.js'
import { batchedAttention, batchedAttentionGrad } from './batching/attention.js'
import { batchedConv } from './batching/conv.js'
import { batchedCustom } from './batching/custom.js'
import { batchedDynamicSlice, batchedUpdateSlice } from './batching/dynamicSlice.js'
import { batchedGroups } from './batching/groups.js'
import { lead, mapped } from './batching/lead.js'
import { batchedMatmul, batchedQuantMatmul } from './batching/matmul.js'
import { batchedScan } from './batching/scan.js'
import type { BatchRule } from './rules.js'

/** Elementwise: the same primitive over operands that all have the mapped axis. */
const pointwise: BatchRule<PrimitiveName> = (node, operands, size) => {
  const outputs = node.outputs.map((spec) => ({ shape: [size, ...spec.shape], dtype: spec.dtype }))
  return createNode(
    node.op,
    operands.map((operand) => lead(operand, size)),
    node.attrs,
    outputs,
  ).map(mapped)
}

/** Nodes without inputs never depend on a mapped argument. */
function never<Op extends PrimitiveName>(node: Node<Op>): never {
  throw new InternalError(`vmap: ${node.op} has no operands`)
}

/** A rule for one operand, which therefore is mapped. */
function single<Op extends PrimitiveName>(rule: (x: Tensor, node: Node<Op>, size: number) => Tensor): BatchRule<Op> {
  return (node, [x], size) => [mapped(rule(x.tensor, node, size))]
}

const up = (axis: number): number => axis + 1

export const batchRules: { readonly [Op in PrimitiveName]: BatchRule<Op> } = {
  neg: pointwise,
  abs: pointwise,
  sign: pointwise,
  floor: pointwise,
  ceil: pointwise,
  round: pointwise,
  sqrt: pointwise,
  exp: pointwise,
  log: pointwise,
  log1p: pointwise,
  expm1: pointwise,
  sin: pointwise,
  cos: pointwise,
  tanh: pointwise,
  erf: pointwise,
  erfInv: pointwise,
  not: pointwise,

  add: pointwise,
  sub: pointwise,
  mul: pointwise,
  div: pointwise,
  pow: pointwise,
  minimum: pointwise,
  maximum: pointwise,
  rem: pointwise,
  and: pointwise,
  or: pointwise,
  xor: pointwise,
  shl: pointwise,
  shr: pointwise,

  eq: pointwise,
  ne: pointwise,
  lt: pointwise,
  le: pointwise,

  placeholder: never,
  scalar: never,
  iota: never,
  cast: pointwise,
  bitcast: pointwise,
  select: pointwise,
  threefry: pointwise,
  stopGradient: pointwise,
  barrier: (node, operands) => {
    const inputs = operands.map((operand) => operand.tensor)
    const spec = { shape: inputs[0].shape, dtype: inputs[0].dtype }
    return [{ tensor: createNode('barrier', inputs, node.attrs, [spec])[0], batched: operands[0].batched }]
  },
  // The transform that it belongs to has ended inside the mapped function.
  alias: (_, [x]) => [x],
  custom: batchedCustom,

  reshape: single((x, { attrs }, size) => reshapeTo(x, [size, ...attrs.shape])),
  transpose: single((x, { attrs }) => transposeTo(x, [0, ...attrs.perm.map(up)])),
  broadcastTo: single((x, { attrs }, size) => {
    const own = x.shape.slice(1)
    const padded = [size, ...attrs.shape.slice(own.length).map(() => 1), ...own]
    return broadcast(reshapeTo(x, padded), [size, ...attrs.shape])
  }),
  slice: single((x, { attrs: { start, size: sizes, step } }, size) =>
    sliceOf(x, [0, ...start], [size, ...sizes], [1, ...step]),
  ),
  pad: single((x, { attrs: { low, high, interior, value } }) =>
    padWith(x, [0, ...low], [0, ...high], [0, ...interior], value),
  ),
  window: single((x, { attrs }) => windowOf(x, up(attrs.axis), attrs.size, attrs.stride, attrs.dilation)),
  concat: ({ attrs }, parts, size) => [
    mapped(
      concatOf(
        parts.map((part) => lead(part, size)),
        up(attrs.axis),
      ),
    ),
  ],
  gather: ({ attrs }, [x, index], size) => [mapped(gatherAlong(lead(x, size), lead(index, size), up(attrs.axis)))],
  scatterAdd: ({ attrs }, operands, size) => {
    const [x, index, updates] = operands.map((operand) => lead(operand, size))
    return [mapped(scatterAddAlong(x, index, updates, up(attrs.axis)))]
  },
  dynamicSlice: batchedDynamicSlice,
  updateSlice: batchedUpdateSlice,
  reduce: single((x, { attrs }) => reduceOver(attrs.kind, x, attrs.axes.map(up))),
  matmul: batchedMatmul,
  groupedMatmul: batchedGroups,
  quantMatmul: batchedQuantMatmul,
  groupedQuantMatmul: batchedGroups,
  conv: batchedConv,
  attention: batchedAttention,
  attentionGrad: batchedAttentionGrad,
  sort: ({ attrs }, [x]) => sortOf(x.tensor, up(attrs.axis), attrs.descending).map(mapped),
  cumulative: single((x, { attrs }) => cumulativeOf(x, { ...attrs, axis: up(attrs.axis) })),
  scan: batchedScan,
}
