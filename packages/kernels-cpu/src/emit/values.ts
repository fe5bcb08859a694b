/** Pushes the value of an expression as one v128: floats, integers or a mask in each 32-bit lane. */
import { InternalError, type Expr, type ScalarType } from '@tarazed/tensor'
import { floatBits } from '../wasm/bytes.js'
import { V128, type Code } from '../wasm/code.js'
import type { SIMD } from '../wasm/opcodes.js'
import { pushIntegerDivision } from './integerDivision.js'
import { pushCachedAddress, pushLoad } from './memory.js'
import { floatToHalf, halfToFloat, roundToBfloat } from './narrow.js'
import { DESC, isSplat, withLocal } from './context.js'
import type { Scope } from './scope.js'

type SimdOp = keyof typeof SIMD

/** Pushes a value; one that is asked for more than once in the scope is kept in a local. */
export function pushValue(scope: Scope, id: number): void {
  const { code } = scope.context
  const known = scope.find(id)
  if (known && 'local' in known) return code.get(known.local)
  if (known) code.simdMemory('load', pushCachedAddress(scope, known.cached))
  else pushOperation(scope, scope.context.step.exprs[id])
  if (!scope.isShared(id)) return
  const local = scope.own(V128)
  code.tee(local)
  scope.set(id, { local })
}

/** Computes a value now and keeps it in a local of the scope. */
export function defineValue(scope: Scope, id: number): number {
  const known = scope.find(id)
  if (known && 'local' in known) return known.local
  pushValue(scope, id)
  const shared = scope.find(id)
  if (shared && 'local' in shared) {
    scope.context.code.drop()
    return shared.local
  }
  const local = scope.own(V128)
  scope.context.code.set(local)
  scope.set(id, { local })
  return local
}

/** Pushes the value of a splat as an i32 (its first lane). */
export function pushScalar(scope: Scope, id: number): void {
  const expr = scope.context.step.exprs[id]
  if (expr.op === 'const') return scope.context.code.i32(constantBits(expr.type, expr.value))
  pushValue(scope, id)
  scope.context.code.simdLane('i32Extract', 0)
}

function constantBits(type: ScalarType, value: number): number {
  if (type === 'f32') return floatBits(value)
  return type === 'bool' ? (value === 0 ? 0 : -1) : value | 0
}

function pushOperation(scope: Scope, expr: Expr): void {
  const { code } = scope.context
  switch (expr.op) {
    case 'const':
      return code.splatBits(constantBits(expr.type, expr.value))
    case 'param':
      return pushParam(scope, expr.type, expr.param)
    case 'index':
      return pushIndex(scope, expr.axis)
    case 'load':
      return pushLoad(scope, expr)
    case 'reduce':
      throw new InternalError('kernel emitter: a reduction was read before its phase')
    case 'select':
      return pushSelect(scope, expr.args)
    case 'fma':
      return pushFma(scope, expr.args)
    case 'round':
      pushValue(scope, expr.args[0])
      return pushRound(code, expr.to)
    default:
      if (expr.args.length === 1) return pushUnary(scope, expr.op, expr.type, expr.args[0])
      return pushBinary(scope, expr.op, expr.args[0], expr.args[1])
  }
}

function pushParam(scope: Scope, type: ScalarType, param: number): void {
  const { code, bases } = scope.context
  code.get(DESC)
  code.simdMemory('load32Splat', 4 * (bases.length + param))
  if (type !== 'bool') return
  code.splatBits(0)
  code.simd('i32Ne')
}

function pushIndex(scope: Scope, axis: number): void {
  const { code, outerIndex, vectorAxis } = scope.context
  const coordinate = scope.position.coordinates.find((term) => term.axis === axis)
  if (!coordinate) {
    const local = outerIndex[axis]
    if (local === undefined) throw new InternalError('kernel emitter: an axis has no coordinate here')
    code.get(local)
  } else if (coordinate.local === undefined) code.i32(coordinate.constant)
  else {
    code.get(coordinate.local)
    code.intWith('add', coordinate.constant)
  }
  code.simd('i32Splat')
  if (axis !== vectorAxis) return
  code.words(0, 1, 2, 3)
  code.simd('i32Add')
}

/**
 * Choosing the larger or smaller of two floats by one comparison is a single instruction (`pmax(a, b)` is a < b ? b : a).
 * Masks are all ones or all zeros in a lane, so the relaxed selection, a blend on x86, is exact.
 */
function pushSelect(scope: Scope, [condition, yes, no]: readonly [number, number, number]): void {
  const { code, step, relaxed } = scope.context
  const test = step.exprs[condition]
  if (test.op === 'lt' && step.exprs[yes].type === 'f32' && !scope.find(condition)) {
    const [left, right] = test.args
    if ((left === no && right === yes) || (left === yes && right === no)) {
      pushValue(scope, no)
      pushValue(scope, yes)
      return code.simd(left === no ? 'f32PMax' : 'f32PMin')
    }
  }
  pushValue(scope, yes)
  pushValue(scope, no)
  pushValue(scope, condition)
  code.simd(relaxed ? 'i32RelaxedLaneselect' : 'bitselect')
}

function pushFma(scope: Scope, args: readonly [number, number, number]): void {
  const { code, relaxed } = scope.context
  pushValue(scope, args[0])
  pushValue(scope, args[1])
  if (!relaxed) code.simd('f32Mul')
  pushValue(scope, args[2])
  code.simd(relaxed ? 'f32RelaxedMadd' : 'f32Add')
}

function pushRound(code: Code, to: 'f16' | 'bf16' | 'i8' | 'u8'): void {
  switch (to) {
    case 'f16':
      floatToHalf(code)
      return halfToFloat(code)
    case 'bf16':
      return roundToBfloat(code)
    case 'i8':
      code.i32(24)
      code.simd('i32Shl')
      code.i32(24)
      return code.simd('i32ShrS')
    case 'u8':
      code.splatBits(0xff)
      return code.simd('and')
    default:
      to satisfies never
  }
}

const FLOAT_UNARY: Partial<Record<string, SimdOp>> = {
  neg: 'f32Neg',
  abs: 'f32Abs',
  sqrt: 'f32Sqrt',
  floor: 'f32Floor',
  ceil: 'f32Ceil',
  rint: 'f32Nearest',
  trunc: 'f32Trunc',
}

const INTEGER_UNARY: Partial<Record<string, SimdOp>> = { neg: 'i32Neg', abs: 'i32Abs', not: 'not' }

function pushUnary(scope: Scope, op: string, type: ScalarType, argument: number): void {
  const { code, step } = scope.context
  const from = step.exprs[argument].type
  pushValue(scope, argument)
  if (op.startsWith('bitsTo')) return
  if (op === 'toBool') return pushToBool(code, from)
  if (op === 'toF32' || op === 'toI32' || op === 'toU32') return pushConversion(code, from, type)
  const simd = (from === 'f32' ? FLOAT_UNARY : INTEGER_UNARY)[op]
  if (!simd) throw new InternalError(`kernel emitter: no ${op} of ${from}`)
  code.simd(simd)
}

function pushToBool(code: Code, from: ScalarType): void {
  if (from === 'bool') return
  code.splatBits(0)
  code.simd(from === 'f32' ? 'f32Ne' : 'i32Ne')
}

function pushConversion(code: Code, from: ScalarType, to: ScalarType): void {
  if (from === 'bool') {
    code.splatBits(to === 'f32' ? floatBits(1) : 1)
    return code.simd('and')
  }
  if (to === 'f32') {
    if (from !== 'f32') code.simd(from === 'u32' ? 'f32ConvertI32U' : 'f32ConvertI32S')
    return
  }
  if (from === 'f32') code.simd(to === 'u32' ? 'i32TruncF32U' : 'i32TruncF32S')
}

const FLOAT_BINARY: Partial<Record<string, SimdOp>> = {
  add: 'f32Add',
  sub: 'f32Sub',
  mul: 'f32Mul',
  div: 'f32Div',
  min: 'f32Min',
  max: 'f32Max',
  eq: 'f32Eq',
  ne: 'f32Ne',
  lt: 'f32Lt',
  le: 'f32Le',
}

const SIGNED_BINARY: Partial<Record<string, SimdOp>> = {
  add: 'i32Add',
  sub: 'i32Sub',
  mul: 'i32Mul',
  min: 'i32MinS',
  max: 'i32MaxS',
  and: 'and',
  or: 'or',
  xor: 'xor',
  eq: 'i32Eq',
  ne: 'i32Ne',
  lt: 'i32LtS',
  le: 'i32LeS',
}

const UNSIGNED_BINARY = { ...SIGNED_BINARY, min: 'i32MinU', max: 'i32MaxU', lt: 'i32LtU', le: 'i32LeU' } as const

/** Masks are -1 for true, so as unsigned numbers false < true. */
const BOOL_BINARY: Partial<Record<string, SimdOp>> = {
  and: 'and',
  or: 'or',
  xor: 'xor',
  eq: 'i32Eq',
  ne: 'xor',
  lt: 'i32LtU',
  le: 'i32LeU',
  min: 'and',
  max: 'or',
}

/** The instruction of a binary operator, where there is one. */
export function binaryInstruction(op: string, type: ScalarType): SimdOp | undefined {
  switch (type) {
    case 'f32':
      return FLOAT_BINARY[op]
    case 'i32':
      return SIGNED_BINARY[op]
    case 'u32':
      return (UNSIGNED_BINARY as Partial<Record<string, SimdOp>>)[op]
    case 'bool':
      return BOOL_BINARY[op]
  }
}

function pushBinary(scope: Scope, op: string, left: number, right: number): void {
  const { code, step } = scope.context
  const type = step.exprs[left].type
  if (op === 'shl' || op === 'shr') return pushShift(scope, op, type, left, right)
  if ((op === 'min' || op === 'max') && type === 'f32' && pushLimited(scope, op, left, right)) return
  pushValue(scope, left)
  pushValue(scope, right)
  if ((op === 'div' || op === 'rem') && type !== 'f32') return pushIntegerDivision(code, op, type === 'u32')
  const simd = binaryInstruction(op, type)
  if (!simd) throw new InternalError(`kernel emitter: no ${op} of ${type}`)
  code.simd(simd)
}

/**
 * A float limited by a number: `pmin(x, c)` is c < x ? c : x, which keeps NaN; `f32x4.min` takes nine instructions on x86.
 * Not for zeros, which have two signs, and NaN, which would have to win.
 */
function pushLimited(scope: Scope, op: 'min' | 'max', left: number, right: number): boolean {
  const { code, step } = scope.context
  const isLimit = (id: number): boolean => {
    const expr = step.exprs[id]
    return expr.op === 'const' && expr.value !== 0 && !Number.isNaN(expr.value)
  }
  if (!isLimit(left) && !isLimit(right)) return false
  pushValue(scope, isLimit(right) ? left : right)
  pushValue(scope, isLimit(right) ? right : left)
  code.simd(op === 'min' ? 'f32PMin' : 'f32PMax')
  return true
}

/** The machine takes the count modulo 32, but one count for all lanes: where counts differ, lanes are shifted one by one. */
function pushShift(scope: Scope, op: 'shl' | 'shr', type: ScalarType, left: number, right: number): void {
  const { code } = scope.context
  pushValue(scope, left)
  if (isSplat(scope.context, right)) {
    pushScalar(scope, right)
    return code.simd(op === 'shl' ? 'i32Shl' : type === 'u32' ? 'i32ShrU' : 'i32ShrS')
  }
  withLocal(code, V128, (value) =>
    withLocal(code, V128, (count) => {
      code.set(value)
      pushValue(scope, right)
      code.set(count)
      code.splatBits(0)
      for (let lane = 0; lane < 4; lane++) {
        code.get(value)
        code.simdLane('i32Extract', lane)
        code.get(count)
        code.simdLane('i32Extract', lane)
        code.int(op === 'shl' ? 'shl' : type === 'u32' ? 'shrU' : 'shrS')
        code.simdLane('i32Replace', lane)
      }
    }),
  )
}
