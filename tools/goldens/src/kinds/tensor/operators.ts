/** The suite's operators as calls of the public API. */
import * as T from '@tarazed/tensor'
import { type DType, type Tensor } from '@tarazed/tensor'
import { type Attributes } from '../../attributes.js'

/** Operands in the order of the index; several results come as a list. */
export type Operator = (operands: readonly Tensor[], attrs: Attributes) => Tensor | readonly Tensor[]

type Unary = (x: Tensor) => Tensor
type Binary = (a: Tensor, b: Tensor) => Tensor
type Reduction = (x: Tensor, options: { axes: number[] | null; keepdims: boolean }) => Tensor

const unary =
  (apply: Unary): Operator =>
  ([x]) =>
    apply(x)
const binary =
  (apply: Binary): Operator =>
  ([a, b]) =>
    apply(a, b)
const reduction =
  (apply: Reduction): Operator =>
  ([x], attrs) =>
    apply(x, reductionOf(attrs))

function reductionOf(attrs: Attributes): { axes: number[] | null; keepdims: boolean } {
  return { axes: attrs.numbersOrNull('axes'), keepdims: attrs.boolean('keepdims') }
}

function cumulativeOf(attrs: Attributes): { axis: number; exclusive: boolean; reverse: boolean } {
  return { axis: attrs.number('axis'), exclusive: attrs.boolean('exclusive'), reverse: attrs.boolean('reverse') }
}

function convolutionOf(attrs: Attributes) {
  return {
    stride: attrs.numbers('stride'),
    padding: attrs.pairs('padding'),
    dilation: attrs.numbers('dilation'),
    groups: attrs.number('groups'),
  }
}

function dtypeOf(attrs: Attributes, name = 'dtype'): DType {
  return attrs.text(name) as DType
}

type Slices = [number | null, number | null, number | null][]

/** A float mask is the fourth operand of attention. */
function attention([q, k, v, mask]: readonly Tensor[], attrs: Attributes): Tensor {
  const causal = attrs.textOrNull('causal') as 'topLeft' | 'bottomRight' | null
  return T.scaledDotProductAttention(q, k, v, { mask, causal, scale: attrs.numberOrNull('scale') })
}

/** The gradient of a cast: the cotangent (operand 1) pulled back to operand 0. */
function castGrad([x, cotangent]: readonly Tensor[], attrs: Attributes): Tensor {
  const [, pullback] = T.vjp((value: Tensor) => T.cast(value, dtypeOf(attrs, 'to')), x)
  return pullback(cotangent)[0]
}

/** Every operator of the suite. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  neg: unary(T.neg),
  abs: unary(T.abs),
  sign: unary(T.sign),
  square: unary(T.square),
  reciprocal: unary(T.reciprocal),
  exp: unary(T.exp),
  log: unary(T.log),
  log1p: unary(T.log1p),
  expm1: unary(T.expm1),
  sqrt: unary(T.sqrt),
  rsqrt: unary(T.rsqrt),
  sin: unary(T.sin),
  cos: unary(T.cos),
  tanh: unary(T.tanh),
  sigmoid: unary(T.sigmoid),
  erf: unary(T.erf),
  silu: unary(T.silu),
  relu: unary(T.relu),
  softplus: unary(T.softplus),
  floor: unary(T.floor),
  ceil: unary(T.ceil),
  round: unary(T.round),
  gelu: ([x], attrs) => T.gelu(x, { approximate: attrs.text('approximate') as 'none' | 'tanh' }),
  clip: ([x], attrs) => T.clip(x, { min: attrs.numberOrNull('min'), max: attrs.numberOrNull('max') }),

  add: binary(T.add),
  sub: binary(T.sub),
  mul: binary(T.mul),
  div: binary(T.div),
  pow: binary(T.pow),
  minimum: binary(T.minimum),
  maximum: binary(T.maximum),
  equal: binary(T.equal),
  notEqual: binary(T.notEqual),
  less: binary(T.less),
  lessEqual: binary(T.lessEqual),
  greater: binary(T.greater),
  greaterEqual: binary(T.greaterEqual),
  logicalAnd: binary(T.logicalAnd),
  logicalOr: binary(T.logicalOr),
  logicalXor: binary(T.logicalXor),
  logicalNot: unary(T.logicalNot),
  where: ([cond, a, b]) => T.where(cond, a, b),
  cast: ([x], attrs) => T.cast(x, dtypeOf(attrs, 'to')),
  castGrad,

  sum: reduction(T.sum),
  mean: reduction(T.mean),
  max: reduction(T.max),
  min: reduction(T.min),
  prod: reduction(T.prod),
  logsumexp: reduction(T.logsumexp),
  any: reduction(T.any),
  all: reduction(T.all),
  var: ([x], attrs) => T.variance(x, { ...reductionOf(attrs), correction: attrs.number('correction') }),
  std: ([x], attrs) => T.std(x, { ...reductionOf(attrs), correction: attrs.number('correction') }),
  norm: ([x], attrs) => T.norm(x, { ...reductionOf(attrs), ord: attrs.value('ord') as number | 'inf' }),
  argmax: ([x], attrs) => T.argmax(x, { axis: attrs.numberOrNull('axis'), keepdims: attrs.boolean('keepdims') }),
  argmin: ([x], attrs) => T.argmin(x, { axis: attrs.numberOrNull('axis'), keepdims: attrs.boolean('keepdims') }),
  cumsum: ([x], attrs) => T.cumsum(x, cumulativeOf(attrs)),
  cumprod: ([x], attrs) => T.cumprod(x, cumulativeOf(attrs)),
  cummax: ([x], attrs) => T.cummax(x, cumulativeOf(attrs)),
  cummin: ([x], attrs) => T.cummin(x, cumulativeOf(attrs)),
  softmax: ([x], attrs) => T.softmax(x, { axis: attrs.number('axis') }),
  logSoftmax: ([x], attrs) => T.logSoftmax(x, { axis: attrs.number('axis') }),

  matmul: binary(T.matmul),
  outer: binary(T.outer),
  einsum: (operands, attrs) => T.einsum(attrs.text('equation'), ...operands),
  conv1d: ([x, w, bias], attrs) => T.conv1d(x, w, bias, convolutionOf(attrs)),
  conv2d: ([x, w, bias], attrs) => T.conv2d(x, w, bias, convolutionOf(attrs)),
  convTranspose2d: ([x, w, bias], attrs) =>
    T.convTranspose2d(x, w, bias, {
      stride: attrs.numbers('stride'),
      padding: attrs.numbers('padding'),
      outputPadding: attrs.numbers('outputPadding'),
      dilation: attrs.numbers('dilation'),
      groups: attrs.number('groups'),
    }),
  avgPool2d: ([x], attrs) =>
    T.avgPool2d(x, {
      kernel: attrs.numbers('kernel'),
      stride: attrs.numbers('stride'),
      padding: attrs.numbers('padding'),
      countIncludePad: attrs.boolean('countIncludePad'),
    }),
  maxPool2d: ([x], attrs) =>
    T.maxPool2d(x, {
      kernel: attrs.numbers('kernel'),
      stride: attrs.numbers('stride'),
      padding: attrs.numbers('padding'),
      dilation: attrs.numbers('dilation'),
    }),
  resize: ([x], attrs) =>
    T.resize(x, attrs.numbers('size'), {
      mode: attrs.text('mode') as 'nearest' | 'bilinear',
      alignCorners: attrs.boolean('alignCorners', false),
    }),

  layerNorm: ([x, weight, bias], attrs) =>
    T.layerNorm(x, weight, bias, { axes: attrs.number('axes'), eps: attrs.number('eps') }),
  rmsNorm: ([x, weight], attrs) => T.rmsNorm(x, weight, { eps: attrs.number('eps') }),
  groupNorm: ([x, weight, bias], attrs) =>
    T.groupNorm(x, weight, bias, { groups: attrs.number('groups'), eps: attrs.number('eps') }),

  embedding: ([table, index]) => T.embedding(table, index),
  gather: ([x, index], attrs) => T.gather(x, index, { axis: attrs.number('axis') }),
  takeAlongAxis: ([x, index], attrs) => T.takeAlongAxis(x, index, { axis: attrs.number('axis') }),
  indexSelect: ([x, index], attrs) => T.indexSelect(x, index, { axis: attrs.number('axis') }),
  scatterAdd: ([x, index, updates], attrs) => T.scatterAdd(x, index, updates, { axis: attrs.number('axis') }),
  slice: ([x], attrs) => T.slice(x, attrs.value('slices') as Slices),
  pad: ([x], attrs) =>
    T.pad(x, attrs.pairs('pads'), {
      mode: attrs.text('mode') as 'constant' | 'reflect' | 'edge',
      value: attrs.number('value', 0),
    }),
  concat: (tensors, attrs) => T.concat(tensors, { axis: attrs.number('axis') }),
  stack: (tensors, attrs) => T.stack(tensors, { axis: attrs.number('axis') }),
  split: ([x], attrs) => T.split(x, attrs.numbers('sizes'), { axis: attrs.number('axis') }),
  tile: ([x], attrs) => T.tile(x, attrs.numbers('reps')),
  repeat: ([x], attrs) => T.repeat(x, attrs.number('repeats'), { axis: attrs.number('axis') }),
  transpose: ([x], attrs) => T.transpose(x, attrs.numbers('perm')),
  reshape: ([x], attrs) => T.reshape(x, attrs.numbers('shape')),
  squeeze: ([x], attrs) => T.squeeze(x, attrs.numbersOrNull('axes')),
  expandDims: ([x], attrs) => T.expandDims(x, attrs.numbers('axes')),
  broadcastTo: ([x], attrs) => T.broadcastTo(x, attrs.numbers('shape')),
  flip: ([x], attrs) => T.flip(x, attrs.numbersOrNull('axes')),
  roll: ([x], attrs) => T.roll(x, attrs.numbers('shifts'), { axes: attrs.numbersOrNull('axes') }),
  tril: ([x], attrs) => T.tril(x, { k: attrs.number('k') }),
  triu: ([x], attrs) => T.triu(x, { k: attrs.number('k') }),
  diag: ([x], attrs) => T.diag(x, { k: attrs.number('k') }),
  eye: (_, attrs) => T.eye(attrs.number('n'), { m: attrs.number('m'), k: attrs.number('k'), dtype: dtypeOf(attrs) }),
  tri: (_, attrs) => T.tri(attrs.number('n'), { m: attrs.number('m'), k: attrs.number('k'), dtype: dtypeOf(attrs) }),
  arange: (_, attrs) =>
    T.arange(attrs.number('start'), attrs.number('stop'), { step: attrs.number('step'), dtype: dtypeOf(attrs) }),
  linspace: (_, attrs) => T.linspace(attrs.number('start'), attrs.number('stop'), attrs.number('num')),
  oneHot: ([index], attrs) => T.oneHot(index, attrs.number('numClasses'), { dtype: dtypeOf(attrs) }),

  sort: ([x], attrs) => T.sort(x, { axis: attrs.number('axis'), descending: attrs.boolean('descending') }),
  argsort: ([x], attrs) => T.argsort(x, { axis: attrs.number('axis'), descending: attrs.boolean('descending') }),
  topk: ([x], attrs) => T.topk(x, attrs.number('k'), { axis: attrs.number('axis'), largest: attrs.boolean('largest') }),

  crossEntropy: ([logits, target], attrs) =>
    T.crossEntropy(logits, target, {
      ignoreIndex: attrs.number('ignoreIndex'),
      labelSmoothing: attrs.number('labelSmoothing'),
      zLoss: attrs.number('zLoss'),
      reduction: attrs.text('reduction') as 'mean' | 'sum' | 'none',
    }),
  scaledDotProductAttention: attention,
  rope: ([x, positions], attrs) =>
    T.rope(x, positions, {
      base: attrs.number('base'),
      dim: attrs.number('dim'),
      interleaved: attrs.boolean('interleaved'),
    }),
  swiglu: binary(T.swiglu),
}

/** @throws Error for an operator that the runner does not know */
export function operatorOf(name: string): Operator {
  if (!Object.hasOwn(OPERATORS, name)) throw new Error(`no runner for operator ${name}`)
  return OPERATORS[name]
}
