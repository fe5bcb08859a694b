/** The operators of fused steps on single numbers. Values of f32 are numbers; i32 and u32 are whole numbers in range; bool is 0 or 1. */
import type { ScalarType } from '../dtype.js'
import { InternalError } from '../errors.js'
import { roundToBf16, roundToF16 } from '../program/float16.js'
import type { BinaryExprOp, Expr, UnaryExprOp } from '../program/ir.js'
import { erf, erfInv } from '../testing/interpreter/special.js'

export type Rounding = (value: number) => number

const asIs: Rounding = (value) => value

/** How results of f32 operators are rounded: once each to f32, or never. */
export function floatRounding(float64: boolean): Rounding {
  return float64 ? asIs : Math.fround
}

/** Rounding of a `round` expression; floats stay as they are when they are held as float64. */
export function narrowing(to: Extract<Expr, { op: 'round' }>['to'], float64: boolean): Rounding {
  switch (to) {
    case 'f16':
      return float64 ? asIs : roundToF16
    case 'bf16':
      return float64 ? asIs : roundToBf16
    case 'i8':
      return (value) => (value << 24) >> 24
    case 'u8':
      return (value) => value & 0xff
  }
}

export function wrap(type: ScalarType): Rounding {
  return type === 'i32' ? (value) => value | 0 : type === 'u32' ? (value) => value >>> 0 : asIs
}

const word = new Uint32Array(1)
const wordAsFloat = new Float32Array(word.buffer)

function bitsOf(type: ScalarType, value: number): number {
  if (type === 'f32') wordAsFloat[0] = value
  else word[0] = value
  return word[0]
}

function floatOfBits(type: ScalarType, value: number): number {
  word[0] = bitsOf(type, value)
  return wordAsFloat[0]
}

/** Half to even. */
function rint(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest < 0.5 ? keepSign(floor, value) : keepSign(floor + 1, value)
  return keepSign(floor % 2 === 0 ? floor : floor + 1, value)
}

function keepSign(rounded: number, value: number): number {
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded
}

function clampTo(low: number, high: number): Rounding {
  return (value) => (Number.isNaN(value) ? 0 : Math.trunc(Math.min(high, Math.max(low, value))) + 0)
}

const FLOAT_UNARY: Readonly<Partial<Record<UnaryExprOp, Rounding>>> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  rint,
  trunc: Math.trunc,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  expm1: Math.expm1,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  erfInv,
}

/** The function of a unary operator on an argument of `type`. */
export function unaryFunction(op: UnaryExprOp, type: ScalarType, float64: boolean): Rounding {
  const toFloat = floatRounding(float64)
  switch (op) {
    case 'toF32':
      return toFloat
    case 'toI32':
      return type === 'f32' ? clampTo(-2147483648, 2147483647) : (value) => value | 0
    case 'toU32':
      return type === 'f32' ? clampTo(0, 4294967295) : (value) => value >>> 0
    case 'toBool':
      return (value) => (value === 0 ? 0 : 1)
    case 'bitsToF32':
      // a float stays what it is, also where it has more digits than 32 bits hold
      return type === 'f32' ? asIs : (value) => floatOfBits(type, value)
    case 'bitsToI32':
      return (value) => bitsOf(type, value) | 0
    case 'bitsToU32':
      return (value) => bitsOf(type, value)
    case 'not':
      return type === 'bool' ? (value) => 1 - value : type === 'i32' ? (value) => ~value : (value) => ~value >>> 0
    default: {
      const exact = FLOAT_UNARY[op]
      if (exact === undefined) throw new InternalError(`reference: no unary operator ${op}`)
      if (type === 'f32') return (value) => toFloat(exact(value))
      const wrapped = wrap(type)
      return (value) => wrapped(exact(value))
    }
  }
}

/** pow of C99: JavaScript gives NaN for 1^NaN and (±1)^±Infinity. */
export function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Infinity)) return 1
  return base ** exponent
}

type Binary = (a: number, b: number) => number

const FLOAT_BINARY: Readonly<Partial<Record<BinaryExprOp, Binary>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  pow: power,
}

const INTEGER_BINARY: Readonly<Partial<Record<BinaryExprOp, Binary>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
  rem: (a, b) => (b === 0 ? 0 : a % b),
  min: Math.min,
  max: Math.max,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << (b & 31),
}

const COMPARISON: Readonly<Partial<Record<BinaryExprOp, Binary>>> = {
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
}

/** The function of a binary operator on two arguments of `type`. */
export function binaryFunction(op: BinaryExprOp, type: ScalarType, float64: boolean): Binary {
  const comparison = COMPARISON[op]
  if (comparison !== undefined) return comparison
  if (op === 'shr') return type === 'i32' ? (a, b) => a >> (b & 31) : (a, b) => a >>> (b & 31)
  const exact = (type === 'f32' ? FLOAT_BINARY : INTEGER_BINARY)[op]
  if (exact === undefined) throw new InternalError(`reference: no operator ${op} on ${type}`)
  const rounded = type === 'f32' ? floatRounding(float64) : wrap(type)
  return (a, b) => rounded(exact(a, b))
}
