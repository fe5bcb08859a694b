/** Bytes of tensors between host and device layouts. Float64 backends hold every float in eight bytes. */
import { dtypeBytes, isFloat, type DType } from '../dtype.js'
import { bf16BitsToF32Array, f16BitsToF32Array, f32ToBf16BitsArray, f32ToF16BitsArray } from '../program/float16.js'

/** What `data()` gives for a dtype: narrow floats are widened, bool is bytes of 0 and 1. */
export type TensorData = Float32Array | Float64Array | Int32Array | Uint32Array | Int8Array | Uint8Array

/** Bytes of one element in a buffer of the backend. */
export function storedBytes(dtype: DType, float64: boolean): number {
  return float64 && isFloat(dtype) ? 8 : dtypeBytes(dtype)
}

/** A typed array over a copy that starts at an aligned address. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}

/** Bytes in the layout of the dtype -> numbers. */
export function bytesToData(bytes: Uint8Array, dtype: DType): TensorData {
  const buffer = aligned(bytes)
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer)
    case 'f16':
      return f16BitsToF32Array(new Uint16Array(buffer))
    case 'bf16':
      return bf16BitsToF32Array(new Uint16Array(buffer))
    case 'i32':
      return new Int32Array(buffer)
    case 'u32':
      return new Uint32Array(buffer)
    case 'i8':
      return new Int8Array(buffer)
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer)
  }
}

/** Bytes as a device holds them -> numbers. */
export function deviceBytesToData(bytes: Uint8Array, dtype: DType, float64: boolean): TensorData {
  return float64 && isFloat(dtype) ? new Float64Array(aligned(bytes)) : bytesToData(bytes, dtype)
}

/** Bytes as a device holds them -> bytes in the layout of the dtype. */
export function deviceBytesToBytes(bytes: Uint8Array, dtype: DType, float64: boolean): Uint8Array {
  if (!float64 || !isFloat(dtype)) return bytes
  return floatsToBytes(new Float32Array(new Float64Array(aligned(bytes))), dtype)
}

/** Bytes in the layout of the dtype -> bytes as a device holds them. */
export function bytesToDeviceBytes(bytes: Uint8Array, dtype: DType, float64: boolean): Uint8Array {
  if (!float64 || !isFloat(dtype)) return bytes
  return new Uint8Array(new Float64Array(bytesToData(bytes, dtype)).buffer)
}

/** f32 numbers -> bytes of a float dtype. */
export function floatsToBytes(values: Float32Array, dtype: DType): Uint8Array {
  const array = dtype === 'f16' ? f32ToF16BitsArray(values) : dtype === 'bf16' ? f32ToBf16BitsArray(values) : values
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
