/** Element types as files store them, and the bytes that they take. */
import { ArgumentError, shown } from './errors.js'

/** Types whose elements stand alone, as safetensors spells them. */
export type PlainDType =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'

/** Types of GGUF whose elements are quantised in blocks along the last axis. */
export type GgufBlockType =
  'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q8_0' | 'Q2_K' | 'Q3_K' | 'Q4_K' | 'Q5_K' | 'Q6_K' | 'IQ4_NL' | 'IQ4_XS'

/** How the elements of a tensor lie in a file. */
export type StoredDType = PlainDType | GgufBlockType

/** `blockBytes` bytes hold `blockElements` neighbours of the last axis. */
export interface BlockLayout {
  readonly blockElements: number
  readonly blockBytes: number
}

const PLAIN_BYTES: Record<PlainDType, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
}

const BLOCKS: Record<GgufBlockType, BlockLayout> = {
  Q4_0: { blockElements: 32, blockBytes: 18 },
  Q4_1: { blockElements: 32, blockBytes: 20 },
  Q5_0: { blockElements: 32, blockBytes: 22 },
  Q5_1: { blockElements: 32, blockBytes: 24 },
  Q8_0: { blockElements: 32, blockBytes: 34 },
  Q2_K: { blockElements: 256, blockBytes: 84 },
  Q3_K: { blockElements: 256, blockBytes: 110 },
  Q4_K: { blockElements: 256, blockBytes: 144 },
  Q5_K: { blockElements: 256, blockBytes: 176 },
  Q6_K: { blockElements: 256, blockBytes: 210 },
  IQ4_NL: { blockElements: 32, blockBytes: 18 },
  IQ4_XS: { blockElements: 256, blockBytes: 136 },
}

/** Every plain type. */
export const plainDTypes = Object.keys(PLAIN_BYTES) as readonly PlainDType[]

/** Every block type. */
export const ggufBlockTypes = Object.keys(BLOCKS) as readonly GgufBlockType[]

/** Whether a string names a plain type. */
export function isPlainDType(dtype: unknown): dtype is PlainDType {
  return typeof dtype === 'string' && Object.hasOwn(PLAIN_BYTES, dtype)
}

/** Whether a string names a block type of GGUF. */
export function isGgufBlockType(dtype: unknown): dtype is GgufBlockType {
  return typeof dtype === 'string' && Object.hasOwn(BLOCKS, dtype)
}

/**
 * The elements and bytes of one block; a plain type is a block of one element.
 * @throws ArgumentError for a name that is no type
 */
export function layoutOf(dtype: StoredDType): BlockLayout {
  if (isPlainDType(dtype)) return { blockElements: 1, blockBytes: PLAIN_BYTES[dtype] }
  if (isGgufBlockType(dtype)) return BLOCKS[dtype]
  throw new ArgumentError(`dtype must be one of ${[...plainDTypes, ...ggufBlockTypes].join(' ')}, got ${shown(dtype)}`)
}

/** Number of elements of a shape; Infinity where a double cannot count them exactly. */
export function elementCount(shape: readonly number[]): number {
  if (shape.includes(0)) return 0
  const count = shape.reduce((product, size) => product * size, 1)
  return Number.isSafeInteger(count) ? count : Infinity
}

/**
 * Bytes of a tensor, or Infinity where a double cannot count them exactly.
 * @throws ArgumentError when the last axis of a block type is no multiple of its block
 */
export function byteLengthOf(dtype: StoredDType, shape: readonly number[]): number {
  const { blockElements, blockBytes } = layoutOf(dtype)
  const lastAxis = shape.at(-1) ?? 1
  if (lastAxis % blockElements !== 0)
    throw new ArgumentError(
      `the last axis of ${dtype} must be a multiple of ${blockElements}, got shape [${shape.join(', ')}]`,
    )
  const bytes = (elementCount(shape) / blockElements) * blockBytes
  return Number.isSafeInteger(bytes) ? bytes : Infinity
}

/** Whether a value is a list of sizes: safe integers of at least 0. */
export function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}
