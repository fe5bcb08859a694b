/**
 * NF4: blocks of neighbours share their largest magnitude, and each element is the nearest of sixteen numbers that
 * are the quantiles of a normal distribution. Two codes to a byte, the earlier one in the high half.
 *
 * @source arXiv 2305.14314, section 3 and appendix E; names and layout as bitsandbytes serialises them
 */
import {
  checkBytes,
  checkChoice,
  checkCount,
  checkFunction,
  checkObject,
  checkOptions,
  checkText,
} from '../arguments.js'
import { elementCount, isPlainDType, isShape, type PlainDType } from '../dtype.js'
import { ArgumentError, CheckpointError, shown } from '../errors.js'
import { decodeText } from '../folder.js'
import { parseJsonKeepingDuplicates } from '../json.js'
import { toFloat32 } from '../numbers/float32.js'
import { type TensorToWrite } from '../tensorToWrite.js'
import { dequantiseAbsmax, quantiseAbsmax, type QuantisedAbsmax } from './absmax.js'
import { checkArray } from './groups.js'

/** The sixteen numbers in ascending order. */
export const nf4Codebook: Readonly<Float32Array> = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
)

/** Halfway between neighbours of the codebook. */
const BOUNDS = Float64Array.from({ length: 15 }, (_, k) => (nf4Codebook[k] + nf4Codebook[k + 1]) / 2)

const BLOCK = 64

/** Codes and the largest magnitude of each block. */
export interface Nf4Codes {
  /** [⌈n/2⌉]; the low half of an odd last byte is 7, which stands for 0. */
  readonly packed: Uint8Array
  /** [⌈n/blockSize⌉] */
  readonly absmax: Float32Array
}

/** @throws ArgumentError for numbers that are not finite */
export function packNf4(values: Float32Array, options: { readonly blockSize?: number } = {}): Nf4Codes {
  checkOptions('packNf4', options, ['blockSize'])
  const { blockSize = BLOCK } = options
  if (!(values instanceof Float32Array))
    throw new ArgumentError(`packNf4: values must be a Float32Array, got ${shown(values)}`)
  checkBlock('packNf4', blockSize)
  const packed = new Uint8Array(Math.ceil(values.length / 2))
  const absmax = new Float32Array(Math.ceil(values.length / blockSize))
  for (let block = 0; block < absmax.length; block++) {
    const from = block * blockSize
    const to = Math.min(values.length, from + blockSize)
    absmax[block] = largestOf(values, from, to)
    const inverse = absmax[block] === 0 ? 0 : 1 / absmax[block]
    for (let i = from; i < to; i++) packed[i >> 1] |= codeOf(values[i] * inverse) << (i & 1 ? 0 : 4)
  }
  if (values.length % 2 === 1) packed[packed.length - 1] |= 7
  return { packed, absmax }
}

function largestOf(values: Float32Array, from: number, to: number): number {
  let largest = 0
  for (let i = from; i < to; i++) {
    const magnitude = Math.abs(values[i])
    if (!(magnitude < Infinity)) throw new ArgumentError(`packNf4: values must be finite, got ${values[i]} at ${i}`)
    if (magnitude > largest) largest = magnitude
  }
  return largest
}

/** Four comparisons. */
function codeOf(value: number): number {
  let code = value > BOUNDS[7] ? 8 : 0
  if (value > BOUNDS[code + 3]) code += 4
  if (value > BOUNDS[code + 1]) code += 2
  return value > BOUNDS[code] ? code + 1 : code
}

/**
 * The numbers of NF4 codes.
 * @param count elements; the last byte may hold one only
 * @throws ArgumentError when lengths do not fit
 */
export function unpackNf4(codes: Nf4Codes, count: number, options: { readonly blockSize?: number } = {}): Float32Array {
  checkOptions('unpackNf4', options, ['blockSize'])
  const { blockSize = BLOCK } = options
  checkBlock('unpackNf4', blockSize)
  checkCount('unpackNf4: count', count)
  checkArray('unpackNf4: packed', codes?.packed, Uint8Array, Math.ceil(count / 2))
  checkArray('unpackNf4: absmax', codes.absmax, Float32Array, Math.ceil(count / blockSize))
  const { packed, absmax } = codes
  const values = new Float32Array(count)
  for (let block = 0; block < absmax.length; block++) {
    const scale = absmax[block]
    const to = Math.min(count, (block + 1) * blockSize)
    for (let i = block * blockSize; i < to; i += 2) {
      const pair = packed[i >> 1]
      values[i] = nf4Codebook[pair >> 4] * scale
      if (i + 1 < to) values[i + 1] = nf4Codebook[pair & 15] * scale
    }
  }
  return values
}

function checkBlock(what: string, blockSize: unknown): void {
  if (Number.isSafeInteger(blockSize) && (blockSize as number) > 0 && (blockSize as number) % 2 === 0) return
  throw new ArgumentError(`${what}: blockSize must be even and positive, got ${shown(blockSize)}`)
}

/** An NF4 weight as it lies in a checkpoint: the tensors beside `NAME`, by the ends of their names. */
export interface Nf4Tensors {
  /** `NAME`, [⌈n/2⌉, 1] */
  readonly packed: Uint8Array
  /** `NAME.absmax`: bytes with double quantisation, else float32. */
  readonly absmax: Uint8Array | Float32Array
  /** `NAME.nested_absmax` and `NAME.nested_quant_map`, with double quantisation. */
  readonly nestedAbsmax?: Float32Array
  readonly nestedQuantMap?: Float32Array
  /** `NAME.quant_state.bitsandbytes__nf4`, parsed by {@link parseNf4State}. */
  readonly state: Nf4State
}

/** What the JSON of a quantised weight says. */
export interface Nf4State {
  readonly shape: readonly number[]
  /** Of the weight before it was quantised. */
  readonly dtype: PlainDType
  readonly blockSize: number
  /** With double quantisation only. */
  readonly nested?: { readonly blockSize: number; readonly offset: number }
}

/** The end of the name of the JSON tensor. */
export const nf4StateSuffix = '.quant_state.bitsandbytes__nf4'

const DTYPE_NAMES: Readonly<Record<string, PlainDType>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

/**
 * Reads the JSON that bitsandbytes puts beside a weight.
 * @param file for messages
 * @throws CheckpointError when it is no JSON, of another type than nf4, or lacks a field
 */
export function parseNf4State(bytes: Uint8Array, file = 'quant_state'): Nf4State {
  checkBytes('parseNf4State: bytes', bytes)
  checkText('parseNf4State: file', file)
  const state = parseJsonKeepingDuplicates(decodeText(file, bytes), { file }).value as Record<string, unknown> | null
  const fail = (rule: string, got: unknown): never => {
    throw new CheckpointError({ file, rule, got: shown(got) })
  }
  if (state?.quant_type !== 'nf4') return fail('quant_type must be "nf4"', state?.quant_type)
  const { shape, blocksize, dtype, nested_blocksize: nestedBlockSize, nested_offset: offset } = state
  const stored = DTYPE_NAMES[String(dtype)]
  if (!isShape(shape) || !isPlainDType(stored) || !isBlockSize(blocksize))
    return fail('shape, dtype and blocksize must be those of a weight', { shape, dtype, blocksize })
  if (nestedBlockSize === undefined) return { shape, dtype: stored, blockSize: blocksize }
  if (!isBlockSize(nestedBlockSize) || typeof offset !== 'number')
    return fail('nested_blocksize and nested_offset must be numbers', { nestedBlockSize, offset })
  return { shape, dtype: stored, blockSize: blocksize, nested: { blockSize: nestedBlockSize, offset } }
}

function isBlockSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) % 2 === 0
}

/** The weight in float32, row-major in `state.shape`. @throws ArgumentError when lengths do not fit */
export function dequantiseNf4(tensors: Nf4Tensors): Float32Array {
  checkObject('dequantiseNf4: tensors', tensors)
  const { packed, absmax, nestedAbsmax, nestedQuantMap, state } = tensors
  checkObject('dequantiseNf4: state', state)
  if (!isShape(state.shape))
    throw new ArgumentError(`dequantiseNf4: state.shape must be sizes, got ${shown(state.shape)}`)
  const { shape, blockSize, nested } = state
  const count = elementCount(shape)
  if (absmax instanceof Float32Array) return unpackNf4({ packed, absmax }, count, { blockSize })
  if (nested === undefined || nestedAbsmax === undefined || nestedQuantMap === undefined)
    throw new ArgumentError('dequantiseNf4: absmax in bytes needs nestedAbsmax, nestedQuantMap and state.nested')
  const { blockSize: nestedBlockSize, offset } = nested
  const restored = dequantiseAbsmax({ codes: absmax, nestedAbsmax, offset }, nestedQuantMap, nestedBlockSize)
  return unpackNf4({ packed, absmax: restored }, count, { blockSize })
}

/** Options of {@link quantiseNf4}. */
export interface QuantiseNf4Options {
  /** Default F32: what the weight was, and what it becomes when it is multiplied. */
  readonly dtype?: 'F32' | 'F16' | 'BF16'
  readonly blockSize?: number
  /** Double quantisation of the scales, default true. */
  readonly nested?: boolean
}

const NESTED_BLOCK = 256

/**
 * A weight as the tensors that bitsandbytes would write, to be given to a writer.
 * @param name of the weight, such as `model.layers.0.mlp.up_proj.weight`
 * @param values row-major
 */
export function quantiseNf4(
  name: string,
  values: Float32Array,
  shape: readonly number[],
  options: QuantiseNf4Options = {},
): TensorToWrite[] {
  checkText('quantiseNf4: name', name)
  checkOptions('quantiseNf4', options, ['dtype', 'blockSize', 'nested'])
  const { dtype = 'F32', blockSize = BLOCK, nested = true } = options
  checkChoice('quantiseNf4: dtype', dtype, ['F32', 'F16', 'BF16'])
  if (!isShape(shape) || elementCount(shape) !== values?.length)
    throw new ArgumentError(`quantiseNf4: shape must fit ${values?.length} values, got ${shown(shape)}`)
  const { packed, absmax } = packNf4(values, { blockSize })
  const scales = nested ? quantiseAbsmax(absmax, NESTED_BLOCK) : undefined
  const state = {
    quant_type: 'nf4',
    blocksize: blockSize,
    dtype: Object.keys(DTYPE_NAMES).find((key) => DTYPE_NAMES[key] === dtype),
    shape,
    ...(scales && { nested_blocksize: NESTED_BLOCK, nested_dtype: 'float32', nested_offset: scales.offset }),
  }
  return [
    tensorOf(name, 'U8', packed, [packed.length, 1]),
    ...(scales === undefined ? [tensorOf(`${name}.absmax`, 'F32', absmax)] : nestedTensors(name, scales)),
    tensorOf(`${name}.quant_map`, 'F32', nf4Codebook as Float32Array),
    tensorOf(`${name}${nf4StateSuffix}`, 'U8', new TextEncoder().encode(JSON.stringify(state))),
  ]
}

function nestedTensors(name: string, { codes, nestedAbsmax, map }: QuantisedAbsmax): TensorToWrite[] {
  return [
    tensorOf(`${name}.absmax`, 'U8', codes),
    tensorOf(`${name}.nested_absmax`, 'F32', nestedAbsmax),
    tensorOf(`${name}.nested_quant_map`, 'F32', map),
  ]
}

function tensorOf(
  name: string,
  dtype: 'U8' | 'F32',
  array: Uint8Array | Float32Array,
  shape: readonly number[] = [array.length],
): TensorToWrite {
  return { name, dtype, shape, bytes: () => new Uint8Array(array.buffer, array.byteOffset, array.byteLength) }
}

/**
 * Finds and dequantises an NF4 weight of a checkpoint.
 * @param read reads a tensor, such as `checkpoint.read`
 * @returns the numbers and the shape of the weight
 * @throws CheckpointError when a tensor beside it is missing or broken
 */
export async function readNf4(
  name: string,
  read: (name: string) => Promise<Uint8Array>,
): Promise<{ readonly values: Float32Array; readonly shape: readonly number[] }> {
  checkText('readNf4: name', name)
  checkFunction('readNf4: read', read)
  const state = parseNf4State(await read(`${name}${nf4StateSuffix}`), name)
  const packed = await read(name)
  const absmax = await read(`${name}.absmax`)
  if (state.nested === undefined)
    return { values: dequantiseNf4({ packed, absmax: toFloat32(absmax, 'F32'), state }), shape: state.shape }
  const nestedAbsmax = toFloat32(await read(`${name}.nested_absmax`), 'F32')
  const nestedQuantMap = toFloat32(await read(`${name}.nested_quant_map`), 'F32')
  return { values: dequantiseNf4({ packed, absmax, nestedAbsmax, nestedQuantMap, state }), shape: state.shape }
}
