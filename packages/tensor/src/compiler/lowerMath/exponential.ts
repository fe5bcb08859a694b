import { ROUND_MAGIC, splitConstant } from './constants.js'
import type { ExprBuilder, ExprId } from './builder.js'

/** exp(r) on |r| ≤ ln 2, relative error 1.5e-8 (minimax, each coefficient rounded in turn). */
const EXP = [
  1, 1, 0.5000003576278687, 0.166666179895401, 0.041661228984594345, 0.008335934951901436, 0.001410478027537465,
  0.00019629787129815668,
]
/** Power of two taken out of each scale and put into the polynomial, so that the smallest scale has the bits of +0. */
const EXP_SHIFT = 52
const TWO_LN2 = splitConstant(2 * Math.LN2, [16])

/**
 * exp(x) = exp(r)·2^m·2^m with x = 2m ln 2 + r: 16 instructions.
 *
 * A scale of half the exponent never leaves the normal range; the last product then overflows to infinity and
 * underflows through the subnormals by itself. Below half the smallest subnormal the scale is +0, not a tiny number:
 * masked softmax would otherwise pay a microcode assist for every masked element.
 */
export function lowerExp(b: ExprBuilder, x: ExprId): ExprId {
  const limited = b.clamp(x, -104, 89)
  const magic = b.f32(ROUND_MAGIC + 127 - EXP_SHIFT)
  const rounded = b.fma(limited, b.f32(Math.LOG2E / 2), magic)
  const rest = b.subtractMultiple(limited, b.sub(rounded, magic), TWO_LN2)
  const series = b.polynomial(
    rest,
    EXP.map((coefficient) => coefficient * 2 ** (2 * EXP_SHIFT)),
  )
  const scale = b.fromBits(b.binary('shl', b.bits(rounded), b.i32(23)))
  return b.mul(b.mul(series, scale), scale)
}

/** (expm1(r) - r)/r² on |r| ≤ ln(2)/2, relative error of expm1 1.4e-8. */
const EXPM1 = [0.4999999701976776, 0.1666654646396637, 0.04166743531823158, 0.00836626160889864, 0.0013870657421648502]
const LN2 = splitConstant(Math.LN2, [16])

/**
 * expm1(x) = 2·(2^(n-1)·expm1(r) + (2^(n-1) - 1/2)) with x = n ln 2 + r: 17 operators.
 * Half the scale, because 2^128 is not a number while expm1(88.7) is.
 */
export function lowerExpm1(b: ExprBuilder, x: ExprId): ExprId {
  const limited = b.clamp(x, -18, 89)
  const magic = b.f32(ROUND_MAGIC + 126)
  const rounded = b.fma(limited, b.f32(Math.LOG2E), magic)
  const rest = b.subtractMultiple(limited, b.sub(rounded, magic), LN2)
  const series = b.fma(b.mul(rest, rest), b.polynomial(rest, EXPM1), rest)
  const scale = b.fromBits(b.binary('shl', b.bits(rounded), b.i32(23)))
  const half = b.fma(series, scale, b.sub(scale, b.f32(0.5)))
  return b.add(half, half)
}
