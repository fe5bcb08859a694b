/** `.npy` files to and from plain arrays of bytes; no tensors. Format: numpy.lib.format, versions 1 to 3. */
import { dtypeBytes, type DType } from '../dtype.js'
import { ArgumentError, DTypeError } from '../errors.js'
import { sizeOf, stridesOf } from '../shape.js'
import { NpyError } from './npyError.js'
import { parseHeader, type NpyHeader } from './npyHeader.js'

export { NpyError } from './npyError.js'

/** An array in host memory: row-major, little-endian. */
export interface NpyArray {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

export interface ParseNpyOptions {
  /**
   * What to do with dtypes that tensors do not have: `reject` (default) throws, `narrow` makes f32 of float64, i32 of
   * int16 and int64, u32 of uint16 and uint64; an integer out of range is an error.
   */
  readonly wide?: 'reject' | 'narrow'
  /** Most bytes that the array may take. Default 4 GiB. */
  readonly maxBytes?: number
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] // \x93NUMPY
const MAX_HEADER_BYTES = 1 << 16
const DEFAULT_MAX_BYTES = 2 ** 32
/** The data begins at a multiple of it, as numpy has it. */
const ALIGNMENT = 64

/** numpy's name without the byte order -> dtype. bf16 has no name there: ml_dtypes stores it as two void bytes. */
const DTYPE_OF: Readonly<Record<string, DType>> = {
  f4: 'f32',
  f2: 'f16',
  V2: 'bf16',
  i4: 'i32',
  u4: 'u32',
  i1: 'i8',
  u1: 'u8',
  b1: 'bool',
}

const DESCR_OF: Readonly<Record<DType, string>> = {
  f32: '<f4',
  f16: '<f2',
  bf16: '<V2',
  i32: '<i4',
  u32: '<u4',
  i8: '|i1',
  u8: '|u1',
  bool: '|b1',
}

/**
 * Parses a `.npy` file. Big-endian data is swapped, Fortran order is made row-major.
 *
 * @throws NpyError for bytes that are no such file, or beyond the limit
 * @throws DTypeError for a dtype that tensors do not have (see `wide`)
 */
export function parseNpy(
  file: Uint8Array,
  { wide = 'reject', maxBytes = DEFAULT_MAX_BYTES }: ParseNpyOptions = {},
): NpyArray {
  const { header, dataStart } = readHeader(file)
  const { order, name } = splitDescr(header.descr)
  const width = elementBytes(name, header.descr, wide)
  const count = header.shape.reduce((product, size) => product * size, 1)
  const expected = count * width
  if (!Number.isSafeInteger(expected) || expected > maxBytes)
    throw new NpyError(
      `npy: shape (${header.shape}) of ${header.descr} takes ${expected} bytes, more than the limit of ${maxBytes}`,
    )
  const actual = file.byteLength - dataStart
  if (actual !== expected)
    throw new NpyError(
      `npy: shape (${header.shape}) of ${header.descr} takes ${expected} bytes, got ${actual} after the header`,
    )
  const data = file.slice(dataStart)
  if (order === '>') swapBytes(data, width)
  const rowMajor = header.fortranOrder ? fromColumnMajor(data, header.shape, width) : data
  if (Object.hasOwn(DTYPE_OF, name))
    return { dtype: DTYPE_OF[name], shape: header.shape, bytes: asStored(rowMajor, name) }
  return { ...narrowed(rowMajor, name), shape: header.shape }
}

/**
 * A `.npy` file (version 1) of an array. bf16 is written as two void bytes: `numpy.load(f).view(ml_dtypes.bfloat16)`.
 *
 * @throws ArgumentError when the bytes do not fit dtype and shape
 */
export function formatNpy({ dtype, shape, bytes }: NpyArray): Uint8Array {
  const expected = sizeOf(shape) * dtypeBytes(dtype)
  if (bytes.byteLength !== expected)
    throw new ArgumentError(
      `formatNpy: ${dtype}[${shape}] takes ${expected} bytes, got ${bytes.byteLength}; change shape or dtype`,
    )
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dictionary = `{'descr': '${DESCR_OF[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`
  const prefix = MAGIC.length + 4
  const total = Math.ceil((prefix + dictionary.length + 1) / ALIGNMENT) * ALIGNMENT
  const file = new Uint8Array(total + bytes.byteLength)
  file.set([...MAGIC, 1, 0])
  new DataView(file.buffer).setUint16(MAGIC.length + 2, total - prefix, true)
  file.set(new TextEncoder().encode(dictionary.padEnd(total - prefix - 1) + '\n'), prefix)
  file.set(bytes, total)
  return file
}

function readHeader(file: Uint8Array): { header: NpyHeader; dataStart: number } {
  if (file.byteLength < MAGIC.length + 4 || MAGIC.some((byte, k) => file[k] !== byte))
    throw new NpyError('npy: a file begins with \\x93NUMPY, got something else; is it a .npz file or a pickle?')
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const version = file[MAGIC.length]
  if (version < 1 || version > 3) throw new NpyError(`npy: version must be 1, 2 or 3, got ${version}`)
  const lengthBytes = version === 1 ? 2 : 4
  const start = MAGIC.length + 2 + lengthBytes
  if (file.byteLength < start) throw new NpyError('npy: the file ends within its header')
  const length = version === 1 ? view.getUint16(MAGIC.length + 2, true) : view.getUint32(MAGIC.length + 2, true)
  if (length > MAX_HEADER_BYTES) throw new NpyError(`npy: the header may have ${MAX_HEADER_BYTES} bytes, got ${length}`)
  if (file.byteLength < start + length) throw new NpyError(`npy: the file ends within its header of ${length} bytes`)
  // latin1 maps every byte to one character; other characters fail in the parser
  const text = new TextDecoder('latin1').decode(file.subarray(start, start + length))
  return { header: parseHeader(text), dataStart: start + length }
}

function splitDescr(descr: string): { order: string; name: string } {
  const match = /^([<>|=]?)([a-zA-Z][0-9]{1,4})$/.exec(descr)
  if (match === null) throw new DTypeError(`npy: dtype '${descr}' is not supported; save a plain array of numbers`)
  return { order: match[1], name: match[2] }
}

const WIDE_BYTES: Readonly<Record<string, number>> = { f8: 8, i8: 8, u8: 8, i2: 2, u2: 2 }

function elementBytes(name: string, descr: string, wide: 'reject' | 'narrow'): number {
  if (Object.hasOwn(DTYPE_OF, name)) return dtypeBytes(DTYPE_OF[name])
  if (!Object.hasOwn(WIDE_BYTES, name))
    throw new DTypeError(
      `npy: dtype '${descr}' is not supported; save it as float32, float16, int32, uint32, int8, uint8 or bool`,
    )
  if (wide === 'reject')
    throw new DTypeError(
      `npy: tensors have no dtype '${descr}'; save with astype('float32') or astype('int32'), or pass { wide: 'narrow' }`,
    )
  return WIDE_BYTES[name]
}

function swapBytes(data: Uint8Array, width: number): void {
  for (let start = 0; start < data.length; start += width) data.subarray(start, start + width).reverse()
}

/** Column-major bytes -> row-major. */
function fromColumnMajor(data: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const strides = stridesOf([...shape].reverse()).reverse()
  const rowStrides = stridesOf(shape)
  const out = new Uint8Array(data.length)
  for (let k = 0; k * width < data.length; k++) {
    const place = shape.reduce((sum, size, axis) => sum + (Math.floor(k / rowStrides[axis]) % size) * strides[axis], 0)
    out.set(data.subarray(place * width, (place + 1) * width), k * width)
  }
  return out
}

/** Tensors hold bools as 0 and 1; a hostile file may hold anything. */
function asStored(bytes: Uint8Array, name: string): Uint8Array {
  return name === 'b1' ? bytes.map((byte) => (byte === 0 ? 0 : 1)) : bytes
}

function narrowed(bytes: Uint8Array, name: string): { dtype: DType; bytes: Uint8Array } {
  const { buffer } = bytes.slice()
  switch (name) {
    case 'f8':
      return { dtype: 'f32', bytes: new Uint8Array(new Float32Array(new Float64Array(buffer)).buffer) }
    case 'i2':
      return { dtype: 'i32', bytes: new Uint8Array(new Int32Array(new Int16Array(buffer)).buffer) }
    case 'u2':
      return { dtype: 'u32', bytes: new Uint8Array(new Uint32Array(new Uint16Array(buffer)).buffer) }
    case 'i8':
      return { dtype: 'i32', bytes: narrowedIntegers(new BigInt64Array(buffer), -(2 ** 31), 2 ** 31 - 1) }
    default:
      return { dtype: 'u32', bytes: narrowedIntegers(new BigUint64Array(buffer), 0, 2 ** 32 - 1) }
  }
}

function narrowedIntegers(values: BigInt64Array | BigUint64Array, low: number, high: number): Uint8Array {
  const out = low < 0 ? new Int32Array(values.length) : new Uint32Array(values.length)
  values.forEach((value: bigint, k: number) => {
    if (value < BigInt(low) || value > BigInt(high))
      throw new NpyError(`npy: element ${k} is ${value}, outside of ${low} … ${high}; it does not fit 32 bits`)
    out[k] = Number(value)
  })
  return new Uint8Array(out.buffer)
}
