/** Values of tensors that lie in host memory, read byte by byte. */
import type { Tensor } from '../../graph/tensor.js'
import type { DType } from '../../dtype.js'

/** The value of sixteen bits with `fractionBits` of fraction: f16 (10) or bf16 (7). */
function fromSixteenBits(bits: number, fractionBits: 10 | 7): number {
  const sign = bits & 0x8000 ? -1 : 1
  const bias = fractionBits === 10 ? 15 : 127
  const exponentMask = (1 << (15 - fractionBits)) - 1
  const exponent = (bits >> fractionBits) & exponentMask
  const fraction = (bits & ((1 << fractionBits) - 1)) / (1 << fractionBits)
  if (exponent === exponentMask) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias)
}

/** Elements of a little-endian buffer in the storage layout of `dtype`. */
export function decodeBytes(bytes: Uint8Array, dtype: DType): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const read = (width: number, element: (at: number) => number): Float64Array =>
    Float64Array.from({ length: bytes.byteLength / width }, (_, k) => element(k * width))
  switch (dtype) {
    case 'f32':
      return read(4, (at) => view.getFloat32(at, true))
    case 'f16':
      return read(2, (at) => fromSixteenBits(view.getUint16(at, true), 10))
    case 'bf16':
      return read(2, (at) => fromSixteenBits(view.getUint16(at, true), 7))
    case 'i32':
      return read(4, (at) => view.getInt32(at, true))
    case 'u32':
      return read(4, (at) => view.getUint32(at, true))
    case 'i8':
      return read(1, (at) => view.getInt8(at))
    case 'u8':
    case 'bool':
      return read(1, (at) => view.getUint8(at))
  }
}

/** @throws Error when the tensor has no value in host memory */
export function storedData(tensor: Tensor): Float64Array {
  if (tensor.storage?.kind === 'host') return decodeBytes(tensor.storage.bytes, tensor.dtype)
  throw new Error(
    `interpret: a tensor of shape [${tensor.shape.join(', ')}] is ${tensor.state} with ${tensor.storage === null ? 'no value' : 'a value on a device'}; bind its elements`,
  )
}
