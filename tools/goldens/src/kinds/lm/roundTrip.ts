/** What a model folder becomes when it is loaded, saved and loaded again. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromPretrained } from '@tarazed/aquila2'
import { savePretrained } from '@tarazed/aquila2/node'
import { openCheckpoint, type Folder } from '@tarazed/checkpoint'
import { diskFolder } from '@tarazed/checkpoint/node'

/** Runs `check` on the folder written by us, in shards small enough to be several. */
export async function withWrittenFolder(
  original: Folder,
  check: (written: Folder, path: string) => Promise<string | null>,
): Promise<string | null> {
  const path = await mkdtemp(join(tmpdir(), 'tarazed-goldens-'))
  try {
    await savePretrained(path, await fromPretrained(original, { onWarning: () => undefined }), {
      maxShardBytes: 60_000,
    })
    return await check(diskFolder(path), path)
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

/** Names, dtypes, shapes, bytes and configuration of a safetensors or .bin folder must be kept. */
export async function differenceOfFolders(original: Folder, written: Folder, path: string): Promise<string | null> {
  const [before, after] = [await openCheckpoint(original), await openCheckpoint(written)]
  try {
    const names = [...before.tensors.keys()].filter((name) => !name.endsWith('rotary_emb.inv_freq'))
    if (names.sort().join() !== [...after.tensors.keys()].sort().join()) return 'other tensor names'
    for (const name of names) {
      const [a, b] = [before.tensors.get(name), after.tensors.get(name)]
      if (a?.dtype !== b?.dtype || a?.shape.join() !== b?.shape.join()) return `${name}: another dtype or shape`
      if (Buffer.compare(await before.read(name), await after.read(name)) !== 0) return `${name}: other bytes`
    }
  } finally {
    await Promise.all([before.close(), after.close()])
  }
  return differenceOfFiles(original, path)
}

/** Every field of config.json, and generation_config.json byte for byte. */
async function differenceOfFiles(original: Folder, path: string): Promise<string | null> {
  const before = JSON.parse((await original.readText('config.json')) ?? '{}') as Record<string, unknown>
  const after = JSON.parse(await readFile(join(path, 'config.json'), 'utf8')) as Record<string, unknown>
  const lost = Object.keys(before).find((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
  if (lost !== undefined) return `config.json: ${lost} became ${JSON.stringify(after[lost])}`
  const generation = await original.readText('generation_config.json')
  if (generation === undefined) return null
  const copied = await readFile(join(path, 'generation_config.json'), 'utf8')
  return copied === generation ? null : 'generation_config.json has changed'
}
