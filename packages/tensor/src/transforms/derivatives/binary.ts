/** Partial derivatives of division, pow, minimum and maximum; both modes multiply them with what flows. */
import { binary, castTo, compare, select, unary } from '../../graph/primitives.js'
import { nodeOf, type Tensor } from '../../graph/tensor.js'
import { constant, div, dropWhere, equal, isNarrow, less, mul, neg, scale, sub, widen } from '../arithmetic.js'

/** Runs a rule of several steps in f32 and rounds its result once. */
function inF32(dtype: Tensor['dtype'], operands: readonly Tensor[], rule: (...operands: Tensor[]) => Tensor): Tensor {
  return isNarrow(dtype) ? castTo(rule(...operands.map(widen)), dtype) : rule(...operands)
}

/** -t·out/b, the derivative of a/b with respect to b. */
export function divideByDenominator(t: Tensor, a: Tensor, b: Tensor): Tensor {
  return inF32(t.dtype, [t, a, b], (t32, a32, b32) => neg(div(mul(t32, div(a32, b32)), b32)))
}

/** The number that a tensor holds everywhere, when the graph shows it. */
function knownNumber(x: Tensor): number | undefined {
  const source = nodeOf(x, 'broadcastTo')?.inputs[0] ?? x
  return nodeOf(source, 'scalar')?.attrs.value
}

/** t·b·a^(b-1); 0 where b is 0, also at a = 0. */
export function powerByBase(t: Tensor, a: Tensor, b: Tensor): Tensor {
  const exponent = knownNumber(b)
  if (exponent === 0) return constant(t, 0)
  if (exponent === 1) return t
  if (exponent === 2) return inF32(t.dtype, [t, a], (t32, a32) => mul(t32, scale(a32, 2)))
  return inF32(t.dtype, [t, a, b], (t32, a32, b32) => {
    // 0 · 0^-1 would be NaN: where the exponent is 0 any finite power will do.
    const safe = exponent === undefined ? select(equal(b32, constant(b32, 0)), constant(b32, 1), b32) : b32
    return mul(t32, mul(b32, binary('pow', a32, sub(safe, constant(b32, 1)))))
  })
}

/** t·a^b·log a; 0 at a = 0 when b is not negative, since a^b stays 0 (or 1 at the single point b = 0). */
export function powerByExponent(t: Tensor, a: Tensor, b: Tensor): Tensor {
  return inF32(t.dtype, [t, a, b], (t32, a32, b32) => {
    const zero = constant(a32, 0)
    const flat = binary('and', equal(a32, zero), compare('le', zero, b32))
    // The logarithm is kept away from 0 as well: its own derivative there would be infinite and spoil second derivatives.
    const safe = select(flat, constant(a32, 1), a32)
    return mul(t32, dropWhere(flat, mul(binary('pow', safe, b32), unary('log', safe))))
  })
}

/**
 * What flows through operand `self` of minimum or maximum: all where it is chosen, half where both are equal
 * (and all where either is NaN).
 */
export function chosenPart(op: 'minimum' | 'maximum', t: Tensor, self: Tensor, other: Tensor): Tensor {
  const lost = op === 'maximum' ? less(self, other) : less(other, self)
  const half = scale(t, 0.5)
  return select(lost, constant(t, 0), select(equal(self, other), half, t))
}
