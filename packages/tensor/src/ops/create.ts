/** Tensors from data and from formulas. */
import { dtypeBytes, isFloat, isInteger, type DType } from '../dtype.js'
import { broadcast, castTo, compare, iota, scalarConst, select } from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { showShape, sizeOf } from '../shape.js'
import { coordinates, constant, isLess, minus, plus, times } from './build.js'
import {
  argumentError,
  dtypeError,
  requireCount,
  requireDType,
  requireElement,
  requireNumber,
  requireShape,
  requireTensor,
  shapeError,
  show,
} from './check.js'
import { bytesOf, flatten, type TensorInput } from './hostData.js'
import { checkOptions } from './options.js'

function readyTensor(shape: readonly number[], dtype: DType, bytes: Uint8Array): Tensor {
  const made = new Tensor({ shape: [...shape], dtype }, null, 0)
  made.storage = { kind: 'host', bytes }
  return made
}

/**
 * A tensor of data in host memory; the data is copied.
 *
 * @param data a number, a boolean, nested arrays of them, or a typed array
 * @param options `shape`: default that of the nesting, or one axis for a typed array; `dtype`: default f32 for
 *   numbers, bool for booleans, that of the typed array (f64 becomes f32)
 * @throws ShapeError for ragged arrays or a shape of another size
 * @throws ArgumentError for an element that the dtype cannot hold
 */
export function tensor(data: TensorInput, options: { shape?: readonly number[]; dtype?: DType } = {}): Tensor {
  const { shape, dtype } = checkOptions('tensor', options, ['dtype', 'shape'])
  if (dtype !== undefined) requireDType('tensor', dtype)
  if (shape !== undefined) requireShape('tensor', shape)
  const flat = flatten(data)
  const target = shape ?? flat.shape
  if (sizeOf(target) !== flat.values.length)
    throw shapeError(
      'tensor',
      'shape must have as many elements as the data',
      `${flat.values.length} elements for shape ${showShape(target)}`,
      'change the shape',
    )
  const kind = dtype ?? flat.dtype
  return readyTensor(target, kind, bytesOf(flat.values, kind))
}

/** @throws ArgumentError for anything but a Uint8Array; other typed arrays would be converted number by number */
export function requireBytes(op: string, bytes: unknown): void {
  if (Object.prototype.toString.call(bytes) !== '[object Uint8Array]')
    throw argumentError(
      op,
      'the bytes must be a Uint8Array',
      show(bytes),
      bytes instanceof Promise
        ? 'await it first'
        : 'make one, as in new Uint8Array(array.buffer, array.byteOffset, array.byteLength)',
    )
}

/**
 * A tensor of bytes in the storage layout of its dtype: row-major, little-endian.
 *
 * @param options `copy`: default true; with false the bytes must never be changed afterwards
 * @throws ShapeError when their number does not fit the shape
 */
export function fromBytes(
  bytes: Uint8Array,
  options: { shape: readonly number[]; dtype: DType; copy?: boolean },
): Tensor {
  requireBytes('fromBytes', bytes)
  const {
    shape,
    dtype,
    copy = true,
  } = checkOptions('fromBytes', options, ['shape', 'dtype', 'copy'], ['shape', 'dtype'])
  requireDType('fromBytes', dtype)
  requireShape('fromBytes', shape)
  const expected = sizeOf(shape) * dtypeBytes(dtype)
  if (bytes.byteLength !== expected)
    throw shapeError(
      'fromBytes',
      `${dtype}${showShape(shape)} takes ${expected} bytes`,
      `${bytes.byteLength}`,
      'change shape or dtype',
    )
  // Not bytes.slice(): on Node's Buffer that is a view of the same memory.
  return readyTensor(shape, dtype, copy ? new Uint8Array(bytes) : bytes)
}

const DTYPE = ['dtype'] as const

function requireScalar(op: string, value: unknown): void {
  if (typeof value !== 'number' && typeof value !== 'boolean')
    throw argumentError(op, 'the value must be a number or a boolean', show(value), 'give lists of them to tensor(…)')
}

/** A rank-0 tensor with a value of its own: unlike a number it is a run-time argument of a compiled function. */
export function scalar(value: number | boolean, options: { dtype?: DType } = {}): Tensor {
  requireScalar('scalar', value)
  const { dtype = typeof value === 'boolean' ? 'bool' : 'f32' } = checkOptions('scalar', options, DTYPE)
  return tensor(value, { dtype })
}

/** A tensor filled with one value. */
export function full(shape: readonly number[], value: number | boolean, options: { dtype?: DType } = {}): Tensor {
  requireScalar('full', value)
  const { dtype = typeof value === 'boolean' ? 'bool' : 'f32' } = checkOptions('full', options, DTYPE)
  return filled('full', shape, Number(value), dtype)
}

function filled(op: string, shape: readonly number[], value: number, dtype: DType): Tensor {
  requireDType(op, dtype)
  requireShape(op, shape)
  requireElement(op, value, dtype)
  return broadcast(scalarConst(value, dtype), shape)
}

/** A tensor of zeros; false in dtype bool. @throws ShapeError for a size that is no whole number of at least 0 */
export function zeros(shape: readonly number[], options: { dtype?: DType } = {}): Tensor {
  requireShape('zeros', shape)
  return filled('zeros', shape, 0, checkOptions('zeros', options, DTYPE).dtype ?? 'f32')
}

/** A tensor of ones; true in dtype bool. @throws ShapeError for a size that is no whole number of at least 0 */
export function ones(shape: readonly number[], options: { dtype?: DType } = {}): Tensor {
  requireShape('ones', shape)
  return filled('ones', shape, 1, checkOptions('ones', options, DTYPE).dtype ?? 'f32')
}

/** Zeros of the shape and dtype of x. */
export function zerosLike(x: Tensor): Tensor {
  requireTensor('zerosLike', x)
  return constant(0, x)
}

/** Ones of the shape and dtype of x. */
export function onesLike(x: Tensor): Tensor {
  requireTensor('onesLike', x)
  return constant(1, x)
}

/** One value in the shape and dtype of x. */
export function fullLike(x: Tensor, value: number): Tensor {
  requireTensor('fullLike', x)
  return filled('fullLike', x.shape, value, x.dtype)
}

interface ArangeOptions {
  readonly step?: number
  readonly dtype?: DType
}

/** 0, 1 … up to, not including, `stop`. */
export function arange(stop: number, options?: ArangeOptions): Tensor
/** start, start + step … up to, not including, `stop`. @throws ArgumentError for step 0 or an element that the dtype cannot hold */
export function arange(start: number, stop: number, options?: ArangeOptions): Tensor
export function arange(first: number, second?: number | ArangeOptions, third: ArangeOptions = {}): Tensor {
  const onlyStop = typeof second !== 'number'
  const [start, stop] = onlyStop ? [0, first] : [first, second]
  const { step = 1, dtype = 'i32' } = checkOptions('arange', onlyStop ? second : third, ['dtype', 'step'])
  requireDType('arange', dtype)
  if (!Number.isFinite(start) || !Number.isFinite(stop) || !Number.isFinite(step) || step === 0)
    throw argumentError(
      'arange',
      'start, stop and step must be finite and step not 0',
      `${show(start)}, ${show(stop)} and ${show(step)}`,
      'change them',
    )
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (isFloat(dtype)) return castTo(plus(times(iota(count, 'f32'), step), start), dtype)
  return integerRange(start, step, count, dtype)
}

function integerRange(start: number, step: number, count: number, dtype: DType): Tensor {
  if (!isInteger(dtype)) throw dtypeError('arange', 'dtype must be a number type', dtype, "use 'i32'")
  if (!Number.isInteger(start) || !Number.isInteger(step))
    throw argumentError(
      'arange',
      `start and step must be integers for ${dtype}`,
      `${start} and ${step}`,
      "give dtype 'f32'",
    )
  if (count > 0) [start, start + step * (count - 1)].forEach((value) => requireElement('arange', value, dtype))
  // Computed in i32 and reread: the bits of wrapping sums are the same for every integer type.
  const wrapped = plus(times(iota(count, 'i32'), step | 0), start | 0)
  return castTo(wrapped, dtype)
}

/** `num` f32 values from start to stop, both ends included. */
export function linspace(start: number, stop: number, num: number): Tensor {
  requireCount('linspace', 'num', num)
  requireNumber('linspace', 'start', start)
  requireNumber('linspace', 'stop', stop)
  const step = num > 1 ? (stop - start) / (num - 1) : 0
  const index = iota(num, 'f32')
  if (num === 1) return broadcast(scalarConst(start, 'f32'), [1])
  // From both ends, so that the last value is exactly `stop` and errors stay small.
  const ascending = plus(times(index, step), start)
  const descending = minus(constant(stop, index), times(minus(constant(num - 1, index), index), step))
  return select(isLess(index, num / 2), ascending, descending)
}

interface BandOptions {
  /** Columns; default n. */
  readonly m?: number
  /** Diagonal; 0 is the main one, positive ones lie above. */
  readonly k?: number
  readonly dtype?: DType
}

function band(op: string, relation: 'eq' | 'le', n: number, options: BandOptions, usual: DType): Tensor {
  const { m = n, k = 0, dtype = usual } = checkOptions(op, options, ['dtype', 'm', 'k'])
  requireCount(op, 'n', n)
  requireCount(op, 'm', m)
  requireDType(op, dtype)
  if (!Number.isInteger(k)) throw argumentError(op, 'k must be an integer', show(k), 'change k')
  return castTo(compare(relation, coordinates([n, m], 1), plus(coordinates([n, m], 0), k)), dtype)
}

/** Ones where j = i + k, else zeros; [n, m]. */
export function eye(n: number, options: BandOptions = {}): Tensor {
  return band('eye', 'eq', n, options, 'f32')
}

/** True (ones) where j ≤ i + k: with k = 0 the causal mask; [n, m]. */
export function tri(n: number, options: BandOptions = {}): Tensor {
  return band('tri', 'le', n, options, 'bool')
}
