import { lowerLog1p } from './logarithm.js'
import type { ExprBuilder, ExprId } from './builder.js'

/**
 * erf(x) = x·P(x²)/Q(x²) on |x| ≤ 3.92, relative error 5.2e-8; all terms are positive, so nothing cancels.
 * The last bits were chosen by search for the smallest error of the rounded evaluation.
 */
const NUMERATOR = [
  1.128379225730896, 0.17395038902759552, 0.05065757408738136, 0.0030908463522791862, 0.00027509903884492815,
  2.2422175334213534e-6,
]
const DENOMINATOR = [
  1, 0.4874940812587738, 0.10738673061132431, 0.013603652827441692, 0.0010095811448991299, 3.9582038880325854e-5,
]
/** Beyond it erf is 1 in f32. */
const SATURATION = 3.92

/** erf(x): 17 instructions, one of them a division. Subnormals are right to one unit. */
export function lowerErf(b: ExprBuilder, x: ExprId): ExprId {
  const limited = b.clamp(x, -SATURATION, SATURATION)
  const square = b.mul(limited, limited)
  const numerator = b.mul(limited, b.polynomial(square, NUMERATOR))
  const quotient = b.binary('div', numerator, b.polynomial(square, DENOMINATOR))
  // rounding can lift the quotient above 1, and erfInv would be NaN
  return b.clamp(quotient, -1, 1)
}

/** erfInv(x)/x in w - 2.5, w = -log(1-x²) < 5. */
const CENTRAL = [
  1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-6, -3.5233877e-6, 3.43273939e-7,
  2.81022636e-8,
]
/** erfInv(x)/x in √w - 3, w ≥ 5. */
const TAIL = [
  2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322, 0.000100950558,
  -0.000200214257,
]

/**
 * erfInv(x): ±Infinity at ±1, NaN beyond. The polynomials are those of JAX, so that normal random numbers agree.
 *
 * @source M. Giles, "Approximating the erfinv function", GPU Computing Gems Jade edition, 2011
 */
export function lowerErfInv(b: ExprBuilder, x: ExprId): ExprId {
  const w = b.unary('neg', lowerLog1p(b, b.mul(x, b.unary('neg', x))))
  const isCentral = b.binary('lt', w, b.f32(5))
  const variable = b.select(isCentral, b.sub(w, b.f32(2.5)), b.sub(b.unary('sqrt', w), b.f32(3)))
  const coefficient = (i: number) => b.select(isCentral, b.f32(CENTRAL[i]), b.f32(TAIL[i]))
  let sum = coefficient(CENTRAL.length - 1)
  for (let i = CENTRAL.length - 2; i >= 0; i--) sum = b.fma(sum, variable, coefficient(i))
  const isEnd = b.binary('eq', b.unary('abs', x), b.f32(1))
  return b.mul(x, b.select(isEnd, b.f32(Infinity), sum))
}
