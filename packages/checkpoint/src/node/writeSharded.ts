/** Writes a checkpoint in shards with an index. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { checkCount, checkOptions, checkText } from '../arguments.js'
import { type TensorInfo } from '../checkpoint.js'
import { type SafetensorsMetadata, planSafetensors } from '../safetensors/layout.js'
import { planShards } from '../safetensors/shards.js'
import { checkTensors, type TensorToWrite } from '../tensorToWrite.js'
import { prepareFile, type PreparedFile } from './replaceFile.js'
import { safetensorsPieces } from './writeSafetensors.js'
import { makeFolder } from './makeFolder.js'

/** Options of {@link writeShardedSafetensors}. */
export interface WriteShardedOptions {
  /** Most bytes of tensors in one file, default 5·10⁹; a single larger tensor gets a file of its own. */
  readonly maxShardBytes?: number
  readonly metadata?: SafetensorsMetadata
  /** Told after each tensor. */
  readonly onProgress?: (progress: WriteProgress) => void
}

/** How far writing has come. */
export interface WriteProgress {
  /** The tensor just written. */
  readonly tensor: string
  /** Bytes of tensors written so far, and in all. */
  readonly bytes: number
  readonly totalBytes: number
}

const INDEX = 'model.safetensors.index.json'
const SINGLE = 'model.safetensors'
const OURS = /^model(-\d{5}-of-\d{5})?\.safetensors$/

/**
 * Writes `model-0000x-of-0000y.safetensors` and `model.safetensors.index.json` into a folder, which is created; what
 * fits into one shard becomes `model.safetensors` without an index. Weights of the same naming are replaced: all new
 * files are complete on the disk before the first old one is touched, and the index, without which shards are not
 * read, comes last. So an error leaves the old checkpoint, and no moment leaves a mixture that opens.
 *
 * @returns the names of the files, the index last
 * @throws CheckpointError when a file cannot be written or a tensor gives the wrong number of bytes
 */
export async function writeShardedSafetensors(
  folder: string,
  tensors: Iterable<TensorToWrite>,
  options: WriteShardedOptions = {},
): Promise<readonly string[]> {
  checkText('writeShardedSafetensors: folder', folder)
  checkOptions('writeShardedSafetensors', options, ['maxShardBytes', 'metadata', 'onProgress'])
  const { maxShardBytes = 5e9, metadata, onProgress } = options
  checkCount('writeShardedSafetensors: maxShardBytes', maxShardBytes, 1)
  const all = reporting(checkTensors('writeShardedSafetensors', tensors), onProgress)
  const { shards, index } = planShards(all, maxShardBytes)
  const layouts = shards.map(({ file, tensors: part }) => ({
    file,
    layout: planSafetensors('writeShardedSafetensors', part, metadata),
  }))
  await makeFolder(folder)
  const prepared: PreparedFile[] = []
  try {
    for (const { file, layout } of layouts) {
      const path = join(folder, file)
      prepared.push(await prepareFile(path, safetensorsPieces(path, layout)))
    }
    if (index !== undefined)
      prepared.push(await prepareFile(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`))
    await exchange(folder, prepared)
  } finally {
    await Promise.all(prepared.map((file) => file.discard()))
  }
  return [...shards.map(({ file }) => file), ...(index === undefined ? [] : [INDEX])]
}

/** Old index out, new files in, index last, then what is left of the old checkpoint out. */
async function exchange(folder: string, prepared: readonly PreparedFile[]): Promise<void> {
  await rm(join(folder, INDEX), { force: true })
  if (prepared.length > 1) await rm(join(folder, SINGLE), { force: true })
  for (const file of prepared) await file.commit()
  const written = new Set(prepared.map(({ path }) => path))
  const stale = (await readdir(folder)).filter((name) => OURS.test(name) && !written.has(join(folder, name)))
  await Promise.all(stale.map((name) => rm(join(folder, name), { force: true })))
}

/** Tensors that tell when their bytes have been taken. */
export function reporting(
  tensors: readonly (TensorToWrite & TensorInfo)[],
  onProgress: ((progress: WriteProgress) => void) | undefined,
): readonly (TensorToWrite & TensorInfo)[] {
  if (onProgress === undefined) return tensors
  const totalBytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0)
  let bytes = 0
  return tensors.map((tensor) => ({
    ...tensor,
    bytes: () =>
      afterwards(tensor.bytes(), () => {
        bytes += tensor.byteLength
        onProgress({ tensor: tensor.name, bytes, totalBytes })
      }),
  }))
}

async function* afterwards(bytes: ReturnType<TensorToWrite['bytes']>, done: () => void): AsyncGenerator<Uint8Array> {
  if (Symbol.asyncIterator in bytes) yield* bytes
  else yield await bytes
  done()
}
