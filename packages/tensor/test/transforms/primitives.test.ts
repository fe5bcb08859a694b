import { describe, it } from 'vitest'
import type { BinaryName, ConvAttrs, UnaryName } from '../../src/graph/primitive.js'
import * as p from '../../src/graph/primitives.js'
import type { Tensor } from '../../src/graph/tensor.js'
import { checkGrad, type CheckInput, type GradCheckOptions } from '../../src/testing/gradCheck.js'
import { seededRandom } from '../../src/testing/random.js'

const random = seededRandom(7)

function input(shape: readonly number[], low = -1.5, high = 1.5): CheckInput {
  const size = shape.reduce((a, b) => a * b, 1)
  return { shape, data: Array.from({ length: size }, () => low + (high - low) * random()) }
}

/** Distinct values, so that maxima and orders are stable under a small step. */
function distinct(shape: readonly number[]): CheckInput {
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Array.from({ length: size }, (_, k) => 0.3 + 0.37 * k)
  for (let k = size - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1))
    ;[data[k], data[other]] = [data[other], data[k]]
  }
  return { shape, data }
}

function integers(shape: readonly number[], data: readonly number[]): CheckInput {
  return { shape, data, dtype: 'i32' }
}

interface Case {
  readonly name: string
  readonly f: (...inputs: Tensor[]) => Tensor | readonly Tensor[]
  readonly inputs: readonly CheckInput[]
  readonly options?: GradCheckOptions
}

const UNARY_DOMAIN: Partial<Record<UnaryName, [number, number]>> = {
  sqrt: [0.3, 2],
  log: [0.3, 2],
  log1p: [-0.6, 2],
  erfInv: [-0.8, 0.8],
  abs: [0.2, 1],
  floor: [0.2, 0.8],
  ceil: [0.2, 0.8],
  round: [0.1, 0.4],
  sign: [0.2, 1],
}
const UNARY: UnaryName[] = [
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'sqrt',
  'exp',
  'log',
  'log1p',
  'expm1',
  'sin',
  'cos',
  'tanh',
  'erf',
  'erfInv',
]
const BINARY: BinaryName[] = ['add', 'sub', 'mul', 'div', 'minimum', 'maximum']

function conv(attrs: Partial<ConvAttrs>, rank: number): ConvAttrs {
  const fill = (value: number): number[] => Array.from({ length: rank }, () => value)
  return {
    stride: fill(1),
    padLow: fill(0),
    padHigh: fill(0),
    lhsDilation: fill(1),
    rhsDilation: fill(1),
    groups: 1,
    ...attrs,
  }
}

const cases: Case[] = [
  ...UNARY.map((op) => ({
    name: op,
    f: (x: Tensor) => p.unary(op, x),
    inputs: [input([2, 3], ...(UNARY_DOMAIN[op] ?? [-1.5, 1.5]))],
  })),
  ...BINARY.map((op) => ({
    name: op,
    f: (a: Tensor, b: Tensor) => p.binary(op, a, b),
    inputs: [input([2, 3]), input([2, 3], 0.4, 2)],
  })),
  { name: 'pow', f: (a, b) => p.binary('pow', a, b), inputs: [input([2, 3], 0.3, 2), input([2, 3], -2, 3)] },
  {
    name: 'pow of a negative base with a whole exponent',
    f: (a, b) => p.binary('pow', a, b),
    inputs: [input([4], -2, -0.5), { shape: [4], data: [1, 2, 3, -1] }],
    options: { wrt: [0] },
  },
  {
    name: 'pow with a shown exponent',
    f: (a) => p.binary('pow', a, p.broadcast(p.scalarConst(2, 'f32'), [3])),
    inputs: [input([3])],
  },
  {
    name: 'pow at base 0',
    f: (a, b) => p.binary('pow', a, b),
    inputs: [
      { shape: [3], data: [0, 0, 0] },
      { shape: [3], data: [2, 3, 4] },
    ],
    options: { wrt: [0], second: false },
  },
  {
    name: 'select',
    f: (a, b) => p.select(p.compare('lt', a, b), p.binary('mul', a, b), p.unary('sin', b)),
    inputs: [input([5]), input([5])],
  },
  { name: 'cast', f: (x) => p.castTo(p.castTo(x, 'f16'), 'f32'), inputs: [input([3])] },
  { name: 'barrier', f: (x) => p.barrier(p.binary('mul', x, x), [x], p.newRegion()), inputs: [input([3])] },
  { name: 'alias', f: (x) => p.unary('exp', p.aliasOf(x, 0)), inputs: [input([3])] },
  { name: 'reshape', f: (x) => p.unary('exp', p.reshapeTo(x, [3, 2])), inputs: [input([2, 3])] },
  { name: 'transpose', f: (x) => p.unary('exp', p.transposeTo(x, [2, 0, 1])), inputs: [input([2, 3, 2])] },
  { name: 'broadcastTo', f: (x) => p.unary('exp', p.broadcast(x, [2, 3, 4])), inputs: [input([3, 1])] },
  { name: 'slice', f: (x) => p.unary('exp', p.sliceOf(x, [1, 0], [2, 3], [2, 1])), inputs: [input([5, 3])] },
  {
    name: 'slice backwards',
    f: (x) => p.unary('exp', p.sliceOf(x, [4, 2], [2, 2], [-3, -1])),
    inputs: [input([5, 3])],
  },
  {
    name: 'slice of one element backwards',
    f: (x) => p.unary('exp', p.sliceOf(x, [3], [1], [-2])),
    inputs: [input([5])],
  },
  { name: 'pad', f: (x) => p.unary('exp', p.padWith(x, [1, 0], [2, 1], [0, 2], 0.5)), inputs: [input([2, 3])] },
  {
    name: 'pad that cuts',
    f: (x) => p.unary('exp', p.padWith(x, [-1, -2], [1, -1], [0, 1], 0)),
    inputs: [input([3, 4])],
  },
  { name: 'window', f: (x) => p.unary('exp', p.windowOf(x, 1, 3, 2, 1)), inputs: [input([2, 8])] },
  { name: 'window with gaps', f: (x) => p.unary('exp', p.windowOf(x, 0, 3, 1, 2)), inputs: [input([7, 2])] },
  {
    name: 'wide window',
    f: (x) => p.unary('exp', p.windowOf(x, 0, 18, 3, 1)),
    inputs: [input([24, 2])],
    options: { batch: false },
  },
  { name: 'concat', f: (a, b) => p.unary('exp', p.concatOf([a, b, a], 1)), inputs: [input([2, 1]), input([2, 3])] },
  {
    name: 'gather',
    f: (x, i) => p.unary('exp', p.gatherAlong(x, i, 0)),
    inputs: [input([3, 2]), integers([4, 2], [0, 1, 2, 2, 0, 0, 1, 2])],
  },
  {
    name: 'scatterAdd',
    f: (x, u, i) => p.unary('exp', p.scatterAddAlong(x, i, u, 1)),
    inputs: [input([2, 3]), input([2, 4]), integers([2, 4], [0, 1, 1, 2, 5, 0, -1, 0])],
  },
  {
    name: 'dynamicSlice',
    f: (x, i) => p.unary('exp', p.dynamicSliceOf(x, [i, p.scalarConst(1, 'i32')], [2, 2])),
    inputs: [input([4, 3]), integers([], [1])],
  },
  {
    name: 'updateSlice',
    f: (x, u, i) => p.unary('exp', p.updateSliceOf(x, u, [i, p.scalarConst(9, 'i32')])),
    inputs: [input([4, 3]), input([2, 2]), integers([], [1])],
  },
  {
    name: 'reduce sum',
    f: (x) => p.unary('exp', p.reduceOver('sum', x, [0, 2])),
    inputs: [input([2, 3, 2], -0.5, 0.5)],
  },
  { name: 'reduce prod', f: (x) => p.reduceOver('prod', x, [0, 2]), inputs: [input([2, 3, 2])] },
  {
    name: 'reduce prod with a zero',
    f: (x) => p.reduceOver('prod', x, [0]),
    inputs: [{ shape: [4, 2], data: [1, 0, 2, 3, 0.5, 0, -1, 2] }],
  },
  { name: 'reduce max', f: (x) => p.unary('sin', p.reduceOver('max', x, [1])), inputs: [distinct([3, 4])] },
  { name: 'reduce min', f: (x) => p.unary('sin', p.reduceOver('min', x, [0, 1])), inputs: [distinct([3, 4])] },
  { name: 'matmul', f: (a, b) => p.unary('sin', p.matmulOf(a, b)), inputs: [input([3, 4]), input([4, 2])] },
  { name: 'matmul in batches', f: (a, b) => p.matmulOf(a, b), inputs: [input([2, 3, 2]), input([2, 2, 2])] },
  { name: 'conv 1d', f: (x, w) => p.convOf(x, w, conv({}, 1)), inputs: [input([2, 2, 6]), input([3, 2, 3])] },
  {
    name: 'conv with stride, padding, dilation',
    f: (x, w) =>
      p.unary('sin', p.convOf(x, w, conv({ stride: [2, 3], padLow: [1, 2], padHigh: [2, 0], rhsDilation: [2, 1] }, 2))),
    inputs: [input([1, 2, 6, 5]), input([2, 2, 2, 3])],
  },
  {
    name: 'conv in groups with a dilated, cut input',
    f: (x, w) => p.convOf(x, w, conv({ lhsDilation: [3], stride: [2], padLow: [-1], padHigh: [4], groups: 2 }, 1)),
    inputs: [input([2, 4, 4]), input([6, 2, 2])],
  },
  { name: 'sort', f: (x) => p.unary('sin', p.sortOf(x, 0, false)[0]), inputs: [distinct([5, 2])] },
  { name: 'sort descending', f: (x) => p.unary('sin', p.sortOf(x, 1, true)[0]), inputs: [distinct([2, 4])] },
  ...(['sum', 'prod', 'max', 'min'] as const).flatMap((kind) =>
    [false, true].flatMap((exclusive) =>
      [false, true]
        // An exclusive maximum starts from -Infinity, where sums of outputs are no numbers.
        .filter(() => !(exclusive && (kind === 'max' || kind === 'min')))
        .map((reverse) => ({
          name: `cumulative ${kind}${exclusive ? ', exclusive' : ''}${reverse ? ', reverse' : ''}`,
          f: (x: Tensor) => p.unary('sin', p.cumulativeOf(x, { kind, axis: 1, exclusive, reverse })),
          inputs: [kind === 'prod' ? input([2, 5]) : distinct([2, 5])],
        })),
    ),
  ),
  {
    name: 'exclusive cumulative maximum',
    f: (x) => p.sliceOf(p.cumulativeOf(x, { kind: 'max', axis: 0, exclusive: true, reverse: false }), [1], [4], [1]),
    inputs: [distinct([5])],
  },
  {
    name: 'cumulative product with zeros',
    f: (x) => p.cumulativeOf(x, { kind: 'prod', axis: 0, exclusive: false, reverse: false }),
    inputs: [{ shape: [6], data: [2, 0, 3, 0.5, 0, 1.5] }],
  },
]

describe('derivatives of primitives agree with finite differences, in all modes and twice', () => {
  for (const { name, f, inputs, options } of cases) it(name, () => checkGrad(f, inputs, options))
})
