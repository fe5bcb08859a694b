/** Derivatives of the composed operators in every mode, against finite differences in float64. */
import { describe, it } from 'vitest'
import * as ops from '../../src/ops/index.js'
import type { Tensor } from '../../src/graph/tensor.js'
import { checkGrad, type CheckInput, type GradCheckOptions } from '../../src/testing/gradCheck.js'
import { input, noise } from './support.js'

interface Case {
  readonly name: string
  readonly f: (...inputs: Tensor[]) => Tensor | readonly Tensor[]
  readonly inputs: readonly CheckInput[]
  readonly options?: GradCheckOptions
}

const x34 = input([3, 4], 1)
const y34 = input([3, 4], 2)
/** Away from 0, where kinks lie. */
const signed: CheckInput = { shape: [2, 3], data: [-1.3, -0.4, 0.2, 0.7, 1.9, -2.2] }
const positive: CheckInput = { shape: [2, 3], data: [0.3, 0.5, 1.2, 2.2, 0.9, 3.1] }
const targets: CheckInput = { shape: [3], data: [2, 0, 3], dtype: 'i32' }
const someIgnored: CheckInput = { shape: [3], data: [2, -100, 3], dtype: 'i32' }

const activations: Case[] = [
  ...(
    [
      'sigmoid',
      'silu',
      'softplus',
      'relu',
      'tanh',
      'erf',
      'exp',
      'expm1',
      'sin',
      'cos',
      'square',
      'reciprocal',
      'abs',
    ] as const
  ).map((name): Case => ({ name, f: (x) => ops[name](x), inputs: [signed] })),
  ...(['log', 'log1p', 'sqrt', 'rsqrt'] as const).map((name): Case => ({
    name,
    f: (x) => ops[name](x),
    inputs: [positive],
  })),
  { name: 'erfInv', f: (x) => ops.erfInv(ops.mul(x, 0.3)), inputs: [signed] },
  { name: 'gelu', f: (x) => ops.gelu(x), inputs: [signed] },
  { name: 'gelu by tanh', f: (x) => ops.gelu(x, { approximate: 'tanh' }), inputs: [signed] },
  { name: 'swiglu', f: (x, y) => ops.swiglu(x, y), inputs: [x34, y34] },
  { name: 'pow of two tensors', f: (x, y) => ops.pow(x, y), inputs: [positive, signed] },
  { name: 'pow by 3', f: (x) => ops.pow(x, 3), inputs: [signed] },
  { name: 'pow by -1', f: (x) => ops.pow(x, -1), inputs: [positive] },
  {
    name: 'div with broadcasting',
    f: (x, y) => ops.div(x, y),
    inputs: [x34, { shape: [4], data: [0.7, -1.2, 2, 1.5] }],
  },
  { name: 'fma', f: (x, y, z) => ops.fma(x, y, z), inputs: [x34, y34, input([3, 1], 3)] },
  { name: 'clip', f: (x) => ops.clip(x, { min: -0.6, max: 1 }), inputs: [signed] },
  { name: 'minimum and maximum', f: (x, y) => [ops.minimum(x, y), ops.maximum(x, y)], inputs: [x34, y34] },
  { name: 'where', f: (x, y) => ops.where(ops.greater(x, 0.1), ops.exp(x), ops.square(y)), inputs: [x34, y34] },
]

const reductions: Case[] = [
  { name: 'sum', f: (x) => ops.sum(ops.square(x), { axes: 0 }), inputs: [x34] },
  { name: 'mean', f: (x) => ops.mean(ops.square(x), { axes: [1], keepdims: true }), inputs: [x34] },
  { name: 'prod', f: (x) => ops.prod(x, { axes: 1 }), inputs: [signed] },
  {
    name: 'prod with a zero',
    f: (x) => ops.prod(x, { axes: 1 }),
    inputs: [{ shape: [2, 3], data: [0, 2, 3, 1, -2, 0.5] }],
  },
  { name: 'max and min', f: (x) => [ops.max(x, { axes: 1 }), ops.min(x)], inputs: [x34] },
  { name: 'logsumexp', f: (x) => ops.logsumexp(x, { axes: 1 }), inputs: [x34] },
  { name: 'logsumexp over all axes', f: (x) => ops.logsumexp(x), inputs: [x34] },
  { name: 'variance', f: (x) => ops.variance(x, { axes: 1, correction: 1 }), inputs: [x34] },
  { name: 'std', f: (x) => ops.std(x, { axes: 0 }), inputs: [x34] },
  { name: 'norm', f: (x) => ops.norm(x, { axes: 1 }), inputs: [x34] },
  { name: 'norm of order 1', f: (x) => ops.norm(x, { axes: 1, ord: 1 }), inputs: [signed] },
  { name: 'norm of order 3', f: (x) => ops.norm(x, { ord: 3 }), inputs: [signed] },
  { name: 'norm of order 2.5', f: (x) => ops.norm(x, { ord: 2.5, axes: 0 }), inputs: [signed] },
  { name: 'norm of order inf', f: (x) => ops.norm(x, { ord: 'inf', axes: 0 }), inputs: [signed] },
  { name: 'cumsum', f: (x) => ops.cumsum(ops.square(x), { axis: 0, exclusive: true }), inputs: [x34] },
  { name: 'cumprod', f: (x) => ops.cumprod(x, { reverse: true }), inputs: [signed] },
  { name: 'cummax', f: (x) => ops.cummax(x), inputs: [x34] },
]

const norms: Case[] = [
  { name: 'softmax', f: (x) => ops.softmax(x), inputs: [x34] },
  { name: 'softmax on axis 0', f: (x) => ops.softmax(x, { axis: 0 }), inputs: [x34] },
  { name: 'logSoftmax', f: (x) => ops.logSoftmax(x), inputs: [x34] },
  { name: 'layerNorm', f: (x, w, b) => ops.layerNorm(x, w, b), inputs: [x34, input([4], 3), input([4], 4)] },
  {
    name: 'layerNorm over two axes',
    f: (x) => ops.layerNorm(x, null, null, { axes: 2 }),
    inputs: [input([2, 3, 2], 5)],
  },
  { name: 'rmsNorm', f: (x, w) => ops.rmsNorm(x, w), inputs: [x34, input([4], 3)] },
  {
    name: 'groupNorm',
    f: (x, w, b) => ops.groupNorm(x, w, b, { groups: 2 }),
    inputs: [input([2, 4, 3], 6), input([4], 3), input([4], 4)],
  },
  { name: 'crossEntropy', f: (x, t) => ops.crossEntropy(x, t), inputs: [x34, targets] },
  {
    name: 'crossEntropy with every option',
    f: (x, t) => ops.crossEntropy(x, t, { labelSmoothing: 0.2, zLoss: 0.3, reduction: 'none' }),
    inputs: [x34, someIgnored],
  },
  {
    name: 'crossEntropy of counted rows',
    f: (x, t) => ops.crossEntropy(x, t, { zLoss: 0.1 }),
    inputs: [x34, someIgnored],
  },
]

const q = input([1, 4, 3, 2], 1)
const k = input([1, 2, 5, 2], 2)
const v = input([1, 2, 5, 3], 3)
const attention: Case[] = [
  { name: 'attention', f: (a, b, c) => ops.scaledDotProductAttention(a, b, c), inputs: [q, k, v] },
  {
    name: 'causal attention with keys in use',
    f: (a, b, c) => ops.scaledDotProductAttention(a, b, c, { causal: 'bottomRight', length: 4 }),
    inputs: [q, k, v],
  },
  {
    name: 'attention with a float mask',
    f: (a, b, c, m) => ops.scaledDotProductAttention(a, b, c, { mask: m, scale: 0.7 }),
    inputs: [q, k, v, input([1, 1, 3, 5], 4)],
  },
  {
    name: 'attention with a row that sees nothing',
    f: (a, b, c, m) => ops.scaledDotProductAttention(a, b, c, { mask: m, causal: 'topLeft' }),
    inputs: [q, k, v, { shape: [3, 5], data: [0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 1], dtype: 'bool' }],
  },
  { name: 'rope', f: (x) => ops.rope(x, ops.arange(3)), inputs: [input([1, 3, 2, 4], 5)] },
  {
    name: 'interleaved rope of some channels',
    f: (x) => ops.rope(x, ops.arange(3), { interleaved: true, dim: 4 }),
    inputs: [input([1, 3, 2, 6], 5)],
  },
]

const products: Case[] = [
  { name: 'matmul', f: (a, b) => ops.matmul(a, b), inputs: [input([2, 3, 4], 1), input([4, 2], 2)] },
  {
    name: 'matmul with broadcast stacks',
    f: (a, b) => ops.matmul(a, b),
    inputs: [input([2, 1, 3, 2], 1), input([3, 2, 2], 2)],
  },
  { name: 'matmul of vectors', f: (a, b) => ops.matmul(a, b), inputs: [input([4], 1), input([4], 2)] },
  { name: 'outer', f: (a, b) => ops.outer(a, b), inputs: [input([3], 1), input([2], 2)] },
  {
    name: 'einsum with a diagonal',
    f: (a, b) => ops.einsum('iij,jk->ik', a, b),
    inputs: [input([2, 2, 3], 1), input([3, 2], 2)],
  },
  {
    name: 'einsum of three',
    f: (a, b, c) => ops.einsum('bi,ij,bj->b', a, b, c),
    inputs: [input([2, 3], 1), input([3, 2], 2), input([2, 2], 3)],
  },
  {
    name: 'conv2d',
    f: (x, w, b) =>
      ops.conv2d(x, w, b, {
        stride: [2, 1],
        padding: [
          [1, 0],
          [0, 2],
        ],
        dilation: [1, 2],
        groups: 2,
      }),
    inputs: [input([1, 4, 5, 4], 1), input([2, 2, 3, 2], 2), input([2], 3)],
  },
  {
    name: 'convTranspose2d',
    f: (x, w) => ops.convTranspose2d(x, w, null, { stride: 2, padding: [1, 0], outputPadding: [1, 0], groups: 2 }),
    inputs: [input([1, 4, 2, 3], 1), input([4, 1, 3, 2], 2)],
  },
  { name: 'conv3d', f: (x, w) => ops.conv3d(x, w), inputs: [input([1, 1, 2, 3, 2], 1), input([2, 1, 2, 2, 1], 2)] },
]

const movement: Case[] = [
  {
    name: 'pads',
    f: (x) => [
      ops.pad(
        x,
        [
          [1, 2],
          [0, 1],
        ],
        { mode: 'edge' },
      ),
      ops.pad(
        x,
        [
          [1, 1],
          [2, 0],
        ],
        { mode: 'reflect' },
      ),
    ],
    inputs: [x34],
  },
  {
    name: 'slices',
    f: (x) =>
      ops.slice(x, [
        [null, null, -2],
        [1, -1],
      ]),
    inputs: [x34],
  },
  { name: 'tile and repeat', f: (x) => [ops.tile(x, [2, 1, 2]), ops.repeat(x, 2, { axis: 1 })], inputs: [x34] },
  { name: 'roll and flip', f: (x) => [ops.roll(x, [1, -1], { axes: [0, 1] }), ops.flip(x, 1)], inputs: [x34] },
  {
    name: 'triangles and diagonals',
    f: (x) => [ops.tril(x, { k: 1 }), ops.triu(x), ops.diag(x, { k: -1 })],
    inputs: [x34],
  },
  { name: 'diagonal matrix', f: (x) => ops.diag(x, { k: -2 }), inputs: [input([3], 1)] },
  {
    name: 'concat, stack and split',
    f: (x, y) => [ops.concat([x, y]), ops.stack([x, y], { axis: 1 }), ...ops.split(x, [1, 3], { axis: 1 })],
    inputs: [x34, y34],
  },
  {
    name: 'embedding',
    f: (x) =>
      ops.embedding(
        x,
        ops.tensor(
          [
            [2, 0],
            [2, 1],
          ],
          { dtype: 'i32' },
        ),
      ),
    inputs: [x34],
  },
  {
    name: 'gather',
    f: (x) =>
      ops.gather(
        x,
        ops.tensor(
          [
            [2, 0],
            [1, 1],
          ],
          { dtype: 'i32' },
        ),
        { axis: 0 },
      ),
    inputs: [x34],
  },
  {
    name: 'takeAlongAxis',
    f: (x) => ops.takeAlongAxis(x, ops.tensor([[3, 0, 3]], { dtype: 'i32' }), { axis: 1 }),
    inputs: [x34],
  },
  {
    name: 'scatterAdd',
    f: (x, u) =>
      ops.scatterAdd(
        x,
        ops.tensor(
          [
            [0, 2, 0],
            [1, 1, 7],
          ],
          { dtype: 'i32' },
        ),
        u,
        { axis: 0 },
      ),
    inputs: [x34, input([2, 4], 2)],
  },
  {
    name: 'dynamicSlice and updateSlice',
    f: (x, u) => [ops.dynamicSlice(x, [1, ops.scalar(1, { dtype: 'i32' })], [2, 2]), ops.updateSlice(x, u, [2, 1])],
    inputs: [x34, input([2, 2], 2)],
  },
  { name: 'sort and topk', f: (x) => [ops.sort(x, { descending: true }), ops.topk(x, 2)[0]], inputs: [x34] },
  {
    name: 'resize',
    f: (x) => [
      ops.resize(x, [5, 2]),
      ops.resize(x, [5, 2], { mode: 'bilinear' }),
      ops.resize(x, [4, 6], { mode: 'bilinear', alignCorners: true }),
    ],
    inputs: [input([1, 1, 3, 4], 1)],
  },
  {
    name: 'pools',
    f: (x) => [
      ops.avgPool2d(x, { kernel: 2, padding: 1, countIncludePad: false }),
      ops.maxPool2d(x, { kernel: 2, stride: 1, padding: [1, 0] }),
    ],
    inputs: [{ shape: [1, 1, 4, 3], data: noise(12, 3) }],
  },
  {
    name: 'unfold',
    f: (x) => ops.unfold(x, { kernel: [2, 1], padding: 1, dilation: 2 }),
    inputs: [input([1, 2, 3, 2], 1)],
  },
]

describe.each([
  ['elementwise operators', activations],
  ['reductions', reductions],
  ['norms and losses', norms],
  ['attention and positions', attention],
  ['products and convolutions', products],
  ['movement, indexing and pooling', movement],
])('derivatives of %s equal finite differences', (_, cases) => {
  it.each(cases)('$name', ({ f, inputs, options }) => checkGrad(f, inputs, options))
})
