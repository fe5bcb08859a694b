/** Tensors in host memory, as files store them and backends return them. */
import { type DType } from '@tarazed/tensor'

/** Stored results may be wider than any dtype of the library. */
export type HostDType = DType | 'f64'

/** A dense row-major tensor: `bytes` in the storage layout of the dtype. */
export interface HostTensor {
  readonly dtype: HostDType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** The elements as numbers; every dtype fits into a double exactly. */
export function numbersOf(host: HostTensor): Float64Array {
  const decode = DECODERS[host.dtype]
  // A copy: bytes may start anywhere, typed arrays may not.
  return decode(new Uint8Array(host.bytes).buffer)
}

/** A scalar or one-element tensor's number. */
export function numberOf(host: HostTensor): number {
  const numbers = numbersOf(host)
  if (numbers.length !== 1) throw new Error(`numberOf: one element expected, got shape [${host.shape.join(', ')}]`)
  return numbers[0]
}

const DECODERS: Record<HostDType, (buffer: ArrayBufferLike) => Float64Array> = {
  f64: (buffer) => new Float64Array(buffer),
  f32: (buffer) => Float64Array.from(new Float32Array(buffer)),
  f16: (buffer) => Float64Array.from(new Uint16Array(buffer), halfToNumber),
  bf16: (buffer) =>
    Float64Array.from(new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer)),
  i32: (buffer) => Float64Array.from(new Int32Array(buffer)),
  u32: (buffer) => Float64Array.from(new Uint32Array(buffer)),
  i8: (buffer) => Float64Array.from(new Int8Array(buffer)),
  u8: (buffer) => Float64Array.from(new Uint8Array(buffer)),
  bool: (buffer) => Float64Array.from(new Uint8Array(buffer)),
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Smallest positive normal value of a float dtype; values below it are subnormal. 0 for integers. */
export function smallestNormal(dtype: HostDType): number {
  switch (dtype) {
    case 'f64':
      return 2 ** -1022
    case 'f32':
    case 'bf16':
      return 2 ** -126
    case 'f16':
      return 2 ** -14
    default:
      return 0
  }
}

/** `f32[2, 3]` */
export function describe(host: { readonly dtype: string; readonly shape: readonly number[] }): string {
  return `${host.dtype}[${host.shape.join(', ')}]`
}

/** Numbers, already rounded to the dtype, in its storage layout. */
export function bytesOf(numbers: ArrayLike<number>, dtype: HostDType): Uint8Array {
  const array = ENCODERS[dtype](numbers)
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

const ENCODERS: Record<HostDType, (numbers: ArrayLike<number>) => ArrayBufferView> = {
  f64: (numbers) => Float64Array.from(numbers),
  f32: (numbers) => Float32Array.from(numbers),
  f16: (numbers) => Uint16Array.from(numbers, numberToHalf),
  bf16: (numbers) => Uint16Array.from(new Uint32Array(Float32Array.from(numbers).buffer), (bits) => bits >>> 16),
  i32: (numbers) => Int32Array.from(numbers),
  u32: (numbers) => Uint32Array.from(numbers),
  i8: (numbers) => Int8Array.from(numbers),
  u8: (numbers) => Uint8Array.from(numbers),
  bool: (numbers) => Uint8Array.from(numbers),
}

/** For numbers that a half holds exactly. */
function numberToHalf(value: number): number {
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (magnitude === Infinity) return sign | 0x7c00
  if (magnitude < 2 ** -14) return sign | (magnitude * 2 ** 24)
  const exponent = Math.floor(Math.log2(magnitude))
  return sign | ((exponent + 15) << 10) | (magnitude * 2 ** (10 - exponent) - 1024)
}
