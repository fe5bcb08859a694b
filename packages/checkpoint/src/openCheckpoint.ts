/** Finds and opens the weights of a folder. */
import { checkMethods, checkOptions } from './arguments.js'
import { makeCheckpoint, type Checkpoint, type CheckpointParts } from './checkpoint.js'
import { type Folder } from './folder.js'
import { readGguf } from './gguf/open.js'
import { openGgufParts } from './gguf/parts.js'
import { readPickle } from './pickle/open.js'
import { readSafetensors } from './safetensors/open.js'
import { type ByteSource } from './source.js'
import { openSharded, readOrClose } from './sharded.js'
import { findWeights, type WeightsFile } from './weights.js'

/** Options of {@link openCheckpoint}. */
export interface OpenCheckpointOptions {
  /** Told each warning; `console.warn` if absent. All of them are in `Checkpoint.warnings` too. */
  readonly onWarning?: (message: string) => void
}

/**
 * Opens the weights of a model folder: safetensors (one file, or shards with an index), PyTorch `.bin` (likewise) or
 * GGUF (whose tensors then have the names and the order of rows of Hugging Face). With several kinds present safetensors wins over `.bin` over GGUF, which a warning says.
 *
 * @throws CheckpointError when the folder holds no weights or they are broken
 */
export async function openCheckpoint(folder: Folder, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  checkMethods('openCheckpoint: folder', folder, ['list', 'open', 'readText'])
  checkOptions('openCheckpoint', options, ['onWarning'])
  const { chosen, ignored } = findWeights(folder.name, await folder.list())
  const parts = await openWeights(folder, chosen)
  const notes = ignored.length > 0 ? [`${folder.name}: reads ${chosen.file} and ignores ${ignored.join(', ')}`] : []
  const checkpoint = makeCheckpoint({ ...parts, warnings: [...notes, ...(parts.warnings ?? [])] })
  checkpoint.warnings.forEach(options.onWarning ?? ((message) => console.warn(message)))
  return checkpoint
}

async function openWeights(folder: Folder, { kind, file, isIndex, parts }: WeightsFile): Promise<CheckpointParts> {
  const read = READERS[kind.format]
  if (parts !== undefined) return openGgufParts(folder, parts)
  return isIndex ? openSharded(folder, file, read) : readOrClose(await folder.open(file), read)
}

const READERS: Record<Checkpoint['format'], (source: ByteSource) => Promise<CheckpointParts>> = {
  safetensors: readSafetensors,
  pickle: (source) => readPickle(source),
  gguf: (source) => readGguf(source, 'hf'),
}
