/** Every stored type to and from float32. */
import { checkBytes } from '../arguments.js'
import { dequantiseBlocks } from '../blocks/dequantise.js'
import { quantiseBlocks } from '../blocks/quantise.js'
import { isGgufBlockType, layoutOf, type PlainDType, type StoredDType } from '../dtype.js'
import { ArgumentError, shown } from '../errors.js'
import { bfloatsToFloats, float8Table, floatsToBfloats, floatsToHalves, halvesToFloats } from './floats.js'
import { roundToFloat8 } from './float8.js'

/**
 * The elements as float32 numbers; block types are dequantised. Integers and doubles beyond float32 are rounded.
 * For F32 the result may share the memory of `bytes`.
 *
 * @param bytes little-endian and dense, as `Checkpoint.read` gives them; any number of whole elements or blocks
 * @throws ArgumentError when the bytes are no whole number of elements or blocks
 */
export function toFloat32(bytes: Uint8Array, dtype: StoredDType): Float32Array {
  checkBytes('toFloat32: bytes', bytes)
  const { blockElements, blockBytes } = layoutOf(dtype)
  if (bytes.length % blockBytes !== 0)
    throw new ArgumentError(`toFloat32: bytes of ${dtype} come in ${blockBytes}, got ${bytes.length}`)
  if (dtype === 'F32') return new Float32Array(...aligned(bytes, 4))
  const values = new Float32Array((bytes.length / blockBytes) * blockElements)
  if (isGgufBlockType(dtype)) dequantiseBlocks(bytes, dtype, values)
  else widen(bytes, dtype, values)
  return values
}

function widen(bytes: Uint8Array, dtype: Exclude<PlainDType, 'F32'>, values: Float32Array): void {
  switch (dtype) {
    case 'F64':
      return values.set(new Float64Array(...aligned(bytes, 8)))
    case 'F16':
      return halvesToFloats(new Uint16Array(...aligned(bytes, 2)), values)
    case 'BF16':
      return bfloatsToFloats(new Uint16Array(...aligned(bytes, 2)), values)
    case 'F8_E4M3':
    case 'F8_E5M2': {
      const table = float8Table(dtype)
      for (let i = 0; i < bytes.length; i++) values[i] = table[bytes[i]]
      return
    }
    case 'I64':
      return new BigInt64Array(...aligned(bytes, 8)).forEach((value, i) => (values[i] = Number(value)))
    case 'U64':
      return new BigUint64Array(...aligned(bytes, 8)).forEach((value, i) => (values[i] = Number(value)))
    case 'I32':
      return values.set(new Int32Array(...aligned(bytes, 4)))
    case 'U32':
      return values.set(new Uint32Array(...aligned(bytes, 4)))
    case 'I16':
      return values.set(new Int16Array(...aligned(bytes, 2)))
    case 'U16':
      return values.set(new Uint16Array(...aligned(bytes, 2)))
    case 'I8':
      return values.set(new Int8Array(...aligned(bytes, 1)))
    case 'U8':
    case 'BOOL':
      return values.set(bytes)
    default:
      dtype satisfies never
  }
}

/** Constructor arguments of a typed array over the bytes; copied first when they do not start at a multiple. */
function aligned(bytes: Uint8Array, elementBytes: number): [ArrayBuffer, number, number] {
  const own = bytes.byteOffset % elementBytes === 0 ? bytes : bytes.slice()
  return [own.buffer as ArrayBuffer, own.byteOffset, own.length / elementBytes]
}

/**
 * Numbers as bytes of a stored type, rounded to nearest, ties to even. Floats beyond the largest one become infinite,
 * as in every conversion of IEEE 754; integers must fit exactly.
 *
 * @param values row-major; for block types a multiple of the block
 * @returns little-endian, dense
 * @throws ArgumentError for block types without a writer, and for numbers that an integer type does not have
 */
export function fromFloat32(values: Float32Array, dtype: StoredDType): Uint8Array {
  if (!(values instanceof Float32Array))
    throw new ArgumentError(`fromFloat32: values must be a Float32Array, got ${shown(values)}`)
  const { blockElements } = layoutOf(dtype)
  if (values.length % blockElements !== 0)
    throw new ArgumentError(`fromFloat32: values of ${dtype} come in ${blockElements}, got ${values.length}`)
  if (isGgufBlockType(dtype)) return quantiseBlocks(values, dtype)
  const array = narrow(values, dtype)
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function narrow(values: Float32Array, dtype: PlainDType): ArrayBufferView {
  switch (dtype) {
    case 'F64':
      return Float64Array.from(values)
    case 'F32':
      return values.slice()
    case 'F16':
      return filled(new Uint16Array(values.length), (to) => floatsToHalves(values, to))
    case 'BF16':
      return filled(new Uint16Array(values.length), (to) => floatsToBfloats(values, to))
    case 'F8_E4M3':
    case 'F8_E5M2':
      return roundToFloat8(values, dtype)
    case 'I64':
      return BigInt64Array.from(integers(values, dtype, -(2 ** 63), 2 ** 63 - 1024), BigInt)
    case 'U64':
      return BigUint64Array.from(integers(values, dtype, 0, 2 ** 64 - 2048), BigInt)
    case 'I32':
      return Int32Array.from(integers(values, dtype, -(2 ** 31), 2 ** 31 - 1))
    case 'U32':
      return Uint32Array.from(integers(values, dtype, 0, 2 ** 32 - 1))
    case 'I16':
      return Int16Array.from(integers(values, dtype, -32768, 32767))
    case 'U16':
      return Uint16Array.from(integers(values, dtype, 0, 65535))
    case 'I8':
      return Int8Array.from(integers(values, dtype, -128, 127))
    case 'U8':
      return Uint8Array.from(integers(values, dtype, 0, 255))
    case 'BOOL':
      return Uint8Array.from(integers(values, dtype, 0, 1))
    default:
      return dtype satisfies never
  }
}

function filled<T>(array: T, fill: (array: T) => void): T {
  fill(array)
  return array
}

function integers(values: Float32Array, dtype: PlainDType, least: number, most: number): Float32Array {
  const wrong = values.findIndex((value) => !(Number.isInteger(value) && value >= least && value <= most))
  if (wrong >= 0)
    throw new ArgumentError(
      `fromFloat32: ${dtype} holds integers of ${least} to ${most}, got ${values[wrong]} at ${wrong}; round or clip first`,
    )
  return values
}
