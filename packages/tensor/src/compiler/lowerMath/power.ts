import { ROUND_MAGIC, splitConstant } from './constants.js'
import { splitAnyExponent } from './logarithm.js'
import type { ExprBuilder, ExprId } from './builder.js'

/** (atanh(s)/s - 1)/s² in s² on |s| ≤ 0.172, relative error of atanh 8.2e-10. */
const ATANH = [0.3333338797092438, 0.19988775253295898, 0.14936132729053497]
/** 2^r on |r| ≤ ½, relative error 3e-9. */
const EXP2 = [
  1, 0.6931471824645996, 0.24022647738456726, 0.05550359562039375, 0.009618503041565418, 0.001339100650511682,
  0.00015328025619965047,
]
/** log2(m) = 2/ln 2 · atanh((m-1)/(m+1)), the factor in a part of 12 bits and the rest. */
const TWO_OVER_LN2 = 2 / Math.LN2
const [FACTOR_HIGH, FACTOR_LOW] = splitConstant(TWO_OVER_LN2, [12])
/** Keeps the leading 12 bits of the significand: products of two such numbers are exact in f32. */
const LEADING_BITS = 0xfffff000
/** Any exponent beyond saturates for every x ≠ ±1, and all of them are even integers. */
const LARGEST_EXPONENT = 2 ** 33

/**
 * pow(x, y) = 2^(y·log2|x|) with the logarithm and the product as unevaluated sums of two f32 numbers, because
 * the error of the exponent (up to 128) is multiplied by its size. Special values as C99's powf.
 */
export function lowerPow(b: ExprBuilder, x: ExprId, y: ExprId): ExprId {
  const magnitude = b.unary('abs', x)
  const logarithm = log2InTwoParts(b, magnitude)
  const exponent = product(b, b.clamp(y, -LARGEST_EXPONENT, LARGEST_EXPONENT), logarithm)
  return withSpecialValues(b, exp2OfTwoParts(b, exponent), x, y, magnitude)
}

/** An unevaluated sum high + low, |low| much smaller. */
interface TwoParts {
  readonly high: ExprId
  readonly low: ExprId
}

function leadingBits(b: ExprBuilder, x: ExprId): ExprId {
  return b.fromBits(b.binary('and', b.bits(x), b.i32(LEADING_BITS)))
}

/** log2 of a positive number with about 31 bits. */
function log2InTwoParts(b: ExprBuilder, x: ExprId): TwoParts {
  const { exponent, mantissa } = splitAnyExponent(b, x)
  const one = b.f32(1)
  const numerator = b.sub(mantissa, one)
  const denominator = b.add(mantissa, one)
  const reciprocal = b.binary('div', one, denominator)
  const ratio = b.mul(numerator, reciprocal)
  // ratio = ratioHigh + ratioLow to twice the precision: the remainder of the division, divided again
  const ratioHigh = leadingBits(b, ratio)
  const denominatorHigh = leadingBits(b, denominator)
  const denominatorLow = b.sub(mantissa, b.sub(denominatorHigh, one))
  const negated = b.unary('neg', ratioHigh)
  const remainder = b.fma(negated, denominatorLow, b.fma(negated, denominatorHigh, numerator))
  const ratioLow = b.mul(remainder, reciprocal)
  const square = b.mul(ratio, ratio)
  const series = b.mul(b.mul(square, ratio), b.polynomial(square, ATANH))
  const fractionHigh = b.mul(ratioHigh, b.f32(FACTOR_HIGH))
  const corrections = b.fma(ratioLow, b.f32(FACTOR_HIGH), b.mul(ratio, b.f32(FACTOR_LOW)))
  const fractionLow = b.fma(series, b.f32(TWO_OVER_LN2), corrections)
  // exact sum of exponent and fractionHigh, since |exponent| is 0 or not the smaller one
  const high = b.add(exponent, fractionHigh)
  const lost = b.sub(fractionHigh, b.sub(high, exponent))
  return { high, low: b.add(fractionLow, lost) }
}

/** y·(high + low); the product of the leading bits is exact. */
function product(b: ExprBuilder, y: ExprId, logarithm: TwoParts): TwoParts {
  const yHigh = leadingBits(b, y)
  const yLow = b.sub(y, yHigh)
  const logHigh = leadingBits(b, logarithm.high)
  const logLow = b.add(b.sub(logarithm.high, logHigh), logarithm.low)
  return { high: b.mul(yHigh, logHigh), low: b.fma(yLow, logHigh, b.mul(y, logLow)) }
}

/** 2^(high + low) from 0 through the subnormals to Infinity. */
function exp2OfTwoParts(b: ExprBuilder, { high, low }: TwoParts): ExprId {
  const limited = b.clamp(b.add(high, low), -152, 129)
  const magic = b.f32(ROUND_MAGIC + 254)
  const rounded = b.add(limited, magic)
  // where the sum was limited the fraction means nothing; ±1 keeps the result saturated
  const fraction = b.clamp(b.add(b.sub(high, b.sub(rounded, magic)), low), -1, 1)
  // two scales of half the exponent each, biased by 127: one alone would leave the normal range
  const bits = b.bits(rounded)
  const firstHalf = b.binary('shr', bits, b.i32(1))
  const firstScale = b.fromBits(b.binary('shl', firstHalf, b.i32(23)))
  const secondScale = b.fromBits(b.binary('shl', b.sub(bits, firstHalf), b.i32(23)))
  return b.mul(b.mul(b.polynomial(fraction, EXP2), firstScale), secondScale)
}

/** C99's powf: zeros and infinities of x, the sign for odd exponents, NaN, and the two cases that are always 1. */
function withSpecialValues(b: ExprBuilder, power: ExprId, x: ExprId, y: ExprId, magnitude: ExprId): ExprId {
  const zero = b.f32(0)
  const infinity = b.f32(Infinity)
  const isZero = b.binary('eq', magnitude, zero)
  const isZeroOrInfinite = b.binary('or', isZero, b.binary('eq', magnitude, infinity))
  const vanishes = b.binary('xor', isZero, b.binary('lt', y, zero))
  const unsigned = b.select(isZeroOrInfinite, b.select(vanishes, zero, infinity), power)

  const isInteger = b.binary('eq', y, b.unary('floor', y))
  const halfY = b.mul(y, b.f32(0.5))
  const isOdd = b.binary('and', isInteger, b.binary('ne', halfY, b.unary('floor', halfY)))
  const signBit = b.binary('and', b.bits(x), b.i32(0x80000000))
  const sign = b.select(isOdd, signBit, b.i32(0))
  const signed = b.fromBits(b.binary('xor', b.bits(unsigned), sign))

  const isFiniteNegative = b.binary('and', b.binary('lt', x, zero), b.binary('lt', b.f32(-Infinity), x))
  const isComplex = b.binary('and', isFiniteNegative, b.unary('not', isInteger))
  const hasNaN = b.binary('or', b.binary('ne', x, x), b.binary('ne', y, y))
  const real = b.select(b.binary('or', isComplex, hasNaN), b.f32(NaN), signed)
  const isAlwaysOne = b.binary('or', b.binary('eq', y, zero), b.binary('eq', x, b.f32(1)))
  return b.select(isAlwaysOne, b.f32(1), real)
}
