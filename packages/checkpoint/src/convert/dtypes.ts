/** Tensors of another type, piece by piece. */
import { type Checkpoint, type TensorInfo } from '../checkpoint.js'
import { isGgufBlockType, layoutOf, type StoredDType } from '../dtype.js'
import { CheckpointError } from '../errors.js'
import { fromFloat32, toFloat32 } from '../numbers/float32.js'
import { type TensorToWrite } from '../tensorToWrite.js'

/** Types that weights can be converted to. */
export const TARGET_DTYPES = ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_K'] as const

/** A type that weights can be converted to. */
export type TargetDType = (typeof TARGET_DTYPES)[number]

/** Elements that are converted at a time: a multiple of every block, and 16 MiB in float32. */
const PIECE_ELEMENTS = 4 * 2 ** 20

const FLOATS: ReadonlySet<StoredDType> = new Set(['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'])

/** Whether a tensor holds numbers that may be rounded; counters, masks and packed words may not. */
export function isConvertible(dtype: StoredDType): boolean {
  return FLOATS.has(dtype) || isGgufBlockType(dtype)
}

/** A tensor of a checkpoint as it is, or rounded to another type, streamed either way. */
export function convertedTensor(
  from: Checkpoint,
  info: TensorInfo,
  dtype: StoredDType,
  name = info.name,
): TensorToWrite {
  const { blockElements, blockBytes } = layoutOf(info.dtype)
  const chunkBytes = (PIECE_ELEMENTS / blockElements) * blockBytes
  const pieces = (): AsyncIterable<Uint8Array> => from.stream(info.name, { chunkBytes })
  const bytes = dtype === info.dtype ? pieces : () => converted(from.name, info, dtype, pieces())
  return { name, dtype, shape: info.shape, bytes }
}

async function* converted(
  file: string,
  { name, dtype: source }: TensorInfo,
  dtype: StoredDType,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    const values = toFloat32(piece, source)
    if (dtype !== 'F32' && dtype !== 'BF16') checkRange(file, name, dtype, values)
    yield fromFloat32(values, dtype)
  }
}

/** The largest half-precision number that does not round to infinity, and the scales of blocks are such numbers. */
const MOST_HALF = 65504

function checkRange(file: string, tensor: string, dtype: StoredDType, values: Float32Array): void {
  let largest = 0
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]))
  if (largest <= MOST_HALF) return
  throw new CheckpointError({
    file,
    tensor,
    rule: `${dtype} holds finite numbers up to ${MOST_HALF}`,
    got: `${largest}`,
    wayOut: 'convert to BF16 or F32, or look for what is wrong with the weights',
  })
}
