/** Reads one safetensors file by range. */
import { makeCheckpoint, type Checkpoint, type CheckpointParts, type StoredTensor } from '../checkpoint.js'
import { checkMethods } from '../arguments.js'
import { layoutOf } from '../dtype.js'
import { type ByteSource } from '../source.js'
import { LENGTH_BYTES, parseHeader, readHeaderLength, type SafetensorsEntry } from './header.js'

/** Most headers fit into the first read, which saves a round trip. */
const FIRST_READ_BYTES = 64 * 1024

/**
 * Opens one safetensors file. Its header is read and checked; tensors are read when they are asked for.
 * @throws CheckpointError when the header lies in any way
 */
export async function openSafetensors(source: ByteSource): Promise<Checkpoint> {
  checkMethods('openSafetensors: source', source, ['read'])
  return makeCheckpoint(await readSafetensors(source))
}

/** The parts of {@link openSafetensors}, for joining shards. */
export async function readSafetensors(source: ByteSource): Promise<CheckpointParts> {
  const start = await source.read(0, Math.min(source.size, FIRST_READ_BYTES))
  const headerBytes = readHeaderLength(source.name, start, source.size)
  const headerEnd = LENGTH_BYTES + headerBytes
  const bytes =
    headerEnd <= start.length ? start.subarray(LENGTH_BYTES, headerEnd) : await source.read(LENGTH_BYTES, headerBytes)
  const { metadata, entries } = parseHeader(source.name, bytes, source.size)
  return {
    format: 'safetensors',
    name: source.name,
    metadata,
    tensors: entries.map((entry) => rangeOf(source, entry)),
    close: async () => source.close?.(),
  }
}

function rangeOf(source: ByteSource, { info, begin }: SafetensorsEntry): StoredTensor {
  const { blockBytes } = layoutOf(info.dtype)
  return {
    info,
    readElements: (from, to) => source.read(begin + from * blockBytes, (to - from) * blockBytes),
  }
}
