/** Elementwise primitives. */
import { isFloat, isInteger, type DType } from '../../dtype.js'
import type { BinaryName, CompareName, UnaryName } from '../../graph/primitive.js'
import { extremes, floatToInteger, roundHalfEven, wrapInteger } from './rounding.js'
import { erf, erfInv } from './special.js'
import type { Value } from './value.js'

const UNARY: Record<UnaryName, (x: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundHalfEven,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  expm1: Math.expm1,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  erfInv,
  not: (x) => ~x,
}

export function unaryData(op: UnaryName, x: Value): Float64Array {
  if (op === 'not' && x.dtype === 'bool') return x.data.map((v) => 1 - v)
  const f = UNARY[op]
  const integer = isInteger(x.dtype)
  return x.data.map((v) => (integer ? wrapInteger(f(v), x.dtype) : f(v)))
}

/** C's pow: JavaScript gives NaN for 1^NaN and (±1)^±Infinity. */
function power(x: number, y: number): number {
  if (x === 1 || y === 0) return 1
  if (x === -1 && !Number.isFinite(y) && !Number.isNaN(y)) return 1
  return x ** y
}

/** Which integer kernels: narrow integers are computed in 32 bits and wrapped. */
const INTEGER: Record<BinaryName, (a: number, b: number, unsigned: boolean) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => Math.imul(a, b),
  div: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
  pow: (a, b) => integerPower(a, b),
  minimum: (a, b) => Math.min(a, b),
  maximum: (a, b) => Math.max(a, b),
  rem: (a, b) => (b === 0 ? 0 : a % b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << (b & 31),
  shr: (a, b, unsigned) => (unsigned ? a >>> (b & 31) : a >> (b & 31)),
}

function integerPower(base: number, exponent: number): number {
  let result = 1
  for (let k = 0; k < exponent; k++) result = Math.imul(result, base)
  return result
}

function floatBinary(op: BinaryName, a: number, b: number): number {
  switch (op) {
    case 'add':
      return a + b
    case 'sub':
      return a - b
    case 'mul':
      return a * b
    case 'div':
      return a / b
    case 'pow':
      return power(a, b)
    case 'minimum':
      return Math.min(a, b)
    case 'maximum':
      return Math.max(a, b)
    default:
      throw new Error(`interpret: ${op} takes integers or bool, got floats`)
  }
}

export function binaryData(op: BinaryName, a: Value, b: Value): Float64Array {
  const dtype = a.dtype
  if (isFloat(dtype)) return a.data.map((v, k) => floatBinary(op, v, b.data[k]))
  const unsigned = dtype === 'u32' || dtype === 'u8'
  return a.data.map((v, k) => wrapInteger(INTEGER[op](v, b.data[k], unsigned), dtype))
}

const COMPARE: Record<CompareName, (a: number, b: number) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
}

export function compareData(op: CompareName, a: Value, b: Value): Float64Array {
  return a.data.map((v, k) => (COMPARE[op](v, b.data[k]) ? 1 : 0))
}

export function castData(x: Value, to: DType): Float64Array {
  if (to === 'bool') return x.data.map((v) => (v === 0 ? 0 : 1))
  if (isFloat(to)) return x.data.slice()
  return x.data.map((v) => (isFloat(x.dtype) ? floatToInteger(v, to) : wrapInteger(v, to)))
}

export function bitcastData(x: Value, to: DType): Float64Array {
  const from = viewOf(x.dtype, new ArrayBuffer(4 * x.data.length))
  from.set(x.data)
  return Float64Array.from(viewOf(to, from.buffer as ArrayBuffer))
}

function viewOf(dtype: DType, buffer: ArrayBuffer): Float32Array | Int32Array | Uint32Array {
  if (dtype === 'f32') return new Float32Array(buffer)
  return dtype === 'i32' ? new Int32Array(buffer) : new Uint32Array(buffer)
}

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
]

/**
 * Threefry-2x32 with 20 rounds.
 * @source Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 */
export function threefryBlock(k0: number, k1: number, x0: number, x1: number): [number, number] {
  const keys = [k0, k1, (k0 ^ k1 ^ 0x1bd11bda) >>> 0]
  let a = (x0 + k0) >>> 0
  let b = (x1 + k1) >>> 0
  for (let group = 0; group < 5; group++) {
    for (const bits of ROTATIONS[group % 2]) {
      a = (a + b) >>> 0
      b = (((b << bits) | (b >>> (32 - bits))) ^ a) >>> 0
    }
    a = (a + keys[(group + 1) % 3]) >>> 0
    b = (b + keys[(group + 2) % 3] + group + 1) >>> 0
  }
  return [a, b]
}

/** The identity of a fold over a dtype. */
export function foldStart(kind: 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all', dtype: DType): number {
  switch (kind) {
    case 'sum':
    case 'any':
      return 0
    case 'prod':
    case 'all':
      return 1
    case 'max':
      return extremes(dtype)[0]
    case 'min':
      return extremes(dtype)[1]
  }
}

export function foldStep(
  kind: 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all',
  dtype: DType,
): (a: number, b: number) => number {
  const integer = isInteger(dtype)
  switch (kind) {
    case 'sum':
      return (a, b) => (integer ? wrapInteger(a + b, dtype) : a + b)
    case 'prod':
      return (a, b) => (integer ? wrapInteger(Math.imul(a, b), dtype) : a * b)
    case 'max':
      return (a, b) => Math.max(a, b)
    case 'min':
      return (a, b) => Math.min(a, b)
    case 'any':
      return (a, b) => (a !== 0 || b !== 0 ? 1 : 0)
    case 'all':
      return (a, b) => (a !== 0 && b !== 0 ? 1 : 0)
  }
}
