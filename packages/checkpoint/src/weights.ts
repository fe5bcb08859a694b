/** Which files of a folder hold the weights. */
import { CheckpointError, quoted } from './errors.js'

/** A kind of weight files. */
export interface WeightKind {
  readonly format: 'safetensors' | 'pickle'
  /** How the files end. */
  readonly ending: string
  /** The usual name in front of the ending. */
  readonly stem: string
}

/** The file to open: the weights themselves, or the index of shards. */
export interface WeightsFile {
  readonly kind: WeightKind
  readonly file: string
  readonly isIndex: boolean
}

/** Best first. */
const KINDS: readonly WeightKind[] = [
  { format: 'safetensors', ending: '.safetensors', stem: 'model' },
  { format: 'pickle', ending: '.bin', stem: 'pytorch_model' },
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
  const usual = KINDS.flatMap((kind) => usualWeights(folder, here, kind) ?? [])
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

/** `model.safetensors` and its like, or the index of its shards. */
function usualWeights(folder: string, files: readonly string[], kind: WeightKind): WeightsFile | undefined {
  const single = `${kind.stem}${kind.ending}`
  if (files.includes(single)) return { kind, file: single, isIndex: false }
  if (files.includes(`${single}.index.json`)) return { kind, file: `${single}.index.json`, isIndex: true }
  const shards = files.filter(
    (file) => file.startsWith(`${kind.stem}-`) && SHARD.test(file) && file.endsWith(kind.ending),
  )
  if (shards.length > 1) throw missingIndex(folder, shards, kind)
  return shards.length === 1 ? { kind, file: shards[0], isIndex: false } : undefined
}

function otherWeights(folder: string, files: readonly string[], kind: WeightKind): WeightsFile | undefined {
  const index = only(
    folder,
    files.filter((file) => file.endsWith(`${kind.ending}.index.json`)),
  )
  if (index !== undefined) return { kind, file: index, isIndex: true }
  const file = only(
    folder,
    files.filter((file) => file.endsWith(kind.ending)),
  )
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
