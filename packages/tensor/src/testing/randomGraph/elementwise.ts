/** Random elementwise steps. */
import { isFloat, type DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { gelu, sigmoid, silu, softplus, swiglu } from '../../ops/activations.js'
import {
  bitwiseAnd,
  bitwiseNot,
  bitwiseOr,
  bitwiseXor,
  equal,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  notEqual,
  shiftLeft,
  shiftRight,
} from '../../ops/compare.js'
import {
  abs,
  add,
  cast,
  ceil,
  clip,
  cos,
  div,
  erf,
  exp,
  expm1,
  floor,
  fma,
  log,
  log1p,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  rem,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
  stopGradient,
  sub,
  tanh,
  trunc,
  where,
} from '../../ops/elementwise.js'
import { relu } from '../../ops/activations.js'
import { bernoulli } from '../../random/distributions.js'
import { key } from '../../random/bits.js'
import { checkpoint } from '../../transforms/checkpoint.js'
import { LARGE, type Entry, type GraphBuilder, type Maker } from './builder.js'

type Unary = readonly [name: string, f: (x: Tensor) => Tensor, bound: (b: number) => number]

/** Smooth on all of the line; arguments that must be positive are made so. */
const SMOOTH: readonly Unary[] = [
  ['neg', neg, (b) => b],
  ['tanh', tanh, () => 1],
  ['sin', sin, () => 1],
  ['cos', cos, () => 1],
  ['erf', erf, () => 1],
  ['sigmoid', sigmoid, () => 1],
  ['gelu', (x) => gelu(x), (b) => b],
  ['gelu tanh', (x) => gelu(x, { approximate: 'tanh' }), (b) => b],
  ['silu', silu, (b) => b],
  ['softplus', softplus, (b) => b + 1],
  ['square', square, (b) => b * b],
  ['stopGradient', stopGradient, (b) => b],
  ['sqrt(x² + 0.1)', (x) => sqrt(add(square(x), 0.1)), (b) => b + 1],
  ['rsqrt(x² + 0.5)', (x) => rsqrt(add(square(x), 0.5)), () => 2],
  ['1 / (x² + 0.5)', (x) => reciprocal(add(square(x), 0.5)), () => 2],
  ['log(x² + 0.5)', (x) => log(add(square(x), 0.5)), (b) => 2 * Math.log(b + 1) + 1],
  ['log1p(x²)', (x) => log1p(square(x)), (b) => 2 * Math.log(b + 1)],
  ['x · 0.3 + 1', (x) => add(mul(x, 0.3), 1), (b) => b],
]

/** With kinks or jumps: only of exact values. */
const KINKED: readonly Unary[] = [
  ['abs', abs, (b) => b],
  ['relu', relu, (b) => b],
  ['sign', sign, () => 1],
  ['floor', floor, (b) => b + 1],
  ['ceil', ceil, (b) => b + 1],
  ['round', round, (b) => b + 1],
  ['trunc', trunc, (b) => b],
  ['clip', (x) => clip(x, { min: -0.7, max: 1.1 }), (b) => Math.min(b, 1.1)],
]

function unary(list: readonly Unary[], fits: (entry: Entry) => boolean, exact: boolean): Maker {
  return (builder) => {
    const at = builder.findFloat((entry) => entry.bound <= LARGE && fits(entry))
    if (at === undefined) return false
    const [name, f, bound] = builder.pick(list)
    return builder.add(name, [at], f, { bound: bound(builder.entries[at].bound), exact })
  }
}

const growing: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.bound <= 3)
  if (at === undefined) return false
  const [name, f] = builder.pick([['exp', exp] as const, ['expm1', expm1] as const])
  return builder.add(name, [at], f, { bound: Math.exp(builder.entries[at].bound) })
}

/** Two entries of one dtype whose shapes broadcast. */
function findPair(builder: GraphBuilder, fits: (entry: Entry) => boolean): [number, number] | undefined {
  const first = builder.find(fits)
  if (first === undefined) return undefined
  const a = builder.at(first)
  const second = builder.find(
    (entry) => fits(entry) && entry.tensor.dtype === a.dtype && broadcasts(a.shape, entry.tensor.shape),
  )
  return second === undefined ? undefined : [first, second]
}

function broadcasts(a: readonly number[], b: readonly number[]): boolean {
  for (let k = 1; k <= Math.min(a.length, b.length); k++) {
    const [m, n] = [a[a.length - k], b[b.length - k]]
    if (m !== n && m !== 1 && n !== 1) return false
  }
  return true
}

type Binary = readonly [name: string, f: (a: Tensor, b: Tensor) => Tensor, bound: (a: number, b: number) => number]

const FLOAT_BINARY: readonly Binary[] = [
  ['add', add, (a, b) => a + b],
  ['sub', sub, (a, b) => a + b],
  ['mul', mul, (a, b) => a * b],
  ['a / (b² + 0.5)', (a, b) => div(a, add(square(b), 0.5)), (a) => 2 * a],
  ['(a² + 0.3) ^ tanh(b)', (a, b) => pow(add(square(a), 0.3), tanh(b)), (a) => a * a + 4],
  ['fma', (a, b) => fma(a, b, a), (a, b) => a * b + a],
  ['swiglu', (a, b) => swiglu(a, b), (a, b) => a * b],
]

const floatBinary: Maker = (builder) => {
  const pair = findPair(builder, (entry) => isFloat(entry.tensor.dtype) && entry.bound <= LARGE)
  if (pair === undefined) return false
  const [name, f, bound] = builder.pick(FLOAT_BINARY)
  return builder.add(name, pair, f, { bound: bound(builder.entries[pair[0]].bound, builder.entries[pair[1]].bound) })
}

const extreme: Maker = (builder) => {
  const pair = findPair(builder, (entry) => entry.exact && entry.tensor.dtype !== 'bool')
  if (pair === undefined) return false
  const [name, f] = builder.pick([['minimum', minimum] as const, ['maximum', maximum] as const])
  return builder.add(name, pair, f, {
    bound: Math.max(builder.entries[pair[0]].bound, builder.entries[pair[1]].bound),
    exact: true,
  })
}

const comparison: Maker = (builder) => {
  const pair = findPair(builder, (entry) => entry.exact && entry.tensor.dtype !== 'bool')
  if (pair === undefined) return false
  const [name, f] = builder.pick([
    ['less', less] as const,
    ['lessEqual', lessEqual] as const,
    ['equal', equal] as const,
    ['notEqual', notEqual] as const,
  ])
  return builder.add(name, pair, f, { bound: 1, exact: true })
}

const logical: Maker = (builder) => {
  const pair = findPair(builder, (entry) => entry.tensor.dtype === 'bool')
  if (pair === undefined) return false
  const list = [
    ['and', logicalAnd],
    ['or', logicalOr],
    ['xor', logicalXor],
    ['not', (a: Tensor) => logicalNot(a)],
  ] as const
  const [name, f] = builder.pick(list)
  return builder.add(`logical ${name}`, pair, f as (a: Tensor, b: Tensor) => Tensor, { bound: 1, exact: true })
}

const choice: Maker = (builder) => {
  const cond = builder.find((entry) => entry.tensor.dtype === 'bool')
  if (cond === undefined) return false
  const shape = builder.at(cond).shape
  const pair = findPair(builder, (entry) => isFloat(entry.tensor.dtype) && broadcasts(shape, entry.tensor.shape))
  if (pair === undefined) return false
  const bound = Math.max(builder.entries[pair[0]].bound, builder.entries[pair[1]].bound)
  try {
    return builder.add('where', [cond, ...pair], where as (c: Tensor, a: Tensor, b: Tensor) => Tensor, {
      bound,
      exact: true,
    })
  } catch {
    // Pairwise broadcasting does not make three shapes broadcast.
    return false
  }
}

/** i32 and u32 wrap, so that any value is fine; results are kept small for use as indices. */
const INTEGER_BINARY: readonly (readonly [string, (a: Tensor, b: Tensor) => Tensor])[] = [
  ['add', add],
  ['sub', sub],
  ['mul', mul],
  ['div', div],
  ['rem', rem],
  ['and', bitwiseAnd],
  ['or', bitwiseOr],
  ['xor', bitwiseXor],
  ['shiftLeft', shiftLeft],
  ['shiftRight', shiftRight],
  ['not', (a) => bitwiseNot(a)],
]

const integerBinary: Maker = (builder) => {
  const pair = findPair(builder, (entry) => !isFloat(entry.tensor.dtype) && entry.tensor.dtype !== 'bool')
  if (pair === undefined) return false
  const [name, f] = builder.pick(INTEGER_BINARY)
  return builder.add(`integer ${name}`, pair, f, { bound: Infinity, exact: true })
}

const toFloat: Maker = (builder) => {
  const at = builder.find((entry) => entry.bound <= LARGE)
  if (at === undefined) return false
  const to = builder.pick<DType>(['f32', 'f32', 'f16', 'bf16'])
  // Rounding to a narrower float jumps where values differ in their last bits, but by one step only.
  return builder.add(`cast to ${to}`, [at], (x) => cast(x, to), { bound: builder.entries[at].bound, exact: true })
}

const toInteger: Maker = (builder) => {
  const at = builder.find((entry) => entry.exact && entry.bound <= LARGE)
  if (at === undefined) return false
  const to = builder.pick<DType>(['i32', 'u32', 'i8', 'u8', 'bool'])
  return builder.add(`cast to ${to}`, [at], (x) => cast(x, to), { bound: to === 'bool' ? 1 : Infinity, exact: true })
}

/** Brings large values back. */
const squash: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.bound > LARGE)
  if (at === undefined) return false
  const factor = 1 / builder.entries[at].bound
  return builder.add('tanh(x / bound)', [at], (x) => tanh(mul(x, factor)), { bound: 1 })
}

/** Random bits are exact everywhere. */
const dropout: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.bound <= LARGE)
  if (at === undefined) return false
  const seed = builder.below(1000)
  const apply = (x: Tensor): Tensor => where(bernoulli(key(seed), 0.7, x.shape), mul(x, 1.25), 0)
  return builder.add(`dropout ${seed}`, [at], apply, { bound: builder.entries[at].bound * 1.25 })
}

/** Recomputed in a reverse pass. */
const recomputed: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.bound <= LARGE)
  if (at === undefined) return false
  const block = checkpoint((x: Tensor) => mul(tanh(x), sin(add(x, 0.5))))
  return builder.add('checkpoint tanh(x) sin(x + 0.5)', [at], block, { bound: 1 })
}

export const ELEMENTWISE: readonly Maker[] = [
  unary(SMOOTH, () => true, false),
  unary(SMOOTH, () => true, false),
  unary(KINKED, (entry) => entry.exact, true),
  growing,
  floatBinary,
  floatBinary,
  floatBinary,
  extreme,
  comparison,
  logical,
  choice,
  integerBinary,
  toFloat,
  toInteger,
  squash,
  squash,
  dropout,
  recomputed,
]
