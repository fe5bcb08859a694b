/** Which files of a folder hold the weights. */
import { CheckpointError, quoted } from './errors.js'

/** A kind of weight files. */
export interface WeightKind {
  readonly format: 'safetensors'
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
const KINDS: readonly WeightKind[] = [{ format: 'safetensors', ending: '.safetensors', stem: 'model' }]

const SHARD = /-\d{5}-of-\d{5}(?=\.\w+$)/

/**
 * The weights to open and the files of other kinds that are left alone.
 * @throws CheckpointError when there are no weights, several of one kind, or shards without their index
 */
export function findWeights(
  folder: string,
  files: readonly string[],
): { readonly chosen: WeightsFile; readonly ignored: readonly string[] } {
  const here = files.filter((file) => !file.includes('/')).sort()
  const found = KINDS.flatMap((kind) => weightsOfKind(folder, here, kind) ?? [])
  const [chosen, ...others] = found
  if (chosen === undefined)
    throw new CheckpointError({
      file: folder,
      rule: `the folder must hold weights: ${KINDS.map(({ ending }) => `*${ending}`).join(', ')}`,
      got: here.length === 0 ? 'no files' : `${here.slice(0, 8).map(quoted).join(', ')}${here.length > 8 ? ', …' : ''}`,
      wayOut: 'give the folder that has config.json and the weights',
    })
  return { chosen, ignored: others.map(({ file }) => file) }
}

function weightsOfKind(folder: string, files: readonly string[], kind: WeightKind): WeightsFile | undefined {
  const single = `${kind.stem}${kind.ending}`
  if (files.includes(single)) return { kind, file: single, isIndex: false }
  const indices = files.filter((file) => file.endsWith(`${kind.ending}.index.json`))
  const preferred = indices.find((file) => file === `${single}.index.json`) ?? only(folder, indices)
  if (preferred !== undefined) return { kind, file: preferred, isIndex: true }
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
