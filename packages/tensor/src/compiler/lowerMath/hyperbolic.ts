import type { ExprBuilder, ExprId } from './builder.js'

/**
 * tanh(x) = x·P(x²)/Q(x²) on |x| ≤ 9.02, relative error 2.2e-8; all terms are positive, so nothing cancels.
 * The last bits were chosen by search for the smallest error of the rounded evaluation.
 */
const NUMERATOR = [1, 0.13382679224014282, 0.003497453173622489, 2.0635763576137833e-5, 1.3384193309207149e-8]
const DENOMINATOR = [1, 0.4671599566936493, 0.025884337723255157, 0.00032885107793845236, 7.790217182446213e-7]
/** Beyond it tanh is 1 in f32. */
const SATURATION = 9.02

/** tanh(x): 15 instructions, one of them a division. Signed zeros and subnormals come back as they are. */
export function lowerTanh(b: ExprBuilder, x: ExprId): ExprId {
  const limited = b.clamp(x, -SATURATION, SATURATION)
  const square = b.mul(limited, limited)
  const numerator = b.mul(limited, b.polynomial(square, NUMERATOR))
  const quotient = b.binary('div', numerator, b.polynomial(square, DENOMINATOR))
  // rounding can lift the quotient above 1, and √(1 - tanh²) would be NaN
  return b.clamp(quotient, -1, 1)
}
