/** JavaScript data to flat values and to bytes in storage layout. */
import { dtypeBytes, type DType } from '../dtype.js'
import { Tensor } from '../graph/tensor.js'
import { f32ToBf16BitsArray, f32ToF16BitsArray } from '../program/float16.js'
import { argumentError, dtypeError, requireElement, shapeError, show } from './check.js'

/** Typed arrays whose numbers `tensor(…)` takes; their values are converted, not their bytes. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | BigInt64Array
  | BigUint64Array

/** Arrays of numbers or booleans, nested to one depth with rows of equal length. */
export type NestedInput = readonly (number | boolean | NestedInput)[]

/** What `tensor(…)` takes. */
export type TensorInput = number | boolean | NestedInput | NumberArray

export interface FlatData {
  readonly values: ArrayLike<number | boolean> | NumberArray
  readonly shape: readonly number[]
  /** What it becomes when no dtype is asked for. */
  readonly dtype: DType
}

/** @throws ShapeError for ragged arrays */
export function flatten(data: TensorInput): FlatData {
  if (ArrayBuffer.isView(data))
    return { values: data as NumberArray, shape: [data.length], dtype: dtypeOfArray(data as NumberArray) }
  const shape: number[] = []
  for (let level: unknown = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length)
    if (level.length === 0) break
  }
  const values: (number | boolean)[] = []
  collect(data, shape, 0, values)
  return { values, shape, dtype: typeof values[0] === 'boolean' ? 'bool' : 'f32' }
}

function collect(data: unknown, shape: readonly number[], depth: number, values: (number | boolean)[]): void {
  if (depth === shape.length) {
    if (typeof data !== 'number' && typeof data !== 'boolean')
      throw Array.isArray(data)
        ? shapeError(
            'tensor',
            'nested arrays must be regular',
            `${show(data)} where a number stood before`,
            'make all rows equally deep',
          )
        : argumentError('tensor', 'data must be numbers or booleans', show(data), wayToNumbers(data))
    values.push(data)
    return
  }
  if (!Array.isArray(data) || data.length !== shape[depth])
    throw shapeError(
      'tensor',
      `nested arrays must be regular: axis ${depth} has ${shape[depth]} elements`,
      show(data),
      'make all rows equally long',
    )
  for (const child of data) collect(child, shape, depth + 1, values)
}

function wayToNumbers(data: unknown): string {
  if (data instanceof Tensor) return 'it is a tensor already: join several with stack(…), change its dtype with cast'
  return data instanceof Promise ? 'await it first' : 'convert it first'
}

function dtypeOfArray(data: NumberArray): DType {
  if (data instanceof Float32Array || data instanceof Float64Array) return 'f32'
  if (data instanceof Int32Array || data instanceof Int16Array || data instanceof BigInt64Array) return 'i32'
  if (data instanceof Uint32Array || data instanceof BigUint64Array) return 'u32'
  if (data instanceof Int8Array) return 'i8'
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return 'u8'
  // Float16Array, where the engine has it, cannot be named in the types of older ones.
  if ((data as object).constructor.name === 'Float16Array') return 'f16'
  if (data instanceof Uint16Array)
    throw dtypeError(
      'tensor',
      'a Uint16Array needs a dtype',
      'none',
      "give dtype 'u32' for its values, or use fromBytes for raw f16 or bf16",
    )
  throw dtypeError('tensor', 'data must be numbers', show(data), 'convert it to a typed array of numbers')
}

type WholeArray = Int32Array | Uint32Array | Int8Array | Uint8Array

const HOST_ARRAY: Record<Exclude<DType, 'f16' | 'bf16'>, new (length: number) => Float32Array | WholeArray> = {
  f32: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  i8: Int8Array,
  u8: Uint8Array,
  bool: Uint8Array,
}

/**
 * Values in the storage layout of `dtype`, always in memory of their own.
 * @throws ArgumentError for a value that the dtype cannot hold
 */
export function bytesOf(values: FlatData['values'], dtype: DType): Uint8Array {
  if (dtype === 'f16' || dtype === 'bf16') {
    const wide = Float32Array.from(values as ArrayLike<number>, Number)
    const bits = dtype === 'f16' ? f32ToF16BitsArray(wide) : f32ToBf16BitsArray(wide)
    return new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength)
  }
  const host = new HOST_ARRAY[dtype](values.length)
  fill(host, values, dtype)
  return new Uint8Array(host.buffer, 0, values.length * dtypeBytes(dtype))
}

function fill(host: Float32Array | WholeArray, values: FlatData['values'], dtype: DType): void {
  const trusted = values.constructor === host.constructor && dtype !== 'bool'
  if (trusted || (dtype === 'f32' && !(typeof values[0] === 'bigint'))) {
    host.set(values as ArrayLike<number>)
    return
  }
  const subject = `every element of a tensor of ${dtype}`
  for (let k = 0; k < values.length; k++) {
    const value = Number(values[k])
    if (dtype === 'bool') host[k] = value === 0 ? 0 : 1
    else {
      if (dtype !== 'f32') requireElement('tensor', value, dtype, subject)
      host[k] = value
    }
  }
}
