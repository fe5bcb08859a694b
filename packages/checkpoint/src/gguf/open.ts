/** Opens GGUF files. */
import { checkChoice, checkMethods, checkOptions } from '../arguments.js'
import { makeCheckpoint, type Checkpoint, type CheckpointParts, type StoredTensor } from '../checkpoint.js'
import { layoutOf } from '../dtype.js'
import { CheckpointError } from '../errors.js'
import { type ByteSource } from '../source.js'
import { plainMetadata, readGgufHeader, type GgufEntry } from './header.js'
import { ggufToHfName } from './names.js'
import { ggufRowOf, reorderedRows } from './rotaryRows.js'
import { type GgufValue } from './types.js'

/** Options of {@link openGguf}. */
export interface OpenGgufOptions {
  /**
   * `gguf` (default): names and rows as they are in the file. `hf`: names of Hugging Face checkpoints, and rows of q
   * and k in their order, so that models load it like any other; names that have no counterpart stay.
   */
  readonly names?: 'gguf' | 'hf'
}

/** A checkpoint that also knows the types of its metadata. */
export interface GgufCheckpoint extends Checkpoint {
  readonly format: 'gguf'
  readonly typedMetadata: ReadonlyMap<string, GgufValue>
}

/**
 * Opens a GGUF file of version 2 or 3. Shapes have the outermost axis first, as everywhere in this package.
 * @throws CheckpointError when the header lies, a type cannot be read, or the file is cut off
 */
export async function openGguf(source: ByteSource, options: OpenGgufOptions = {}): Promise<GgufCheckpoint> {
  checkMethods('openGguf: source', source, ['read'])
  checkOptions('openGguf', options, ['names'])
  const { names = 'gguf' } = options
  checkChoice('openGguf: names', names, ['gguf', 'hf'])
  const { typedMetadata, ...parts } = await readGguf(source, names)
  return { ...makeCheckpoint(parts), format: 'gguf', typedMetadata }
}

/** The parts of {@link openGguf}. */
export async function readGguf(
  source: ByteSource,
  names: 'gguf' | 'hf',
): Promise<CheckpointParts & { readonly typedMetadata: ReadonlyMap<string, GgufValue> }> {
  const { metadata, entries } = await readGgufHeader(source)
  const tensors = entries.map((entry) => rangeOf(source, entry))
  return {
    format: 'gguf',
    name: source.name,
    metadata: plainMetadata(metadata),
    typedMetadata: metadata,
    tensors: names === 'hf' ? tensors.map((tensor) => asHf(source.name, tensor, metadata)) : tensors,
    close: async () => source.close?.(),
  }
}

function rangeOf(source: ByteSource, { info, begin }: GgufEntry): StoredTensor {
  const { blockElements, blockBytes } = layoutOf(info.dtype)
  const place = (element: number) => (element / blockElements) * blockBytes
  return { info, readElements: (from, to) => source.read(begin + place(from), place(to) - place(from)) }
}

function asHf(file: string, tensor: StoredTensor, metadata: ReadonlyMap<string, GgufValue>): StoredTensor {
  const name = ggufToHfName(tensor.info.name) ?? tensor.info.name
  const heads = headsOf(file, tensor, metadata)
  if (heads !== undefined) return reorderedRows(tensor, name, heads, ggufRowOf)
  return { ...tensor, info: { ...tensor.info, name } }
}

/** Heads of a tensor whose rows were reordered, else undefined. */
function headsOf(file: string, { info }: StoredTensor, metadata: ReadonlyMap<string, GgufValue>): number | undefined {
  const part = /^blk\.\d+\.attn_([qk])\.(?:weight|bias)$/.exec(info.name)?.[1]
  if (part === undefined || metadata.get('general.architecture')?.value !== 'llama') return undefined
  const queryHeads = metadata.get('llama.attention.head_count')?.value
  const heads = part === 'q' ? queryHeads : (metadata.get('llama.attention.head_count_kv')?.value ?? queryHeads)
  const rows = info.shape[0]
  if (typeof heads === 'number' && heads > 0 && rows % (2 * heads) === 0) return heads
  throw new CheckpointError({
    file,
    tensor: info.name,
    rule: 'its rows must be an even number for each head that the metadata names',
    got: `${rows} rows, ${String(heads)} heads`,
  })
}
