/** Matrix products. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { type NodeRunner, type OnnxNode } from './node.js'

export const PRODUCTS: Readonly<Record<string, NodeRunner>> = {
  MatMul: (node) => T.matmul(node.x, node.tensor(1)),
  Gemm: gemm,
  Einsum: (node) => T.einsum(node.attrs.text('equation'), ...node.tensors()),
}

/** alpha · A' B' + beta · C */
function gemm(node: OnnxNode): Tensor {
  const { attrs } = node
  const alpha = attrs.number('alpha', 1)
  const beta = attrs.number('beta', 1)
  const a = attrs.flag('transA', false) ? T.transpose(node.x) : node.x
  const b = attrs.flag('transB', false) ? T.transpose(node.tensor(1)) : node.tensor(1)
  const product = T.matmul(a, b)
  const scaled = alpha === 1 ? product : T.mul(product, alpha)
  const c = node.optional(2)
  if (c === null) return scaled
  return T.add(scaled, beta === 1 ? c : T.mul(c, beta))
}
