/** Distributions, each drawn from the bits of one key exactly as in JAX. */
import { isFloat } from '../dtype.js'
import {
  binary,
  bitcastTo,
  broadcast,
  castTo,
  compare,
  gatherAlong,
  iota,
  reduceOver,
  scalarConst,
  sortOf,
  unary,
} from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { constant, plus, times, toF32 } from '../ops/build.js'
import {
  argumentError,
  commonShape,
  dtypeError,
  requireCount,
  requireFloat,
  requireNumber,
  requireShape,
  shapeError,
  show,
} from '../ops/check.js'
import { selectAlong } from '../ops/indexing.js'
import { checkOptions } from '../ops/options.js'
import { normalizeAxis, sameShape, showShape } from '../shape.js'
import { KEY_OPTIONS, narrowBits, requireKey, splitPair, words, type KeyOptions } from './bits.js'

type FloatDType = 'f32' | 'f16' | 'bf16'

/** Options of distributions over floats. */
export interface FloatOptions extends KeyOptions {
  /** Default f32. */
  readonly dtype?: FloatDType
}

const FLOAT_OPTIONS = ['dtype', ...KEY_OPTIONS] as const

/** The dtype of a draw, default f32; options are checked. */
function floatDType<Options extends FloatOptions>(
  op: string,
  options: Options,
  names: readonly (keyof Options & string)[] = FLOAT_OPTIONS,
): FloatDType {
  const { dtype = 'f32' } = checkOptions(op, options, names)
  if (!isFloat(dtype)) throw dtypeError(op, 'dtype must be f32, f16 or bf16', show(dtype), 'cast the result')
  return dtype
}

/** Values in [0, 1) of a float dtype, held in f32 (exact). */
function unitUniform(op: string, k: Tensor, shape: readonly number[], dtype: FloatDType, options: KeyOptions): Tensor {
  switch (dtype) {
    case 'f32': {
      const raw = words(op, k, shape, options)
      const mantissa = binary('or', binary('shr', raw, constant(9, raw)), constant(0x3f800000, raw))
      return plus(bitcastTo(mantissa, 'f32'), -1)
    }
    // The mantissa bits of a number in [1, 2), minus 1: a whole number of steps.
    case 'bf16':
      return steps(narrowBits(op, k, shape, 8, options), 1, 7)
    case 'f16':
      return steps(narrowBits(op, k, shape, 16, options), 6, 10)
  }
}

function steps(raw: Tensor, drop: number, mantissaBits: number): Tensor {
  return times(castTo(binary('shr', raw, constant(drop, raw)), 'f32'), 2 ** -mantissaBits)
}

/** u in [0, 1) to max(low, u · (high - low) + low), every operation rounded to `dtype`. */
function stretch(unit: Tensor, low: Tensor, span: Tensor, dtype: FloatDType): Tensor {
  const spreadTo = (x: Tensor): Tensor => broadcast(x, unit.shape)
  const scaled = binary('add', binary('mul', castTo(unit, dtype), spreadTo(span)), spreadTo(low))
  return binary('maximum', spreadTo(low), scaled)
}

/** The range of `uniform`. Default: [0, 1). */
export interface UniformOptions extends FloatOptions {
  readonly min?: number
  readonly max?: number
}

/** Uniform in [min, max), default [0, 1). */
export function uniform(k: Tensor, shape: readonly number[], options: UniformOptions = {}): Tensor {
  const op = 'random.uniform'
  const dtype = floatDType(op, options, ['min', 'max', ...FLOAT_OPTIONS])
  const { min = 0, max = 1 } = options
  requireNumber(op, 'min', min)
  requireNumber(op, 'max', max)
  if (!(min <= max)) throw argumentError(op, 'min must not exceed max', `min ${min} and max ${max}`, 'swap them')
  const unit = unitUniform(op, k, shape, dtype, options)
  if (min === 0 && max === 1) return castTo(unit, dtype)
  const low = scalarConst(min, dtype)
  return stretch(unit, low, binary('sub', scalarConst(max, dtype), low), dtype)
}

/** The neighbour of -1 toward 0. */
const ABOVE_MINUS_ONE: Record<FloatDType, number> = { f32: -(1 - 2 ** -24), f16: -(1 - 2 ** -11), bf16: -(1 - 2 ** -8) }

/** Standard normal: √2 erf⁻¹(u) with u uniform in (-1, 1). */
export function normal(k: Tensor, shape: readonly number[], options: FloatOptions = {}): Tensor {
  const op = 'random.normal'
  const dtype = floatDType(op, options)
  const low = scalarConst(ABOVE_MINUS_ONE[dtype], dtype)
  const span = binary('sub', scalarConst(1, dtype), low)
  const u = stretch(unitUniform(op, k, shape, dtype, options), low, span, dtype)
  return castTo(times(unary('erfInv', toF32(u)), Math.SQRT2), dtype)
}

/**
 * Standard normal restricted to (lower, upper): √2 erf⁻¹(u) with u uniform between erf(lower/√2) and erf(upper/√2).
 * @throws ArgumentError unless lower < upper
 */
export function truncatedNormal(
  k: Tensor,
  lower: number,
  upper: number,
  shape: readonly number[],
  options: FloatOptions = {},
): Tensor {
  const op = 'random.truncatedNormal'
  const dtype = floatDType(op, options)
  requireNumber(op, 'lower', lower)
  requireNumber(op, 'upper', upper)
  if (!(lower < upper)) throw argumentError(op, 'lower must be less than upper', `${lower} and ${upper}`, 'swap them')
  const place = (bound: number): Tensor => unary('erf', times(scalarConst(bound, 'f32'), Math.SQRT1_2))
  const [from, to] = [place(lower), place(upper)]
  const u = stretch(unitUniform(op, k, shape, 'f32', options), from, binary('sub', to, from), 'f32')
  const drawn = times(unary('erfInv', u), Math.SQRT2)
  const above = binary('maximum', drawn, constant(nextAfter(lower, 1), drawn))
  return castTo(binary('minimum', above, constant(nextAfter(upper, -1), drawn)), dtype)
}

/** The f32 neighbour of a number in a direction; infinities stay. */
function nextAfter(value: number, direction: 1 | -1): number {
  if (!Number.isFinite(value)) return value
  const float = new Float32Array([value])
  const word = new Int32Array(float.buffer)
  if (float[0] === 0) return direction * 2 ** -149
  word[0] += float[0] > 0 === direction > 0 ? 1 : -1
  return float[0]
}

/** True with probability p. @param p a number, or a float tensor that broadcasts to the shape */
export function bernoulli(k: Tensor, p: Tensor | number, shape: readonly number[], options: KeyOptions = {}): Tensor {
  const op = 'random.bernoulli'
  checkOptions(op, options, KEY_OPTIONS)
  if (!(p instanceof Tensor)) requireNumber(op, 'p', p, 0, 1)
  const draws = unitUniform(op, k, shape, 'f32', options)
  if (!(p instanceof Tensor)) return compare('lt', draws, constant(p, draws))
  requireFloat(op, p)
  const common = commonShape(op, [draws, p])
  if (!sameShape(common, shape))
    throw shapeError(
      op,
      'p must broadcast to the shape',
      `${show(p)} and shape ${showShape(shape)}`,
      'enlarge the shape',
    )
  return compare('lt', draws, broadcast(castTo(p, 'f32'), shape))
}

/** The range of `randint`: `min` and `max` - 1 are integers that the dtype holds. */
export interface RandintOptions extends KeyOptions {
  readonly min: number
  /** Not included. */
  readonly max: number
  /** Default i32. */
  readonly dtype?: 'i32' | 'u32' | 'i8' | 'u8'
}

const RANGES = { i32: [-(2 ** 31), 2 ** 31], u32: [0, 2 ** 32], i8: [-128, 128], u8: [0, 256] } as const

/** Integers in [min, max), from two words each, so that the bias is below 2^-32. @throws ArgumentError for an empty range */
export function randint(k: Tensor, shape: readonly number[], options: RandintOptions): Tensor {
  const op = 'random.randint'
  const { min, max, dtype = 'i32' } = checkOptions(op, options, ['min', 'max', ...FLOAT_OPTIONS], ['min', 'max'])
  const range = RANGES[dtype]
  if (range === undefined) throw dtypeError(op, 'dtype must be i32, u32, i8 or u8', show(dtype), 'cast the result')
  if (!Number.isInteger(min) || !Number.isInteger(max) || min >= max || min < range[0] || max > range[1])
    throw argumentError(
      op,
      `min < max must be integers in [${range[0]}, ${range[1]}]`,
      `min ${show(min)} and max ${show(max)}`,
      'change them',
    )
  requireKey(op, k)
  requireShape(op, shape)
  const layout = { partitionable: options.partitionable }
  const [first, second] = splitPair(k, layout)
  const [high, low] = [words(op, first, shape, options), words(op, second, shape, options)]
  const offset = remainder(high, low, max - min)
  const start = castTo(scalarConst(min | 0, 'i32'), 'u32')
  return castTo(castTo(binary('add', offset, broadcast(start, shape)), dtype === 'u32' ? 'u32' : 'i32'), dtype)
}

/** The 64-bit number (high, low) modulo span, as far as 32-bit arithmetic holds it. */
function remainder(high: Tensor, low: Tensor, span: number): Tensor {
  // A span of 2^32 is 0 in 32 bits: every word is in range.
  if (span === 2 ** 32) return low
  const divisor = constant(span, low)
  const half = BigInt(2 ** 16 % span)
  const factor = Number(BigInt.asUintN(32, half * half) % BigInt(span))
  const mixed = binary(
    'add',
    binary('mul', binary('rem', high, divisor), constant(factor, high)),
    binary('rem', low, divisor),
  )
  return binary('rem', mixed, divisor)
}

const TINIEST_NORMAL = 2 ** -126

/** Standard Gumbel: -log(-log(u)) with u uniform in (0, 1). */
export function gumbel(k: Tensor, shape: readonly number[], options: FloatOptions = {}): Tensor {
  const op = 'random.gumbel'
  const dtype = floatDType(op, options)
  const unit = unitUniform(op, k, shape, 'f32', options)
  const u = binary('maximum', plus(unit, TINIEST_NORMAL), constant(TINIEST_NORMAL, unit))
  return castTo(unary('neg', unary('log', unary('neg', unary('log', u)))), dtype)
}

/** Classes drawn with probability softmax(logits) along an axis, which is dropped; i32. */
export function categorical(k: Tensor, logits: Tensor, options: KeyOptions & { readonly axis?: number } = {}): Tensor {
  const op = 'random.categorical'
  const { axis = -1, ...layout } = checkOptions(op, options, ['axis', ...KEY_OPTIONS])
  requireFloat(op, logits)
  requireKey(op, k)
  const at = normalizeAxis(op, axis, logits.shape)
  if (logits.shape[at] === 0) throw shapeError(op, 'there must be a class to draw', show(logits), 'check the logits')
  return reduceOver('argMax', binary('add', toF32(logits), gumbel(k, logits.shape, layout)), [at])
}

/**
 * A random order: of 0 … n-1 (i32), or of a tensor along an axis.
 * Rounds of sorting by random words; so many that equal words leave no visible bias.
 */
export function permutation(
  k: Tensor,
  of: Tensor | number,
  options: KeyOptions & { readonly axis?: number } = {},
): Tensor {
  const op = 'random.permutation'
  const { axis = 0, ...layout } = checkOptions(op, options, ['axis', ...KEY_OPTIONS])
  requireKey(op, k)
  if (!(of instanceof Tensor)) {
    requireCount(op, 'n', of)
    return permuted(op, k, iota(of, 'i32'), layout)
  }
  const at = normalizeAxis(op, axis, of.shape)
  return selectAlong(of, permuted(op, k, iota(of.shape[at], 'i32'), layout), at)
}

function permuted(op: string, k: Tensor, sequence: Tensor, options: KeyOptions): Tensor {
  const n = sequence.size
  const rounds = n < 2 ? 0 : Math.ceil((3 * Math.log(n)) / Math.log(2 ** 32 - 1))
  let [next, order] = [k, sequence]
  for (let round = 0; round < rounds; round++) {
    const [rest, sub] = splitPair(next, options)
    next = rest
    order = gatherAlong(order, sortOf(words(op, sub, [n], options), 0, false)[1], 0)
  }
  return order
}
