import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/graph/tensor.js'
import * as T from '../../src/ops/index.js'
import { checkGrad, type CheckInput, type GradCheckOptions } from '../../src/testing/gradCheck.js'
import { seededRandom } from '../../src/testing/random.js'

const random = seededRandom(11)

function input(shape: readonly number[], low = -1.2, high = 1.2): CheckInput {
  return { shape, data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => low + (high - low) * random()) }
}

/** Distinct values away from each other, so that orders and maxima hold under a small step. */
function distinct(shape: readonly number[]): CheckInput {
  const size = shape.reduce((a, b) => a * b, 1)
  return { shape, data: Array.from({ length: size }, (_, k) => 0.2 + 0.3 * ((k * 7) % size) + 0.01 * k) }
}

function integers(shape: readonly number[], data: readonly number[], dtype: 'i32' | 'u8' | 'i8' = 'i32'): CheckInput {
  return { shape, data, dtype }
}

type Case = readonly [
  f: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly CheckInput[],
  options?: GradCheckOptions,
]

const matrix = [input([2, 3])]
const image = [input([1, 2, 4, 4])]
/** A mask that hides a whole row, and others in part. */
const mask = { shape: [3, 4], data: [1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1], dtype: 'bool' as const }

/** Derivatives by operator: every public operator has an entry here or is named below as one without. */
const CASES: Record<string, Case | readonly Case[]> = {
  abs: [T.abs, [{ shape: [3], data: [-1, 2, 0.5] }]],
  add: [T.add, [input([2, 3]), input([3])]],
  avgPool: [(x) => T.avgPool(x, { kernel: 2, stride: 1 }), image],
  avgPool2d: [(x) => T.avgPool2d(x, { kernel: 3, stride: 2, padding: 1 }), image],
  broadcastTo: [(x) => T.exp(T.broadcastTo(x, [2, 2, 3])), matrix],
  cast: [(x) => T.cast(T.mul(x, x), 'bf16'), matrix],
  ceil: [(x) => T.mul(T.ceil(x), x), [{ shape: [3], data: [-1.3, 2.4, 0.5] }]],
  clip: [(x) => T.clip(x, { min: -0.5, max: 0.6 }), [{ shape: [4], data: [-1, 0.2, 0.5, 2] }]],
  concat: [(a, b) => T.exp(T.concat([a, b], { axis: -1 })), [input([2, 1]), input([2, 2])]],
  conv1d: [
    (x, w, b) => T.sin(T.conv1d(x, w, b, { stride: 2, padding: 1 })),
    [input([2, 2, 5]), input([3, 2, 3]), input([3])],
  ],
  conv2d: [
    (x, w) => T.conv2d(x, w, null, { groups: 2, dilation: 2, padding: 1 }),
    [input([1, 2, 4, 4]), input([4, 1, 2, 2])],
  ],
  conv3d: [(x, w) => T.conv3d(x, w), [input([1, 1, 3, 3, 2]), input([2, 1, 2, 2, 1])]],
  convTranspose2d: [
    (x, w, b) => T.sin(T.convTranspose2d(x, w, b, { stride: 2, padding: 1, outputPadding: 1 })),
    [input([1, 2, 2, 3]), input([2, 2, 3, 3]), input([2])],
  ],
  cos: [T.cos, matrix],
  crossEntropy: [
    [(x, t) => T.crossEntropy(x, t), [input([3, 4]), integers([3], [0, 3, 1])]],
    [
      (x, t) => T.crossEntropy(x, t, { ignoreIndex: 2, labelSmoothing: 0.1, zLoss: 0.01, reduction: 'none' }),
      [input([4, 3]), integers([4], [0, 2, 1, 0])],
    ],
  ],
  cummax: [(x) => T.cummax(x, { axis: 1 }), [distinct([2, 4])]],
  cummin: [(x) => T.cummin(x, { axis: 0, reverse: true }), [distinct([4, 2])]],
  cumprod: [(x) => T.cumprod(x, { axis: 1, reverse: true }), matrix],
  cumsum: [(x) => T.sin(T.cumsum(x, { axis: 0, exclusive: true })), matrix],
  diag: [
    [(x) => T.exp(T.diag(x, { k: 1 })), [input([3, 3])]],
    [(x) => T.exp(T.diag(x)), [input([3])]],
  ],
  div: [T.div, [input([2, 3]), input([2, 1], 0.5, 2)]],
  dot: [T.dot, [input([4]), input([4])]],
  dynamicSlice: [(x, s) => T.exp(T.dynamicSlice(x, [s, 1], [2, 2])), [input([4, 3]), integers([], [1])]],
  einsum: [
    [(a, b) => T.einsum('bij,bjk->bik', a, b), [input([2, 2, 3]), input([2, 3, 2])]],
    [(a, b) => T.einsum('ij,kj->', a, b), [input([2, 3]), input([2, 3])]],
    [(a) => T.exp(T.einsum('ii->i', a)), [input([3, 3])]],
  ],
  embedding: [(t, i) => T.exp(T.embedding(t, i)), [input([4, 2]), integers([3], [1, 3, 1])]],
  erf: [T.erf, matrix],
  erfInv: [T.erfInv, [input([3], -0.7, 0.7)]],
  exp: [T.exp, matrix],
  expandDims: [(x) => T.exp(T.expandDims(x, [0, 2])), matrix],
  expm1: [T.expm1, matrix],
  flip: [(x) => T.mul(T.flip(x), x), matrix],
  floor: [(x) => T.mul(T.floor(x), x), [{ shape: [3], data: [-1.3, 2.4, 0.5] }]],
  fma: [T.fma, [input([3]), input([3]), input([3])]],
  gather: [(x, i) => T.exp(T.gather(x, i, { axis: 1 })), [input([2, 3]), integers([2, 2], [0, 2, 1, 1])]],
  gelu: [
    [(x) => T.gelu(x), matrix],
    [(x) => T.gelu(x, { approximate: 'tanh' }), matrix],
  ],
  groupNorm: [
    (x, w, b) => T.groupNorm(x, w, b, { groups: 2 }),
    [input([2, 4, 3]), input([4]), input([4])],
    { tolerance: 1e-5 },
  ],
  indexSelect: [(x, i) => T.exp(T.indexSelect(x, i, { axis: 1 })), [input([2, 3]), integers([4], [0, 2, 2, 1])]],
  layerNorm: [(x, w, b) => T.layerNorm(x, w, b), [input([2, 4]), input([4]), input([4])], { tolerance: 1e-5 }],
  log: [T.log, [input([3], 0.5, 2)]],
  log1p: [T.log1p, [input([3], -0.5, 2)]],
  logSoftmax: [(x) => T.logSoftmax(x, { axis: 0 }), matrix],
  logsumexp: [(x) => T.logsumexp(x, { axes: 1 }), matrix],
  matmul: [
    [T.matmul, [input([2, 3]), input([3, 2])]],
    [T.matmul, [input([2, 1, 2, 3]), input([2, 3, 2])]],
    [T.matmul, [input([2, 2, 3]), input([3])]],
  ],
  max: [(x) => T.max(x, { axes: 1 }), [distinct([3, 4])]],
  maxPool: [(x) => T.maxPool(x, { kernel: 2, stride: 1 }), [distinct([1, 1, 4, 3])]],
  maxPool2d: [(x) => T.maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }), [distinct([1, 1, 4, 4])]],
  maximum: [T.maximum, [distinct([4]), { shape: [4], data: [0, 3, 0, 3] }]],
  mean: [(x) => T.exp(T.mean(x, { axes: [0] })), matrix],
  min: [(x) => T.min(x), [distinct([3, 4])]],
  minimum: [T.minimum, [distinct([4]), { shape: [4], data: [0, 3, 0, 3] }]],
  mul: [T.mul, [input([2, 3]), input([3])]],
  neg: [(x) => T.exp(T.neg(x)), matrix],
  norm: [
    [(x) => T.norm(x, { axes: 1 }), matrix],
    [(x) => T.norm(x, { ord: 3 }), [input([4], 0.3, 1)]],
    [(x) => T.norm(x, { ord: 1 }), [{ shape: [3], data: [-1, 2, 0.5] }]],
  ],
  outer: [T.outer, [input([2]), input([3])]],
  pad: [
    [
      (x) =>
        T.exp(
          T.pad(
            x,
            [
              [1, 0],
              [0, 2],
            ],
            { value: 0.5 },
          ),
        ),
      matrix,
    ],
    [
      (x) =>
        T.exp(
          T.pad(
            x,
            [
              [1, 1],
              [2, 0],
            ],
            { mode: 'reflect' },
          ),
        ),
      matrix,
    ],
    [
      (x) =>
        T.exp(
          T.pad(
            x,
            [
              [1, 1],
              [2, 0],
            ],
            { mode: 'edge' },
          ),
        ),
      matrix,
    ],
  ],
  pow: [
    [T.pow, [input([2, 3], 0.4, 2), input([3])]],
    [(x) => T.pow(x, 3), matrix],
  ],
  prod: [(x) => T.prod(x, { axes: 1 }), [{ shape: [2, 3], data: [1, 0, 2, 0.5, 3, -1] }]],
  boundedMatmul: [(x, w) => T.boundedMatmul(x, w, 2), [input([3, 2, 2]), input([2, 3])]],
  groupedMatmul: [
    [(x, w, offsets) => T.groupedMatmul(x, w, offsets), [input([5, 2]), input([3, 2, 2]), integers([4], [1, 2, 2, 4])]],
    [
      (x, packed, scale, offsets) => T.groupedMatmul(T.sin(x), { format: 'int8', group: 2, packed, scale }, offsets),
      [
        input([4, 2]),
        integers([2, 3, 2], [1, -2, 3, 4, 5, -6, 7, 8, 9, 1, 0, -3], 'i8'),
        { shape: [2, 3, 1], data: [0.1, 0.2, 0.3, 0.1, 0.05, 0.5] },
        integers([3], [0, 1, 3]),
      ],
      { wrt: [0] },
    ],
  ],
  quantMatmul: [
    (x, packed, scale) => T.quantMatmul(T.sin(x), { format: 'int8', group: 2, packed, scale }),
    [
      input([2, 4]),
      integers([3, 4], [1, -2, 3, 4, 5, -6, 7, 8, 9, 1, 0, -3], 'i8'),
      { shape: [3, 2], data: [0.1, 0.2, 0.3, 0.1, 0.05, 0.5] },
    ],
    { wrt: [0] },
  ],
  reciprocal: [T.reciprocal, [input([3], 0.5, 2)]],
  relu: [T.relu, [{ shape: [3], data: [-1, 2, 0.5] }]],
  repeat: [(x) => T.exp(T.repeat(x, 2, { axis: 1 })), matrix],
  reshape: [(x) => T.exp(T.reshape(x, [-1])), matrix],
  resize: [
    [(x) => T.exp(T.resize(x, [3, 5])), image],
    [(x) => T.resize(x, [7, 2], { mode: 'bilinear', alignCorners: true }), image],
  ],
  rmsNorm: [(x, w) => T.rmsNorm(x, w), [input([2, 4]), input([4])], { tolerance: 1e-5 }],
  roll: [(x) => T.mul(T.roll(x, 1, { axes: 1 }), x), matrix],
  rope: [(x, t) => T.exp(T.rope(x, t)), [input([1, 3, 1, 4]), integers([3], [0, 1, 5])]],
  round: [(x) => T.mul(T.round(x), x), [{ shape: [3], data: [-1.3, 2.4, 0.6] }]],
  rsqrt: [T.rsqrt, [input([3], 0.5, 2)]],
  scaledDotProductAttention: [
    [
      (q, k, v) => T.scaledDotProductAttention(q, k, v, { causal: 'bottomRight' }),
      [input([1, 2, 3, 2]), input([1, 1, 4, 2]), input([1, 1, 4, 3])],
    ],
    [
      (q, k, v, m) => T.scaledDotProductAttention(q, k, v, { mask: m }),
      [input([2, 1, 3, 2]), input([2, 1, 4, 2]), input([2, 1, 4, 2]), mask],
    ],
    [
      (q, k, v, m) => T.scaledDotProductAttention(q, k, v, { mask: m, causal: 'topLeft', scale: 0.4 }),
      [input([1, 2, 3, 2]), input([1, 2, 3, 2]), input([1, 2, 3, 2]), input([2, 3, 3])],
    ],
    [
      (q, k, v, n) => T.scaledDotProductAttention(q, k, v, { length: n, causal: 'bottomRight' }),
      [input([1, 1, 2, 2]), input([1, 1, 4, 2]), input([1, 1, 4, 2]), integers([], [3])],
    ],
  ],
  scatterAdd: [
    (x, i, u) => T.exp(T.scatterAdd(x, i, u, { axis: 0 })),
    [input([3, 2]), integers([2, 2], [0, 2, 0, 0]), input([2, 2])],
  ],
  sigmoid: [T.sigmoid, matrix],
  sign: [(x) => T.mul(T.sign(x), x), [{ shape: [3], data: [-1, 2, 0.5] }]],
  silu: [T.silu, matrix],
  sin: [T.sin, matrix],
  slice: [
    (x) =>
      T.exp(
        T.slice(x, [
          [null, null, -1],
          [0, 2],
        ]),
      ),
    matrix,
  ],
  softmax: [(x) => T.softmax(x), matrix],
  softplus: [T.softplus, matrix],
  sort: [(x) => T.sin(T.sort(x, { axis: 0, descending: true })), [distinct([4, 2])]],
  split: [(x) => T.split(T.exp(x), [1, 2], { axis: 1 }), matrix],
  sqrt: [T.sqrt, [input([3], 0.5, 2)]],
  square: [T.square, matrix],
  squeeze: [(x) => T.exp(T.squeeze(x)), [input([2, 1, 2])]],
  stack: [(a, b) => T.exp(T.stack([a, b], { axis: 1 })), [input([2]), input([2])]],
  std: [(x) => T.std(x, { axes: 1 }), matrix],
  stopGradient: [(x) => T.add(T.mul(T.stopGradient(T.zerosLike(x)), x), T.exp(x)), matrix],
  sub: [T.sub, [input([2, 1]), input([3])]],
  sum: [(x) => T.exp(T.sum(x, { axes: -1, keepdims: true })), matrix],
  swapAxes: [(x) => T.exp(T.swapAxes(x, 0, 1)), matrix],
  swiglu: [T.swiglu, [input([2, 3]), input([2, 3])]],
  takeAlongAxis: [(x, i) => T.exp(T.takeAlongAxis(x, i, { axis: 1 })), [input([2, 3]), integers([2, 2], [0, 2, 1, 1])]],
  tanh: [T.tanh, matrix],
  tile: [(x) => T.exp(T.tile(x, [2, 1])), matrix],
  topk: [(x) => T.sin(T.topk(x, 2)[0]), [distinct([2, 4])]],
  transpose: [(x) => T.exp(T.transpose(x)), matrix],
  tril: [(x) => T.exp(T.tril(x)), [input([3, 3])]],
  triu: [(x) => T.exp(T.triu(x, { k: 1 })), [input([3, 3])]],
  trunc: [(x) => T.mul(T.trunc(x), x), [{ shape: [3], data: [-1.3, 2.4, 0.6] }]],
  unfold: [(x) => T.exp(T.unfold(x, { kernel: 2, stride: 1 })), [input([1, 1, 3, 3])]],
  unstack: [(x) => T.unstack(T.exp(x)), matrix],
  updateSlice: [(x, u, s) => T.exp(T.updateSlice(x, u, [0, s])), [input([2, 4]), input([2, 2]), integers([], [1])]],
  variance: [(x) => T.variance(x, { axes: 0, correction: 0 }), matrix],
  where: [
    (c, a, b) => T.where(c, T.exp(a), b),
    [{ shape: [3], data: [1, 0, 1], dtype: 'bool' }, input([2, 3]), input([3])],
  ],
}

/** Results that are integers, bool or constants, and the entries of the package that are no operators. */
const WITHOUT_DERIVATIVE = new Set(
  `all any arange argmax argmin argsort bitcast bitwiseAnd bitwiseNot bitwiseOr bitwiseXor equal eye fromBytes full fullLike greater
  greaterEqual installMethods isFinite isInf isNaN less lessEqual linspace logicalAnd logicalNot logicalOr logicalXor notEqual oneHot ones
  onesLike rem scalar shiftLeft shiftRight tensor tri zeros zerosLike`.split(/\s+/),
)

function casesOf(entry: Case | readonly Case[]): readonly Case[] {
  return typeof entry[0] === 'function' ? [entry as Case] : (entry as readonly Case[])
}

describe('derivatives of operators agree with finite differences, in all modes and twice', () => {
  for (const [name, entry] of Object.entries(CASES))
    casesOf(entry).forEach(([f, inputs, options], k) =>
      it(k === 0 ? name : `${name}, case ${k + 1}`, () => checkGrad(f, inputs, options)),
    )

  it('every operator is checked or has no derivative', () => {
    const missing = Object.keys(T).filter((name) => !(name in CASES) && !WITHOUT_DERIVATIVE.has(name))
    expect(missing).toEqual([])
  })
})
