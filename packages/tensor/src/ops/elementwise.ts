/** Elementwise operators. */
import { isFloat, isInteger, type DType } from '../dtype.js'
import type { BinaryName, UnaryName } from '../graph/primitive.js'
import {
  binary,
  bitcastTo,
  broadcast,
  castTo,
  compare,
  scalarConst,
  select,
  stopGradientOf,
  unary,
} from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { constant, inF32, isLess, isNarrow, over, times } from './build.js'
import {
  argumentError,
  broadcastOperands,
  commonShape,
  dtypeError,
  requireBool,
  requireDType,
  requireElement,
  requireFloat,
  requireNumeric,
  requireTensor,
  show,
  tensorsOf,
  type Operand,
} from './check.js'
import { checkOptions } from './options.js'

/** A function of floats: narrow ones are widened, so that the derivative is computed in f32 too. */
function floatFunction(op: UnaryName, x: Tensor): Tensor {
  requireFloat(op, x)
  return inF32(x, (wide) => unary(op, wide))
}

function isUnsigned(dtype: DType): boolean {
  return dtype === 'u32' || dtype === 'u8'
}

/** -x; unsigned integers wrap. */
export function neg(x: Tensor): Tensor {
  requireNumeric('neg', x)
  return isUnsigned(x.dtype) ? binary('sub', constant(0, x), x) : unary('neg', x)
}

/** |x|; its derivative at 0 is 0. */
export function abs(x: Tensor): Tensor {
  requireNumeric('abs', x)
  return isUnsigned(x.dtype) ? x : unary('abs', x)
}

/** -1, 0 or 1. */
export function sign(x: Tensor): Tensor {
  requireNumeric('sign', x)
  return isUnsigned(x.dtype) ? binary('minimum', x, constant(1, x)) : unary('sign', x)
}

/** x². */
export function square(x: Tensor): Tensor {
  requireNumeric('square', x)
  return isFloat(x.dtype) ? inF32(x, (wide) => times(wide, wide)) : times(x, x)
}

/** 1 / x. */
export function reciprocal(x: Tensor): Tensor {
  requireFloat('reciprocal', x)
  return inF32(x, (wide) => over(1, wide))
}

/** eˣ. */
export function exp(x: Tensor): Tensor {
  return floatFunction('exp', x)
}

/** Natural logarithm. */
export function log(x: Tensor): Tensor {
  return floatFunction('log', x)
}

/** log(1 + x), accurate near 0. */
export function log1p(x: Tensor): Tensor {
  return floatFunction('log1p', x)
}

/** eˣ - 1, accurate near 0. */
export function expm1(x: Tensor): Tensor {
  return floatFunction('expm1', x)
}

/** √x; NaN below 0. */
export function sqrt(x: Tensor): Tensor {
  return floatFunction('sqrt', x)
}

/** 1 / √x. */
export function rsqrt(x: Tensor): Tensor {
  requireFloat('rsqrt', x)
  return inF32(x, (wide) => over(1, unary('sqrt', wide)))
}

/** The sine of x in radians; within 3 ulp in f32 for |x| ≤ 1000. @throws DTypeError unless x is a float tensor */
export function sin(x: Tensor): Tensor {
  return floatFunction('sin', x)
}

/** The cosine of x in radians; within 3 ulp in f32 for |x| ≤ 1000. @throws DTypeError unless x is a float tensor */
export function cos(x: Tensor): Tensor {
  return floatFunction('cos', x)
}

/** The hyperbolic tangent, in [-1, 1]. @throws DTypeError unless x is a float tensor */
export function tanh(x: Tensor): Tensor {
  return floatFunction('tanh', x)
}

/** The error function. */
export function erf(x: Tensor): Tensor {
  return floatFunction('erf', x)
}

/** The inverse of `erf` on (-1, 1). */
export function erfInv(x: Tensor): Tensor {
  return floatFunction('erfInv', x)
}

/** Rounds floats; integers are whole already. */
function rounding(op: 'floor' | 'ceil' | 'round', x: Tensor): Tensor {
  requireNumeric(op, x)
  return isInteger(x.dtype) ? x : unary(op, x)
}

/** The largest whole number not above x; integers stay as they are. */
export function floor(x: Tensor): Tensor {
  return rounding('floor', x)
}

/** The smallest whole number not below x; integers stay as they are. */
export function ceil(x: Tensor): Tensor {
  return rounding('ceil', x)
}

/** To the nearest integer, halves to even. */
export function round(x: Tensor): Tensor {
  return rounding('round', x)
}

/** Toward zero. */
export function trunc(x: Tensor): Tensor {
  requireNumeric('trunc', x)
  return isInteger(x.dtype) ? x : select(isLess(x, 0), unary('ceil', x), unary('floor', x))
}

function arithmetic(op: BinaryName, a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands(op, [a, b])
  requireNumeric(op, x, y)
  return binary(op, x, y)
}

/** As `arithmetic`, with narrow floats computed (and differentiated) in f32. */
function wideArithmetic(op: BinaryName, a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands(op, [a, b])
  requireNumeric(op, x, y)
  if (!isNarrow(x.dtype)) return binary(op, x, y)
  return castTo(binary(op, castTo(x, 'f32'), castTo(y, 'f32')), x.dtype)
}

/** a + b; integers wrap. */
export function add(a: Operand, b: Operand): Tensor {
  return arithmetic('add', a, b)
}

/** a - b; integers wrap. */
export function sub(a: Operand, b: Operand): Tensor {
  return arithmetic('sub', a, b)
}

/** a · b; integers wrap. */
export function mul(a: Operand, b: Operand): Tensor {
  return arithmetic('mul', a, b)
}

/** a / b; integers cut toward zero, and x / 0 is 0. */
export function div(a: Operand, b: Operand): Tensor {
  return wideArithmetic('div', a, b)
}

/** The smaller of a and b; NaN wins; equal operands get half of the gradient each. */
export function minimum(a: Operand, b: Operand): Tensor {
  return arithmetic('minimum', a, b)
}

/** The larger of a and b; NaN wins; equal operands get half of the gradient each. */
export function maximum(a: Operand, b: Operand): Tensor {
  return arithmetic('maximum', a, b)
}

/**
 * The remainder of integer division, with the sign of the dividend; x rem 0 is 0.
 * @throws DTypeError for floats
 */
export function rem(a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands('rem', [a, b])
  if (!isInteger(x.dtype))
    throw dtypeError(
      'rem',
      'operands must be integers',
      `${show(a)} and ${show(b)}`,
      'use sub(a, mul(trunc(div(a, b)), b))',
    )
  return binary('rem', x, y)
}

/** a · b + c. Rounded after each operation: products and sums are never contracted. */
export function fma(a: Operand, b: Operand, c: Operand): Tensor {
  const [x, y, z] = broadcastOperands('fma', [a, b, c])
  requireNumeric('fma', x, y, z)
  return binary('add', binary('mul', x, y), z)
}

/**
 * a to the power b. A negative base gives NaN unless the exponent is a whole number; 0⁰ is 1.
 * Integers are multiplied and wrap; a negative integer exponent gives the quotient 1 / aᵇ cut toward zero.
 */
export function pow(a: Operand, b: Operand): Tensor {
  if (a instanceof Tensor && typeof b === 'number') {
    requireNumeric('pow', a)
    const small = smallPower(a, b)
    if (small !== null) return small
  }
  const [x, y] = broadcastOperands('pow', [a, b])
  return isInteger(x.dtype) ? integerPower(x, y) : wideArithmetic('pow', x, y)
}

/** Exponents that are cheaper and more exact as products. */
function smallPower(x: Tensor, exponent: number): Tensor | null {
  switch (exponent) {
    case 1:
      return x
    case 2:
      return square(x)
    case 3:
      return isFloat(x.dtype) ? inF32(x, (wide) => times(times(wide, wide), wide)) : times(times(x, x), x)
    case -1:
      return isFloat(x.dtype) ? reciprocal(x) : null
    default:
      return null
  }
}

/** Square and multiply over all bits of the exponent, so that results wrap exactly. */
function integerPower(base: Tensor, exponent: Tensor): Tensor {
  const bits = base.dtype === 'i8' || base.dtype === 'u8' ? 8 : 32
  let result = constant(1, base)
  let factor = base
  for (let bit = 0; bit < bits; bit++) {
    const shifted = bit === 0 ? exponent : binary('shr', exponent, constant(bit, exponent))
    const set = compare('eq', binary('and', shifted, constant(1, exponent)), constant(1, exponent))
    result = select(set, times(result, factor), result)
    if (bit + 1 < bits) factor = times(factor, factor)
  }
  if (isUnsigned(base.dtype)) return result
  // a⁻ⁿ is 0 but for a = ±1, where it is the power itself, and for a = 0, where integer division gives 0.
  const unit = compare('eq', unary('abs', base), constant(1, base))
  return select(binary('and', isLess(exponent, 0), unary('not', unit)), constant(0, base), result)
}

/**
 * x limited to [min, max]; null leaves a side open; NaN stays.
 * @throws ArgumentError when min > max
 */
export function clip(x: Tensor, options: { min?: number | null; max?: number | null } = {}): Tensor {
  requireNumeric('clip', x)
  const { min = null, max = null } = checkOptions('clip', options, ['min', 'max'])
  if (min !== null && max !== null && min > max)
    throw argumentError('clip', 'min must not exceed max', `min ${min} and max ${max}`, 'swap them')
  if (min !== null) requireElement('clip', min, x.dtype)
  if (max !== null) requireElement('clip', max, x.dtype)
  const raised = min === null ? x : binary('maximum', x, constant(min, x))
  return max === null ? raised : binary('minimum', raised, constant(max, raised))
}

/**
 * a where cond holds, else b. NaN of the branch not taken reaches neither value nor gradient.
 * @param cond bool; all three broadcast
 */
export function where(cond: Tensor, a: Operand, b: Operand): Tensor {
  requireBool('where', cond)
  const [x, y] =
    typeof a === 'number' && typeof b === 'number'
      ? [scalarConst(a, 'f32'), scalarConst(b, 'f32')]
      : tensorsOf('where', [a, b])
  const shape = commonShape('where', [cond, x, y])
  return select(broadcast(cond, shape), broadcast(x, shape), broadcast(y, shape))
}

/**
 * x as another dtype. Float to float rounds to nearest even; float to integer cuts toward zero and clamps, NaN gives 0;
 * integer to integer keeps the low bits; anything not 0 is true.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  requireTensor('cast', x)
  requireDType('cast', dtype)
  return castTo(x, dtype)
}

/** The same bits read as another type. Has no gradient. */
export function bitcast(x: Tensor, dtype: 'f32' | 'i32' | 'u32'): Tensor {
  requireTensor('bitcast', x)
  const words: readonly DType[] = ['f32', 'i32', 'u32']
  if (!words.includes(x.dtype) || !words.includes(dtype))
    throw dtypeError('bitcast', 'both types must be f32, i32 or u32', `${show(x)} to ${show(dtype)}`, 'use cast')
  return bitcastTo(x, dtype)
}

/** x, hidden from differentiation. */
export function stopGradient(x: Tensor): Tensor {
  requireTensor('stopGradient', x)
  return stopGradientOf(x)
}
