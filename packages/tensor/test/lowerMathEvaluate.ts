/** Evaluates the basic operators of a fused step on columns of values, with fma rounded once or twice. */
import type { Expr, FusedStep } from '../src/program/ir.js'

export type FmaMode = 'one rounding' | 'two roundings'

type Column = Float32Array | Int32Array | Uint8Array

/** The value of the step's first store for each row of `columns` (one f32 column per operand). */
export function evaluateStep(step: FusedStep, columns: readonly Float32Array[], mode: FmaMode): Float32Array {
  const values: Column[] = []
  for (const expr of step.exprs) values.push(evaluateExpr(expr, values, columns, mode))
  return values[step.stores[0].value] as Float32Array
}

function evaluateExpr(expr: Expr, values: readonly Column[], inputs: readonly Float32Array[], mode: FmaMode): Column {
  const count = inputs[0].length
  switch (expr.op) {
    case 'const':
      return newColumn(expr.type, count).fill(expr.value)
    case 'load':
      return inputs[expr.operand]
    case 'fma':
    case 'select': {
      const [a, b, c] = expr.args.map((arg) => values[arg])
      const result = newColumn(expr.type, count)
      const combine = expr.op === 'select' ? select : mode === 'one rounding' ? fusedMultiplyAdd : multiplyThenAdd
      for (let i = 0; i < count; i++) result[i] = combine(a[i], b[i], c[i])
      return result
    }
    case 'param':
    case 'index':
    case 'reduce':
    case 'round':
      throw new Error(`not part of a math function: ${expr.op}`)
    default:
      return evaluateOperator(expr, values)
  }
}

type Operator = Extract<Expr, { args: readonly [number] | readonly [number, number] }>

function evaluateOperator(expr: Operator, values: readonly Column[]): Column {
  const a = values[expr.args[0]]
  if (expr.op === 'bitsToI32') return new Int32Array(a.slice().buffer)
  if (expr.op === 'bitsToF32') return new Float32Array(a.slice().buffer)
  const b = expr.args.length > 1 ? values[expr.args[1] as number] : a
  const isInteger = a instanceof Int32Array
  const operator = isInteger ? INTEGER[expr.op] : FLOAT[expr.op]
  if (operator === undefined) throw new Error(`${expr.op} was not lowered`)
  const result = newColumn(expr.type, a.length)
  for (let i = 0; i < a.length; i++) result[i] = operator(a[i], b[i])
  return result
}

/** Storing into the typed array rounds: the float64 result of + - * / sqrt on f32 rounds to the same f32 as the exact one. */
const FLOAT: Record<string, ((a: number, b: number) => number) | undefined> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  not: (a) => 1 - a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  // of bools
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
}

const INTEGER: Record<string, ((a: number, b: number) => number) | undefined> = {
  toF32: (a) => a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  shl: (a, b) => a << b,
  shr: (a, b) => a >> b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
}

function newColumn(type: string, count: number): Column {
  return type === 'f32' ? new Float32Array(count) : type === 'i32' ? new Int32Array(count) : new Uint8Array(count)
}

function select(condition: number, yes: number, no: number): number {
  return condition !== 0 ? yes : no
}

function multiplyThenAdd(a: number, b: number, c: number): number {
  return Math.fround(a * b) + c
}

const doubleValue = new Float64Array(1)
const doubleWords = new Uint32Array(doubleValue.buffer)

/** a·b + c of f32 values rounded once: the float64 sum is rounded to odd first, so that the second rounding is harmless. */
function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const product = a * b
  const sum = product + c
  if (!Number.isFinite(sum)) return sum
  const shadow = sum - product
  const lost = product - (sum - shadow) + (c - shadow)
  doubleValue[0] = sum
  if (lost === 0 || (doubleWords[0] & 1) === 1) return Math.fround(sum)
  if (lost > 0 === sum > 0) doubleWords[0] |= 1
  else if (doubleWords[0] === 0) {
    doubleWords[0] = 0xffffffff
    doubleWords[1] -= 1
  } else doubleWords[0] -= 1
  return Math.fround(doubleValue[0])
}
