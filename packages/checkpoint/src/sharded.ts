/** A checkpoint in several files, described by an index that says which file holds which tensor. */
import { type CheckpointParts, type StoredTensor } from './checkpoint.js'
import { CheckpointError, quoted, shown } from './errors.js'
import { checkFileName, type Folder } from './folder.js'
import { parseJsonKeepingDuplicates } from './json.js'
import { type ByteSource } from './source.js'

/** Shards whose headers are read at the same time. */
const CONCURRENT_OPENS = 8

/**
 * Opens the shards that an index names and joins them.
 * @param index `model.safetensors.index.json` or `pytorch_model.bin.index.json`
 * @param openShard opens one file of the format
 * @throws CheckpointError when the index is broken, a shard is missing, or a shard lacks a tensor
 */
export async function openSharded(
  folder: Folder,
  index: string,
  openShard: (source: ByteSource) => Promise<CheckpointParts>,
): Promise<CheckpointParts> {
  const file = `${folder.name}/${index}`
  const weightMap = parseIndex(folder.name, file, (await folder.readText(index)) ?? '')
  const names = [...new Set(weightMap.values())]
  const shards = await openAll(names, folder, openShard)
  try {
    return joinShards(file, weightMap, shards)
  } catch (error) {
    await Promise.all([...shards.values()].map((shard) => shard.close()))
    throw error
  }
}

function parseIndex(folder: string, file: string, text: string): Map<string, string> {
  const { value, duplicates } = parseJsonKeepingDuplicates(text, { file })
  const map = (value as { weight_map?: unknown } | null)?.weight_map
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new CheckpointError({ file, rule: 'weight_map must map tensors to files', got: shown(map) })
  const doubled = duplicates.find(({ path }) => path[0] === 'weight_map')
  if (doubled !== undefined)
    throw new CheckpointError({
      file,
      tensor: doubled.key,
      rule: 'weight_map may name a tensor once',
      got: 'two entries',
    })
  return new Map(Object.entries(map).map(([tensor, shard]) => [tensor, checkFileName(folder, shard)]))
}

/** Opens several files of a folder; when one fails the others are closed. */
export async function openAll(
  names: readonly string[],
  folder: Folder,
  read: (source: ByteSource) => Promise<CheckpointParts>,
): Promise<Map<string, CheckpointParts>> {
  const open = async (name: string) => readOrClose(await folder.open(name), read)
  const shards = new Map<string, CheckpointParts>()
  try {
    for (let at = 0; at < names.length; at += CONCURRENT_OPENS) {
      const batch = names.slice(at, at + CONCURRENT_OPENS)
      const opened = await Promise.allSettled(batch.map(open))
      opened.forEach((result, k) => {
        if (result.status === 'fulfilled') shards.set(batch[k], result.value)
      })
      const failed = opened.find((result) => result.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
  } catch (error) {
    await Promise.all([...shards.values()].map((shard) => shard.close()))
    throw error
  }
  return shards
}

function joinShards(
  file: string,
  weightMap: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, CheckpointParts>,
): CheckpointParts {
  const byName = new Map([...shards].map(([name, { tensors }]) => [name, tensorsByName(tensors)]))
  const tensors: StoredTensor[] = []
  for (const [name, shardName] of weightMap) {
    const tensor = byName.get(shardName)?.get(name)
    if (tensor === undefined)
      throw new CheckpointError({
        file,
        tensor: name,
        rule: `${shardName} must hold the tensor that the index places there`,
        got: 'no such tensor',
        wayOut: 'index and shards are of different versions: get all files again',
      })
    tensors.push(tensor)
  }
  const warnings = [...shards.values()].flatMap((shard) => shard.warnings ?? [])
  const unlisted = [...shards].flatMap(([shardName, shard]) =>
    shard.tensors
      .filter(({ info }) => !weightMap.has(info.name))
      .map(({ info }) => `${quoted(info.name)} of ${shardName}`),
  )
  if (unlisted.length > 0)
    warnings.push(`${file}: tensors that the index does not name are left out: ${unlisted.slice(0, 8).join(', ')}`)
  const [first] = shards.values()
  return {
    format: first?.format ?? 'safetensors',
    name: file,
    metadata: first?.metadata ?? new Map(),
    tensors,
    warnings,
    close: async () => {
      await Promise.all([...shards.values()].map((shard) => shard.close()))
    },
  }
}

function tensorsByName(tensors: readonly StoredTensor[]): Map<string, StoredTensor> {
  return new Map(tensors.map((tensor) => [tensor.info.name, tensor]))
}

/** Reads a file's header and closes the file if that fails. */
export async function readOrClose(
  source: ByteSource,
  read: (source: ByteSource) => Promise<CheckpointParts>,
): Promise<CheckpointParts> {
  try {
    return await read(source)
  } catch (error) {
    await source.close?.()
    throw error
  }
}
