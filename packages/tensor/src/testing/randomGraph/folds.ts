/** Random reductions, normalisations, cumulative folds and sorts. */
import type { DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { layerNorm, logSoftmax, rmsNorm, softmax } from '../../ops/normalize.js'
import {
  all,
  any,
  argmax,
  argmin,
  cummax,
  cummin,
  cumprod,
  cumsum,
  logsumexp,
  max,
  mean,
  min,
  norm,
  prod,
  sum,
  variance,
} from '../../ops/reduce.js'
import { argsort, sort, topk } from '../../ops/sort.js'
import { LARGE, type GraphBuilder, type Maker } from './builder.js'

function someAxes(builder: GraphBuilder, x: Tensor): number[] {
  const axes = x.shape.flatMap((_, k) => (builder.chance(0.5) ? [k] : []))
  return axes.length === 0 ? [builder.below(x.rank)] : axes
}

type Fold = readonly [
  name: string,
  f: (x: Tensor, axes: number[], keepdims: boolean) => Tensor,
  bound: (b: number, n: number) => number,
]

const FOLDS: readonly Fold[] = [
  ['sum', (x, axes, keepdims) => sum(x, { axes, keepdims }), (b, n) => b * n],
  ['mean', (x, axes, keepdims) => mean(x, { axes, keepdims }), (b) => b],
  ['variance', (x, axes, keepdims) => variance(x, { axes, keepdims, correction: 0 }), (b) => b * b],
  ['logsumexp', (x, axes, keepdims) => logsumexp(x, { axes, keepdims }), (b, n) => b + Math.log(n)],
  ['norm', (x, axes, keepdims) => norm(x, { axes, keepdims }), (b, n) => b * Math.sqrt(n)],
]

const fold: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.tensor.rank > 0 && entry.bound <= LARGE)
  if (at === undefined) return false
  const x = builder.at(at)
  const axes = someAxes(builder, x)
  const keepdims = builder.chance(0.4)
  const [name, f, bound] = builder.pick(FOLDS)
  const count = axes.reduce((n, axis) => n * x.shape[axis], 1)
  return builder.add(`${name} over [${axes.join(', ')}]`, [at], (t) => f(t, axes, keepdims), {
    bound: bound(builder.entries[at].bound, count),
  })
}

const product: Maker = (builder) => {
  const at = builder.findFloat(
    (entry) => entry.tensor.rank > 0 && entry.bound <= 2 && entry.tensor.shape[entry.tensor.rank - 1] <= 5,
  )
  if (at === undefined) return false
  const f = builder.pick([(x: Tensor) => prod(x, { axes: -1 }), (x: Tensor) => cumprod(x, { axis: -1 })])
  return builder.add('product', [at], f, { bound: 32 })
}

/** Cumulative folds take no integers of 8 bits. */
const NARROW_INTEGERS: ReadonlySet<DType> = new Set<DType>(['i8', 'u8'])
const CUMULATIVE = [
  ['cummax', cummax],
  ['cummin', (t: Tensor, { axis }: { axis: number }) => cummin(t, { axis, reverse: true })],
] as const

/** Exact values only: a maximum is smooth, but its gradient is not. */
const extreme: Maker = (builder) => {
  const at = builder.find((entry) => entry.exact && entry.tensor.rank > 0 && entry.tensor.dtype !== 'bool')
  if (at === undefined) return false
  const x = builder.at(at)
  const axes = someAxes(builder, x)
  const axis = axes[0]
  const choices: readonly (readonly [string, (t: Tensor) => Tensor])[] = [
    ['max', (t) => max(t, { axes })],
    ['min', (t) => min(t, { axes })],
    ['argmax', (t) => argmax(t, { axis })],
    ['argmin', (t) => argmin(t, { axis })],
    ...(NARROW_INTEGERS.has(x.dtype) ? [] : CUMULATIVE).map(
      ([name, f]) => [name, (t: Tensor) => f(t, { axis })] as const,
    ),
    ['sort', (t) => sort(t, { axis })],
    ['argsort', (t) => argsort(t, { axis, descending: true })],
    ['topk', (t) => topk(t, Math.min(2, t.shape[axis]), { axis })[0]],
  ]
  const [name, f] = builder.pick(choices)
  return builder.add(`${name} on ${axis}`, [at], f, { bound: Math.max(builder.entries[at].bound, x.size), exact: true })
}

const truth: Maker = (builder) => {
  const at = builder.find((entry) => entry.tensor.dtype === 'bool' && entry.tensor.rank > 0)
  if (at === undefined) return false
  const axes = someAxes(builder, builder.at(at))
  const f = builder.pick([any, all])
  return builder.add(f.name, [at], (x) => f(x, { axes }), { bound: 1, exact: true })
}

const integerSum: Maker = (builder) => {
  const at = builder.find((entry) => entry.tensor.dtype === 'i32' && entry.tensor.rank > 0)
  if (at === undefined) return false
  const axes = someAxes(builder, builder.at(at))
  return builder.add('integer sum', [at], (x) => sum(x, { axes }), { bound: Infinity, exact: true })
}

type Row = readonly [name: string, f: (x: Tensor, axis: number) => Tensor, bound: (b: number, n: number) => number]

const ROWS: readonly Row[] = [
  ['softmax', (x, axis) => softmax(x, { axis }), () => 1],
  ['logSoftmax', (x, axis) => logSoftmax(x, { axis }), (b, n) => 2 * b + Math.log(n)],
  // A large eps keeps rows of nearly equal elements from being blown up.
  ['layerNorm', (x) => layerNorm(x, null, null, { eps: 0.1 }), (_, n) => Math.sqrt(n)],
  ['rmsNorm', (x) => rmsNorm(x, null, { eps: 0.1 }), (_, n) => Math.sqrt(n)],
  ['cumsum', (x, axis) => cumsum(x, { axis }), (b, n) => b * n],
  ['exclusive cumsum', (x, axis) => cumsum(x, { axis, exclusive: true, reverse: true }), (b, n) => b * n],
]

const row: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.tensor.rank > 0 && entry.bound <= LARGE)
  if (at === undefined) return false
  const x = builder.at(at)
  const axis = builder.chance(0.7) ? x.rank - 1 : builder.below(x.rank)
  const [name, f, bound] = builder.pick(ROWS)
  return builder.add(`${name} on ${axis}`, [at], (t) => f(t, axis), {
    bound: bound(builder.entries[at].bound, x.shape[axis]),
  })
}

export const FOLDS_AND_ROWS: readonly Maker[] = [
  fold,
  fold,
  fold,
  row,
  row,
  row,
  product,
  extreme,
  extreme,
  truth,
  integerSum,
]
