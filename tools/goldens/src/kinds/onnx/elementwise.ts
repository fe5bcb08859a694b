/** Nodes that work element by element. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { isFloatTensor, type NodeRunner, type OnnxNode } from './node.js'

const unary =
  (apply: (x: Tensor) => Tensor): NodeRunner =>
  (node) =>
    apply(node.x)
const binary =
  (apply: (a: Tensor, b: Tensor) => Tensor): NodeRunner =>
  (node) =>
    apply(node.x, node.tensor(1))
const folded =
  (apply: (a: Tensor, b: Tensor) => Tensor): NodeRunner =>
  (node) =>
    node.tensors().reduce((a, b) => apply(a, b))

export const ELEMENTWISE: Readonly<Record<string, NodeRunner>> = {
  Abs: unary(T.abs),
  Neg: unary(T.neg),
  Sign: unary(T.sign),
  Ceil: unary(T.ceil),
  Floor: unary(T.floor),
  Round: unary(T.round),
  Sqrt: unary(T.sqrt),
  Exp: unary(T.exp),
  Log: unary(T.log),
  Sin: unary(T.sin),
  Cos: unary(T.cos),
  Tanh: unary(T.tanh),
  Erf: unary(T.erf),
  Sigmoid: unary(T.sigmoid),
  Softplus: unary(T.softplus),
  Reciprocal: unary(T.reciprocal),
  Relu: ({ x }) => (isFloatTensor(x) ? T.relu(x) : T.maximum(x, 0)),
  Not: unary(T.logicalNot),
  IsNaN: ({ x }) => T.notEqual(x, x),
  IsInf: isInfinite,
  Gelu: ({ x, attrs }) => T.gelu(x, { approximate: attrs.text('approximate', 'none') as 'none' | 'tanh' }),
  Swish: ({ x, attrs }) => swish(x, attrs.number('alpha', 1)),
  SwiGLU: swiGlu,
  HardSwish: ({ x }) => T.mul(x, T.clip(T.add(T.div(x, 6), 0.5), { min: 0, max: 1 })),
  Clip: clip,

  Add: binary(T.add),
  Sub: binary(T.sub),
  Mul: binary(T.mul),
  Div: binary(T.div),
  Pow: power,
  Max: folded(T.maximum),
  Min: folded(T.minimum),
  Sum: folded(T.add),
  Mean: (node) =>
    T.div(
      node.tensors().reduce((a, b) => T.add(a, b)),
      node.operandCount,
    ),
  Equal: binary((a, b) => (a.dtype === 'bool' ? T.logicalNot(T.logicalXor(a, b)) : T.equal(a, b))),
  Greater: binary(T.greater),
  GreaterOrEqual: binary(T.greaterEqual),
  Less: binary(T.less),
  LessOrEqual: binary(T.lessEqual),
  And: binary(T.logicalAnd),
  Or: binary(T.logicalOr),
  Xor: binary(T.logicalXor),
  Where: (node) => T.where(node.x, node.tensor(1), node.tensor(2)),
}

function isInfinite({ x, attrs }: OnnxNode): Tensor {
  const positive = attrs.flag('detect_positive', true)
  const negative = attrs.flag('detect_negative', true)
  if (positive && negative) return T.equal(T.abs(x), Infinity)
  if (positive) return T.equal(x, Infinity)
  return negative ? T.equal(x, -Infinity) : T.full(x.shape, false, { dtype: 'bool' })
}

function swish(x: Tensor, alpha: number): Tensor {
  return alpha === 1 ? T.silu(x) : T.mul(x, T.sigmoid(T.mul(x, alpha)))
}

function swiGlu(node: OnnxNode): Tensor {
  const alpha = node.attrs.number('alpha', 1)
  return alpha === 1 ? T.swiglu(node.x, node.tensor(1)) : T.mul(swish(node.x, alpha), node.tensor(1))
}

/** min(max, max(x, min)): a minimum above the maximum gives the maximum. Bounds are attributes before opset 11. */
function clip(node: OnnxNode): Tensor {
  const bound = (position: number, attribute: string): number | null => {
    if (node.has(position)) return node.number(position)
    return node.attrs.has(attribute) ? node.attrs.number(attribute) : null
  }
  const min = bound(1, 'min')
  const max = bound(2, 'max')
  if (min !== null && max !== null && min > max) return T.full(node.x.shape, max, { dtype: node.x.dtype })
  return T.clip(node.x, { min, max })
}

/** The result has the dtype of the base; the exponent may have another one. */
function power(node: OnnxNode): Tensor {
  const base = node.x
  const exponent = node.tensor(1)
  if (isFloatTensor(base)) return T.pow(base, T.cast(exponent, base.dtype))
  const exponents = node.numbers(1)
  if (exponents.every((value) => Number.isInteger(value) && value >= 0))
    return integerPower(base, T.cast(exponent, base.dtype), Math.max(0, ...exponents))
  return T.cast(T.pow(T.cast(base, 'f32'), T.cast(exponent, 'f32')), base.dtype)
}

/** By squaring, so that no integer passes through a float. */
function integerPower(base: Tensor, exponent: Tensor, largest: number): Tensor {
  let result = T.onesLike(T.add(base, exponent))
  let square = base
  for (let bit = 1; bit <= largest; bit *= 2) {
    const isSet = T.notEqual(T.bitwiseAnd(exponent, bit), 0)
    result = T.where(isSet, T.mul(result, square), result)
    square = T.mul(square, square)
  }
  return result
}
