/** What every format looks like once it is open: names, types and shapes, and bytes by tensor. */
import { checkOptions } from './arguments.js'
import { ArgumentError, CheckpointError, quoted, shown } from './errors.js'
import { byteLengthOf, elementCount, layoutOf, type StoredDType } from './dtype.js'

/** A tensor of a checkpoint, without its elements. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: StoredDType
  /** Outermost axis first. */
  readonly shape: readonly number[]
  /** Bytes that `read` gives. */
  readonly byteLength: number
}

/** What a file says about itself: strings in safetensors, typed values in GGUF. */
export type Metadata = ReadonlyMap<string, unknown>

/** An open checkpoint of one or several files. Nothing but headers is in memory. */
export interface Checkpoint {
  readonly format: 'safetensors' | 'pickle' | 'gguf'
  /** A path, an address or the name of the folder. */
  readonly name: string
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** What was odd about the files, yet no reason to refuse them. */
  readonly warnings: readonly string[]
  /**
   * All elements of a tensor: little-endian, row-major, dense. The bytes may be shared: do not write to them.
   * @throws CheckpointError when there is no such tensor or its file is broken
   */
  read(name: string): Promise<Uint8Array>
  /**
   * The rows `[from, to)` of the outermost axis, laid out as by `read`.
   * @throws CheckpointError as `read`; ArgumentError when the rows are not within the tensor
   */
  readRows(name: string, from: number, to: number): Promise<Uint8Array>
  /**
   * What `read` gives, in pieces of about `chunkBytes` (default 16 MiB): for tensors larger than memory should hold.
   * Every piece holds whole elements, or whole blocks.
   */
  stream(name: string, options?: { readonly chunkBytes?: number }): AsyncIterable<Uint8Array>
  /** Closes the files. Reading afterwards is an error. */
  close(): Promise<void>
}

/** A tensor as a format reads it: any run of its elements in row-major order. */
export interface StoredTensor {
  readonly info: TensorInfo
  /** Bytes of the elements `[from, to)`, both multiples of the block. */
  readElements(from: number, to: number): Promise<Uint8Array>
}

/** What a format knows of its checkpoint. */
export interface CheckpointParts {
  readonly format: Checkpoint['format']
  readonly name: string
  readonly metadata: Metadata
  readonly tensors: readonly StoredTensor[]
  readonly warnings?: readonly string[]
  close(): Promise<void>
}

const CHUNK_BYTES = 16 * 2 ** 20

/** The methods of `Checkpoint` over tensors that can read runs of elements. */
export function makeCheckpoint(parts: CheckpointParts): Checkpoint {
  const stored = new Map(parts.tensors.map((tensor) => [tensor.info.name, tensor]))
  let closed = false
  const find = (name: string): StoredTensor => {
    if (closed) throw new CheckpointError({ file: parts.name, tensor: name, rule: 'the checkpoint must be open' })
    const tensor = stored.get(name)
    if (tensor === undefined) throw missingTensor(parts.name, name, stored.keys())
    return tensor
  }
  return {
    format: parts.format,
    name: parts.name,
    metadata: parts.metadata,
    tensors: new Map(parts.tensors.map(({ info }) => [info.name, info])),
    warnings: parts.warnings ?? [],
    async read(name) {
      const tensor = find(name)
      return tensor.readElements(0, elementCount(tensor.info.shape))
    },
    async readRows(name, from, to) {
      const tensor = find(name)
      const rowElements = checkRows(tensor.info, from, to)
      return tensor.readElements(from * rowElements, to * rowElements)
    },
    stream(name, options = {}) {
      checkOptions('stream', options, ['chunkBytes'])
      return streamElements(find(name), options.chunkBytes ?? CHUNK_BYTES)
    },
    async close() {
      if (closed) return
      closed = true
      await parts.close()
    },
  }
}

function checkRows({ name, dtype, shape }: TensorInfo, from: number, to: number): number {
  const rowElements = elementCount(shape.slice(1))
  const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to
  if (shape.length === 0 || !isRange || to > shape[0])
    throw new ArgumentError(
      `readRows: rows must lie within tensor ${quoted(name)} of shape [${shape.join(', ')}], got ${shown(from)} to ${shown(to)}`,
    )
  const { blockElements } = layoutOf(dtype)
  if ((from * rowElements) % blockElements !== 0 || (to * rowElements) % blockElements !== 0)
    throw new ArgumentError(
      `readRows: rows of ${dtype} must be whole blocks of ${blockElements}, got ${from} to ${to} of tensor ${quoted(name)}`,
    )
  return rowElements
}

async function* streamElements(tensor: StoredTensor, chunkBytes: number): AsyncGenerator<Uint8Array> {
  if (!(chunkBytes > 0)) throw new ArgumentError(`stream: chunkBytes must be positive, got ${shown(chunkBytes)}`)
  const { blockElements, blockBytes } = layoutOf(tensor.info.dtype)
  const total = elementCount(tensor.info.shape)
  const step = pieceElements(chunkBytes / blockBytes, blockElements)
  for (let from = 0; from < total; from += step) yield tensor.readElements(from, Math.min(total, from + step))
}

/** Pieces of many elements end at multiples of 256, the longest block, so that they can become blocks of any type. */
function pieceElements(blocks: number, blockElements: number): number {
  const elements = Math.max(1, Math.floor(blocks)) * blockElements
  return elements < 256 ? elements : Math.floor(elements / 256) * 256
}

function missingTensor(file: string, name: unknown, known: Iterable<string>): CheckpointError {
  const names = [...known]
  const listed = names.slice(0, 8).map(quoted).join(', ')
  return new CheckpointError({
    file,
    tensor: typeof name === 'string' ? name : shown(name),
    rule: 'the tensor must be in the checkpoint',
    got: `${names.length} tensors${names.length === 0 ? '' : `: ${listed}${names.length > 8 ? ', …' : ''}`}`,
    wayOut: 'compare the names; checkpoints of other tools may add or drop a prefix such as "model."',
  })
}

/** Builds a `TensorInfo`, its length from type and shape. */
export function tensorInfo(name: string, dtype: StoredDType, shape: readonly number[]): TensorInfo {
  return { name, dtype, shape, byteLength: byteLengthOf(dtype, shape) }
}
