import type { ExprBuilder, ExprId } from './builder.js'

/** Bits of √½: numbers are split as 2^k·m with √½ ≤ m < √2. */
const SQRT_HALF_BITS = 0x3f3504f3
/** log(1+f) = f + f²·(-1/2 + f/3 …) on √½-1 … √2-1, relative error 3.2e-8. */
const LOG1P = [
  -0.5, 0.333339124917984, -0.2500132918357849, 0.1996300220489502, -0.16577757894992828, 0.14915533363819122,
  -0.14266575872898102, 0.08697284758090973,
]
/** Smallest normal number, and the factor that makes every subnormal normal. */
const SMALLEST_NORMAL = 2 ** -126
const SUBNORMAL_SHIFT = 24

/** x = 2^k·m as `exponent` (i32 k) and `mantissa` (f32 m); x is positive and normal. */
export function splitExponent(b: ExprBuilder, x: ExprId): { exponent: ExprId; mantissa: ExprId; shifted: ExprId } {
  const bits = b.bits(x)
  const exponent = b.binary('shr', b.sub(bits, b.i32(SQRT_HALF_BITS)), b.i32(23))
  const shifted = b.binary('shl', exponent, b.i32(23))
  return { exponent, mantissa: b.fromBits(b.sub(bits, shifted)), shifted }
}

/** As `splitExponent` for any positive x: subnormals are scaled first. `exponent` is an f32 here. */
export function splitAnyExponent(b: ExprBuilder, x: ExprId): { exponent: ExprId; mantissa: ExprId } {
  const isSmall = b.binary('lt', x, b.f32(SMALLEST_NORMAL))
  const normal = b.select(isSmall, b.mul(x, b.f32(2 ** SUBNORMAL_SHIFT)), x)
  const { exponent, mantissa } = splitExponent(b, normal)
  const correction = b.select(isSmall, b.f32(-SUBNORMAL_SHIFT), b.f32(0))
  return { exponent: b.add(b.unary('toF32', exponent), correction), mantissa }
}

/** log(x), subnormals included; log(±0) = -Infinity, NaN below. */
export function lowerLog(b: ExprBuilder, x: ExprId): ExprId {
  const { exponent, mantissa } = splitAnyExponent(b, x)
  const value = logOfSplit(b, b.sub(mantissa, b.f32(1)), exponent)
  return withSpecialValues(b, value, x, x)
}

/**
 * log1p(x) = k ln 2 + log(1+f) with 1+x ≈ 2^k·m and f = 2^-k·x + (2^-k - 1).
 * Only f's last addition rounds, so that nothing of a small x is lost and no correction term is needed.
 */
export function lowerLog1p(b: ExprBuilder, x: ExprId): ExprId {
  const sum = b.add(x, b.f32(1))
  const { exponent, shifted } = splitExponent(b, sum)
  // 2^-k through 4·2^-k, whose exponent field holds all k up to 128
  const scale = b.mul(b.fromBits(b.sub(b.i32(0x40800000), shifted)), b.f32(0.25))
  const fraction = b.fma(x, scale, b.sub(scale, b.f32(1)))
  const value = logOfSplit(b, fraction, b.unary('toF32', exponent))
  return withSpecialValues(b, value, sum, x)
}

/** k ln 2 + log(1+f). ln 2 needs no second part: its f32 value is right to 2.8e-9. */
function logOfSplit(b: ExprBuilder, fraction: ExprId, exponent: ExprId): ExprId {
  const series = b.polynomial(fraction, LOG1P)
  const logOfMantissa = b.fma(b.mul(fraction, fraction), series, fraction)
  return b.fma(exponent, b.f32(Math.LN2), logOfMantissa)
}

/** The value where `argument` (of the logarithm) is positive and finite; -Infinity at 0, NaN below, x itself at Infinity and NaN. */
function withSpecialValues(b: ExprBuilder, value: ExprId, argument: ExprId, x: ExprId): ExprId {
  const zero = b.f32(0)
  const atMostZero = b.select(b.binary('eq', argument, zero), b.f32(-Infinity), b.f32(NaN))
  const signed = b.select(b.binary('lt', zero, argument), value, atMostZero)
  return b.select(b.binary('lt', argument, b.f32(Infinity)), signed, x)
}
