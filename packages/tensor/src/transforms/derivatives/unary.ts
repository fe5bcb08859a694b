/** Derivatives of the elementwise functions of one operand. */
import type { UnaryName } from '../../graph/primitive.js'
import { castTo, unary } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { add, constant, div, isNarrow, mul, neg, scale, sub, widen } from '../arithmetic.js'

/** Functions with a derivative that is not zero everywhere. */
export type SmoothUnary = Exclude<UnaryName, 'sign' | 'floor' | 'ceil' | 'round' | 'not'>

/** x and f(x) -> what a cotangent (or tangent) is multiplied with or divided by. */
const APPLY: Record<SmoothUnary, (t: Tensor, x: Tensor, out: () => Tensor) => Tensor> = {
  neg: (t) => neg(t),
  abs: (t, x) => mul(t, unary('sign', x)),
  sqrt: (t, _x, out) => div(scale(t, 0.5), out()),
  exp: (t, _x, out) => mul(t, out()),
  log: (t, x) => div(t, x),
  log1p: (t, x) => div(t, add(x, constant(x, 1))),
  // Not out + 1, which loses every digit for large negative x.
  expm1: (t, x) => mul(t, unary('exp', x)),
  sin: (t, x) => mul(t, unary('cos', x)),
  cos: (t, x) => neg(mul(t, unary('sin', x))),
  tanh: (t, _x, out) => mul(t, sub(constant(t, 1), mul(out(), out()))),
  erf: (t, x) => mul(t, scale(unary('exp', neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
  erfInv: (t, _x, out) => mul(t, scale(unary('exp', mul(out(), out())), Math.sqrt(Math.PI) / 2)),
}

/** One operation each: widening would only add casts. */
const EXACT_IN_ANY_DTYPE: ReadonlySet<SmoothUnary> = new Set<SmoothUnary>(['neg', 'abs', 'log'])

/**
 * f'(x) · t, for reverse and forward mode alike. f16 and bf16 are computed in f32 from x, since out has lost digits
 * that 1 - out² needs.
 */
export function unaryDerivative(op: SmoothUnary, t: Tensor, x: Tensor, out: () => Tensor): Tensor {
  if (!isNarrow(x.dtype) || EXACT_IN_ANY_DTYPE.has(op)) return APPLY[op](t, x, out)
  const wide = widen(x)
  let wideOut: Tensor | undefined
  return castTo(
    APPLY[op](widen(t), wide, () => (wideOut ??= unary(op, wide))),
    x.dtype,
  )
}
