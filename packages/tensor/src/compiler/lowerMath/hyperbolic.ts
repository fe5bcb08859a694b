import type { ExprBuilder, ExprId } from './builder.js'

/** tanh(x) = x·P(x²)/Q(x²) on |x| ≤ 9.02, relative error 2.2e-8; all terms are positive, so nothing cancels. */
const NUMERATOR = [1, 0.13382684115823174, 0.0034974539298603955, 2.063576134499934e-5, 1.3384208893007273e-8]
const DENOMINATOR = [1, 0.46716005364350127, 0.02588434668357551, 0.00032885112357214125, 7.790214977991192e-7]
/** Beyond it tanh is 1 in f32; here the quotient is exactly 1. */
const SATURATION = 9.02

/** tanh(x): 13 operators, one of them a division. Signed zeros and subnormals come back as they are. */
export function lowerTanh(b: ExprBuilder, x: ExprId): ExprId {
  const limited = b.clamp(x, -SATURATION, SATURATION)
  const square = b.mul(limited, limited)
  const numerator = b.mul(limited, b.polynomial(square, NUMERATOR))
  return b.binary('div', numerator, b.polynomial(square, DENOMINATOR))
}
