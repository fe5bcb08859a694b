/** Comparisons, logic and bits. */
import { isInteger } from '../dtype.js'
import type { BinaryName, CompareName } from '../graph/primitive.js'
import { binary, compare, unary } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { constant } from './build.js'
import {
  broadcastOperands,
  dtypeError,
  requireBool,
  requireFloat,
  requireInteger,
  requireNumeric,
  showAll,
  type Operand,
} from './check.js'

function order(op: string, primitive: CompareName, a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands(op, [a, b])
  requireNumeric(op, x, y)
  return compare(primitive, x, y)
}

/** a = b, also for bool. */
export function equal(a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands('equal', [a, b])
  return x.dtype === 'bool' ? unary('not', binary('xor', x, y)) : compare('eq', x, y)
}

/** a ≠ b, also for bool; NaN differs from everything. */
export function notEqual(a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands('notEqual', [a, b])
  return x.dtype === 'bool' ? binary('xor', x, y) : compare('ne', x, y)
}

/** a < b. */
export function less(a: Operand, b: Operand): Tensor {
  return order('less', 'lt', a, b)
}

/** a ≤ b. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return order('lessEqual', 'le', a, b)
}

/** a > b. */
export function greater(a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands('greater', [a, b])
  requireNumeric('greater', x, y)
  return compare('lt', y, x)
}

/** a ≥ b. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands('greaterEqual', [a, b])
  requireNumeric('greaterEqual', x, y)
  return compare('le', y, x)
}

/** Whether elements are NaN: bool. @throws DTypeError unless x is a float tensor */
export function isNaN(x: Tensor): Tensor {
  requireFloat('isNaN', x)
  return compare('ne', x, x)
}

/** Infinite of either sign. */
export function isInf(x: Tensor): Tensor {
  requireFloat('isInf', x)
  return compare('eq', unary('abs', x), constant(Infinity, x))
}

/** Neither infinite nor NaN. */
export function isFinite(x: Tensor): Tensor {
  requireFloat('isFinite', x)
  return compare('lt', unary('abs', x), constant(Infinity, x))
}

function logic(op: string, primitive: BinaryName, a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands(op, [a, b])
  requireBool(op, x, y)
  return binary(primitive, x, y)
}

/** Both are true; operands are bool and broadcast. @throws DTypeError for other dtypes */
export function logicalAnd(a: Operand, b: Operand): Tensor {
  return logic('logicalAnd', 'and', a, b)
}

/** One or both are true; operands are bool and broadcast. @throws DTypeError for other dtypes */
export function logicalOr(a: Operand, b: Operand): Tensor {
  return logic('logicalOr', 'or', a, b)
}

/** Exactly one is true; operands are bool and broadcast. @throws DTypeError for other dtypes */
export function logicalXor(a: Operand, b: Operand): Tensor {
  return logic('logicalXor', 'xor', a, b)
}

/** True becomes false and false true. @throws DTypeError unless x is bool */
export function logicalNot(x: Tensor): Tensor {
  requireBool('logicalNot', x)
  return unary('not', x)
}

function bits(op: string, primitive: BinaryName, a: Operand, b: Operand): Tensor {
  const [x, y] = broadcastOperands(op, [a, b])
  if (!isInteger(x.dtype))
    throw dtypeError(op, 'operands must be i32, u32, i8 or u8', showAll([a, b]), 'cast or bitcast them first')
  return binary(primitive, x, y)
}

/** Bits set in both; operands are integers of one dtype and broadcast. @throws DTypeError for other dtypes */
export function bitwiseAnd(a: Operand, b: Operand): Tensor {
  return bits('bitwiseAnd', 'and', a, b)
}

/** Bits set in one or both; operands are integers of one dtype and broadcast. @throws DTypeError for other dtypes */
export function bitwiseOr(a: Operand, b: Operand): Tensor {
  return bits('bitwiseOr', 'or', a, b)
}

/** Bits set in exactly one; operands are integers of one dtype and broadcast. @throws DTypeError for other dtypes */
export function bitwiseXor(a: Operand, b: Operand): Tensor {
  return bits('bitwiseXor', 'xor', a, b)
}

/** Every bit flipped. @throws DTypeError unless x is an integer tensor */
export function bitwiseNot(x: Tensor): Tensor {
  requireInteger('bitwiseNot', x)
  return unary('not', x)
}

/** a · 2ᵇ, wrapping; the count is taken modulo 32. */
export function shiftLeft(a: Operand, b: Operand): Tensor {
  return bits('shiftLeft', 'shl', a, b)
}

/** Arithmetic for signed, logical for unsigned integers; the count is taken modulo 32. */
export function shiftRight(a: Operand, b: Operand): Tensor {
  return bits('shiftRight', 'shr', a, b)
}
