/** Which files of a folder hold the weights. */
import { CheckpointError, quoted } from './errors.js'

/** A kind of weight files. */
export interface WeightKind {
  readonly format: 'safetensors' | 'pickle' | 'gguf'
  /** How the files end. */
  readonly ending: string
  /** The usual name in front of the ending. */
  readonly stem: string
}

/** The file to open: the weights themselves, or the index of shards. */
export interface WeightsFile {
  readonly kind: WeightKind
  readonly file: string
  /** Whether the file is an index that names the shards. */
  readonly isIndex: boolean
  /** All files of a GGUF model that is cut into parts, which need no index. */
  readonly parts?: readonly string[]
}

/** Best first. */
const KINDS: readonly WeightKind[] = [
  { format: 'safetensors', ending: '.safetensors', stem: 'model' },
  { format: 'pickle', ending: '.bin', stem: 'pytorch_model' },
  { format: 'gguf', ending: '.gguf', stem: 'model' },
]

const SHARD = /-\d{5}-of-\d{5}(?=\.\w+$)/

/**
 * The weights to open and the weights of other kinds that are left alone. Files with the usual names come first, since
 * a folder may hold other safetensors files, such as adapters.
 * @throws CheckpointError when there are no weights, several of one kind, or shards without their index
 */
export function findWeights(
  folder: string,
  files: readonly string[],
): { readonly chosen: WeightsFile; readonly ignored: readonly string[] } {
  const here = files.filter((file) => !file.includes('/')).sort()
  const usual = KINDS.flatMap((kind) => usualWeights(here, kind) ?? [])
  const [chosen, ...others] = usual.length > 0 ? usual : KINDS.flatMap((kind) => otherWeights(folder, here, kind) ?? [])
  if (chosen === undefined)
    throw new CheckpointError({
      file: folder,
      rule: `the folder must hold weights: ${KINDS.map(({ ending }) => `*${ending}`).join(', ')}`,
      got: here.length === 0 ? 'no files' : `${here.slice(0, 8).map(quoted).join(', ')}${here.length > 8 ? ', …' : ''}`,
      wayOut: 'give the folder that has config.json and the weights',
    })
  return { chosen, ignored: others.map(({ file }) => file) }
}

/** `model.safetensors` and its like, the index of its shards, or GGUF, which has no usual name. */
function usualWeights(files: readonly string[], kind: WeightKind): WeightsFile | undefined {
  if (kind.format === 'gguf') return ggufWeights(files, kind)
  const single = `${kind.stem}${kind.ending}`
  if (files.includes(single)) return { kind, file: single, isIndex: false }
  if (files.includes(`${single}.index.json`)) return { kind, file: `${single}.index.json`, isIndex: true }
  const alone = `${kind.stem}-00001-of-00001${kind.ending}`
  return files.includes(alone) ? { kind, file: alone, isIndex: false } : undefined
}

/** The files of one model: one file, or parts that carry their number and count in their names. */
function ggufWeights(files: readonly string[], kind: WeightKind): WeightsFile | undefined {
  const all = files.filter((file) => file.endsWith(kind.ending))
  const models = new Set(all.map((file) => file.replace(SHARD, '')))
  if (models.size !== 1) return undefined
  return { kind, file: all[0], isIndex: false, parts: SHARD.test(all[0]) ? all : undefined }
}

function otherWeights(folder: string, files: readonly string[], kind: WeightKind): WeightsFile | undefined {
  const indices = files.filter((file) => file.endsWith(`${kind.ending}.index.json`))
  const index = only(folder, indices)
  if (index !== undefined) return { kind, file: index, isIndex: true }
  const weights = files.filter((file) => file.endsWith(kind.ending))
  if (weights.length > 1 && weights.every((file) => SHARD.test(file))) throw missingIndex(folder, weights, kind)
  const file = only(folder, weights)
  return file === undefined ? undefined : { kind, file, isIndex: false }
}

function only(folder: string, files: readonly string[]): string | undefined {
  if (files.length <= 1) return files[0]
  throw new CheckpointError({
    file: folder,
    rule: 'it must be clear which file holds the weights',
    got: files.slice(0, 8).map(quoted).join(', '),
    wayOut: 'open the one that you mean by itself, or move the others away',
  })
}

function missingIndex(folder: string, shards: readonly string[], kind: WeightKind): CheckpointError {
  return new CheckpointError({
    file: folder,
    rule: `shards need their index ${kind.stem}${kind.ending}.index.json`,
    got: `${shards.length} shards without it`,
    wayOut: 'get the index file too; a save that was interrupted leaves shards without one',
  })
}
