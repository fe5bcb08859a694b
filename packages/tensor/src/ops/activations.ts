/** Activation functions, stable at both ends, with derivatives written by hand where the chain rule would lose them. */
import { isFloat } from '../dtype.js'
import { binary, castTo, compare, select, unary } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { choose, constant, inF32, isLess, minus, over, plus, pointwise, times, toF32 } from './build.js'
import { broadcastOperands, requireChoice, requireFloat, requireNumeric, type Operand } from './check.js'
import { checkOptions } from './options.js'

/** exp(-|x|): in (0, 1] for every x, so nothing built from it overflows. The sign test instead of |x| keeps the slope at 0. */
function decay(x: Tensor): Tensor {
  return unary('exp', select(isLess(x, 0), x, unary('neg', x)))
}

/** t = exp(-|x|) and 1 / (1 + t): what the logistic function and its derivative share, with their only division. */
function logisticParts(x: Tensor): { t: Tensor; r: Tensor } {
  const t = decay(x)
  return { t, r: over(1, plus(t, 1)) }
}

/** 1 / (1 + e⁻ˣ). */
function logistic(x: Tensor): Tensor {
  const { t, r } = logisticParts(x)
  return select(isLess(x, 0), times(t, r), r)
}

/** The derivative of `logistic`: even in x, accurate in both tails where s(1 - s) cancels. */
function logisticSlope(x: Tensor): Tensor {
  const { t, r } = logisticParts(x)
  return times(times(t, r), r)
}

/** 1 / (1 + e⁻ˣ). */
export function sigmoid(x: Tensor): Tensor {
  requireFloat('sigmoid', x)
  return inF32(x, (wide) => pointwise('sigmoid', wide, logistic, logisticSlope))
}

/** x · sigmoid(x) of an f32 tensor. */
function siluOf(x: Tensor): Tensor {
  return pointwise(
    'silu',
    x,
    (operand) => times(operand, logistic(operand)),
    (operand) => plus(logistic(operand), times(operand, logisticSlope(operand))),
  )
}

/** x · sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  requireFloat('silu', x)
  return inF32(x, siluOf)
}

/** silu(gate) · up. @source arXiv 2002.05202 */
export function swiglu(gate: Operand, up: Operand): Tensor {
  const [g, u] = broadcastOperands('swiglu', [gate, up])
  requireFloat('swiglu', g, u)
  return castTo(times(siluOf(toF32(g)), toF32(u)), g.dtype)
}

/** max(x, 0); its derivative at 0 is 0; NaN stays. */
export function relu(x: Tensor): Tensor {
  requireNumeric('relu', x)
  if (!isFloat(x.dtype)) return binary('maximum', x, constant(0, x))
  return choose(compare('le', x, constant(0, x)), 0, x)
}

/** log(1 + eˣ). */
export function softplus(x: Tensor): Tensor {
  requireFloat('softplus', x)
  const value = (wide: Tensor): Tensor => binary('add', choose(isLess(wide, 0), 0, wide), unary('log1p', decay(wide)))
  return inF32(x, (wide) => pointwise('softplus', wide, value, logistic))
}

/** The standard normal distribution function, ½ (1 + erf(x / √2)). */
function normalCdf(x: Tensor): Tensor {
  return times(plus(unary('erf', times(x, Math.SQRT1_2)), 1), 0.5)
}

/** d/dx x Φ(x) = Φ(x) + x φ(x). */
function geluSlope(x: Tensor): Tensor {
  const density = times(unary('exp', times(times(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return binary('add', normalCdf(x), times(x, density))
}

const TANH_SCALE = Math.sqrt(2 / Math.PI)
const TANH_CUBIC = 0.044715

function geluTanh(x: Tensor): Tensor {
  const inner = times(plus(times(times(x, x), TANH_CUBIC), 1), times(x, TANH_SCALE))
  return times(times(x, 0.5), plus(unary('tanh', inner), 1))
}

function geluTanhSlope(x: Tensor): Tensor {
  // Beyond |x| = 32 the slope is exactly 0 or 1; without the limit its derivatives would meet 0 · ∞ for huge x.
  const c = binary('maximum', binary('minimum', x, constant(32, x)), constant(-32, x))
  const squared = times(c, c)
  const t = unary('tanh', times(plus(times(squared, TANH_CUBIC), 1), times(c, TANH_SCALE)))
  const innerSlope = plus(times(squared, 3 * TANH_CUBIC * TANH_SCALE), TANH_SCALE)
  const tail = times(times(times(c, 0.5), minus(constant(1, c), times(t, t))), innerSlope)
  return binary('add', times(plus(t, 1), 0.5), tail)
}

/**
 * The Gaussian error linear unit: x Φ(x).
 *
 * @param approximate `none` uses erf, `tanh` the formula of the paper, ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
 * @source arXiv 1606.08415
 */
export function gelu(x: Tensor, options: { approximate?: 'none' | 'tanh' } = {}): Tensor {
  requireFloat('gelu', x)
  const { approximate = 'none' } = checkOptions('gelu', options, ['approximate'])
  requireChoice('gelu', 'approximate', approximate, ['none', 'tanh'])
  if (approximate === 'tanh') return inF32(x, (wide) => pointwise('gelu', wide, geluTanh, geluTanhSlope))
  return inF32(x, (wide) => pointwise('gelu', wide, (operand) => times(operand, normalCdf(operand)), geluSlope))
}
