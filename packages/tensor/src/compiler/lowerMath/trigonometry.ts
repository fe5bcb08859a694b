import { ROUND_MAGIC, splitConstant } from './constants.js'
import type { ExprBuilder, ExprId } from './builder.js'

/** sin(r)/r = 1 + r²·(…) on |r| ≤ π/2, relative error 6.2e-9. */
const SINE = [1, -0.16666659712791443, 0.008333069272339344, -0.00019809773948509246, 2.606081807243754e-6]
/** π in parts whose products with integers below 2^17 (or halves below 2^16) are exact: enough for angles to 2^17. */
const PI_PARTS = splitConstant(Math.PI, [7, 7, 7, 7])
/**
 * Largest |x| that is reduced; NaN beyond. Neighbouring f32 numbers there are half a radian apart, and the rounding
 * trick ends soon after: a NaN is seen, a wrong number is not. To 2^17 results are right to the last bits; above, where
 * fma rounds twice, as right as if x had been off by half its last place.
 */
const LARGEST_ANGLE = 2 ** 22

/** sin(x) = (-1)^n sin(r) with x = nπ + r. */
export function lowerSin(b: ExprBuilder, x: ExprId): ExprId {
  const magic = b.f32(ROUND_MAGIC)
  const rounded = b.fma(x, b.f32(1 / Math.PI), magic)
  return sineOfRest(b, x, b.sub(rounded, magic), rounded)
}

/** cos(x) = (-1)^(n+1) sin(r) with x = (n+½)π + r: exact zeros of cosine keep their relative accuracy. */
export function lowerCos(b: ExprBuilder, x: ExprId): ExprId {
  // the odd magic number flips the parity that becomes the sign
  const magic = b.f32(ROUND_MAGIC + 1)
  const half = b.f32(0.5)
  const rounded = b.add(b.fma(x, b.f32(1 / Math.PI), b.f32(-0.5)), magic)
  return sineOfRest(b, x, b.add(b.sub(rounded, magic), half), rounded)
}

/** sin(x - nπ), with the sign of the lowest bit of `parity`. */
function sineOfRest(b: ExprBuilder, x: ExprId, n: ExprId, parity: ExprId): ExprId {
  const rest = b.subtractMultiple(x, n, PI_PARTS)
  const sine = b.mul(rest, b.polynomial(b.mul(rest, rest), SINE))
  const sign = b.binary('shl', b.bits(parity), b.i32(31))
  const signed = b.fromBits(b.binary('xor', b.bits(sine), sign))
  const isReduced = b.binary('le', b.unary('abs', x), b.f32(LARGEST_ANGLE))
  return b.select(isReduced, signed, b.f32(NaN))
}
