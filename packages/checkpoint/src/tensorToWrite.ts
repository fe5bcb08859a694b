/** Tensors on their way into a file. */
import { type TensorInfo } from './checkpoint.js'
import { byteLengthOf, isShape, layoutOf, type StoredDType } from './dtype.js'
import { ArgumentError, CheckpointError, quoted, shown } from './errors.js'

/** A tensor to be written. Its bytes are asked for when their turn comes, so they need not all be in memory. */
export interface TensorToWrite {
  readonly name: string
  readonly dtype: StoredDType
  /** Outermost axis first. */
  readonly shape: readonly number[]
  /** Little-endian, row-major, dense; at once or in pieces of any length. */
  bytes(): Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * What a writer knows before it asks for bytes, checked.
 * @throws ArgumentError for wrong types, doubled names, shapes that do not fit their dtype
 */
export function checkTensors(what: string, tensors: Iterable<TensorToWrite>): (TensorToWrite & TensorInfo)[] {
  if (typeof tensors !== 'object' || tensors === null || !(Symbol.iterator in tensors))
    throw new ArgumentError(`${what}: tensors must be a list of { name, dtype, shape, bytes }, got ${shown(tensors)}`)
  const names = new Set<string>()
  return [...tensors].map((tensor) => {
    const { name, dtype, shape } = tensor ?? {}
    if (typeof name !== 'string' || typeof tensor.bytes !== 'function' || !isShape(shape))
      throw new ArgumentError(`${what}: a tensor must be { name, dtype, shape, bytes() }, got ${shown(tensor)}`)
    if (names.has(name)) throw new ArgumentError(`${what}: names must differ, got ${quoted(name)} twice`)
    names.add(name)
    layoutOf(dtype)
    const byteLength = byteLengthOf(dtype, shape)
    if (byteLength === Infinity)
      throw new ArgumentError(`${what}: tensor ${quoted(name)} is too large: ${dtype} [${shape.join(', ')}]`)
    return { name, dtype, shape, byteLength, bytes: () => tensor.bytes() }
  })
}

/**
 * The pieces of a tensor's bytes, with their total checked.
 * @throws CheckpointError when there are more or fewer bytes than type and shape say
 */
export async function* piecesOf(file: string, tensor: TensorToWrite & TensorInfo): AsyncGenerator<Uint8Array> {
  const bytes = tensor.bytes()
  let total = 0
  const count = (piece: unknown): Uint8Array => {
    if (!(piece instanceof Uint8Array))
      throw new ArgumentError(`bytes() of tensor ${quoted(tensor.name)} must give Uint8Array, got ${shown(piece)}`)
    total += piece.length
    if (total > tensor.byteLength) throw wrongLength(file, tensor, `at least ${total}`)
    return piece
  }
  if (isAsyncIterable(bytes)) for await (const piece of bytes) yield count(piece)
  else yield count(await bytes)
  if (total !== tensor.byteLength) throw wrongLength(file, tensor, `${total}`)
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

function wrongLength(file: string, { name, dtype, shape, byteLength }: TensorInfo, got: string): CheckpointError {
  return new CheckpointError({
    file,
    tensor: name,
    rule: `bytes() of ${dtype} [${shape.join(', ')}] must give ${byteLength} bytes`,
    got,
  })
}
