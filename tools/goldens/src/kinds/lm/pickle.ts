/** PyTorch files: features to read, files to refuse, and a model whose weights another case has as safetensors. */
import {
  bytesSource,
  CheckpointError,
  memoryFolder,
  openCheckpoint,
  openPickle,
  openSafetensors,
  type Checkpoint,
} from '@tarazed/checkpoint'
import { posix } from 'node:path'
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type GoldenCase } from '../../case.js'

/** `expected.json` of a folder `aquila2-pickle…`. */
interface PickleIndex {
  readonly same_weights_as?: string
  readonly ignore_tensors?: readonly string[]
  /** What is to be seen in each file, in words. */
  readonly features?: Readonly<Record<string, string>>
  /** Why each file is to be refused. */
  readonly refuse?: Readonly<Record<string, string>>
}

/** Reasons that are about foreign names; the others are about damage. */
const FOREIGN = /global|builtins|opcode|attribute|exec|eval/i

/** The cases of every folder whose name begins with `aquila2-pickle`. */
export function cases(_area: Area, files: AreaFiles): GoldenCase[] {
  const folders = new Set(files.list().map((file) => file.split('/')[0]))
  return [...folders]
    .filter((folder) => folder.startsWith('aquila2-pickle'))
    .flatMap((folder) => casesOf(folder, files))
}

function casesOf(folder: string, files: AreaFiles): GoldenCase[] {
  const index = files.json(`${folder}/expected.json`) as PickleIndex
  const named = (id: string, inFolder: readonly string[], run: () => Promise<string | null>): GoldenCase => ({
    id,
    op: folder,
    sources: inFolder.map((file) => ({ file: `${folder}/${file}` })),
    run,
  })
  const features = Object.entries(index.features ?? {}).map(([file, words]) =>
    named(file, [file, 'features/expected.safetensors'], () => checkFeatures(files, folder, file, words)),
  )
  const refusals = Object.entries(index.refuse ?? {}).map(([file, reason]) =>
    named(`refuse/${file}`, [`refuse/${file}`], () => checkRefusal(files, `${folder}/refuse/${file}`, reason)),
  )
  const weights = named('weights', weightsOf(files, folder), () => checkWeights(files, folder, index))
  return [...(index.same_weights_as === undefined ? [] : [weights]), ...features, ...refusals]
}

function weightsOf(files: AreaFiles, folder: string): string[] {
  const inside = files.list().flatMap((file) => (file.startsWith(`${folder}/`) ? [file.slice(folder.length + 1)] : []))
  return inside.filter((file) => /^(pytorch_model|model)[^/]*\.(bin|safetensors)(\.index\.json)?$/.test(file))
}

async function openWeights(files: AreaFiles, folder: string): Promise<Checkpoint> {
  const here = weightsOf(files, folder).map((file) => [file, files.bytes(`${folder}/${file}`)] as const)
  return openCheckpoint(memoryFolder(folder, Object.fromEntries(here)))
}

/** Every tensor that is not to be ignored has the dtype, shape and bits of the other folder's, and none is missing. */
async function checkWeights(files: AreaFiles, folder: string, index: PickleIndex): Promise<string | null> {
  const got = await openWeights(files, folder)
  const want = await openWeights(files, posix.join(folder, index.same_weights_as ?? ''))
  const ignored = index.ignore_tensors ?? []
  const missing = ignored.find((name) => !got.tensors.has(name))
  if (missing !== undefined) return `tensor ${missing}, which is to be ignored, is not there`
  for (const name of ignored) await got.read(name)
  return compare(got, want, new Set(ignored))
}

async function checkFeatures(files: AreaFiles, folder: string, file: string, words: string): Promise<string | null> {
  const want = await openSafetensors(sourceOf(files, `${folder}/features/expected.safetensors`))
  try {
    return await compare(await openPickle(sourceOf(files, `${folder}/${file}`)), want, new Set())
  } catch (error) {
    if (!(error instanceof CheckpointError) || !/refuse/.test(words)) throw error
    return /legacy|format|tar\b/i.test(error.message) ? null : `the refusal must name the format, got: ${error.message}`
  }
}

async function compare(got: Checkpoint, want: Checkpoint, ignored: ReadonlySet<string>): Promise<string | null> {
  const extra = [...got.tensors.keys()].find((name) => !want.tensors.has(name) && !ignored.has(name))
  if (extra !== undefined) return `tensor ${extra} is not among the expected ones`
  for (const [name, { dtype, shape }] of want.tensors) {
    const info = got.tensors.get(name)
    if (info === undefined) return `tensor ${name} is missing`
    const [is, should] = [`${info.dtype}[${info.shape.join(', ')}]`, `${dtype}[${shape.join(', ')}]`]
    if (is !== should) return `tensor ${name}: got ${is}, want ${should}`
    if (Buffer.compare(await got.read(name), await want.read(name)) !== 0) return `tensor ${name} differs in its bits`
  }
  return null
}

/** Refused while it is opened, by an error that names the file and, where a foreign name is the reason, that name. */
async function checkRefusal(files: AreaFiles, file: string, reason: string): Promise<string | null> {
  try {
    const { tensors } = await openPickle(sourceOf(files, file))
    return `must be refused (${reason}), got ${tensors.size} tensors`
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    if (!error.message.includes(file)) return `the error must name the file, got: ${error.message}`
    const namesIt = FOREIGN.test(reason) ? /got "[\w.]+\.\w+"/ : /record|directory|storage/
    return namesIt.test(error.message) ? null : `the error must name the global or record, got: ${error.message}`
  }
}

function sourceOf(files: AreaFiles, file: string) {
  return bytesSource(file, files.bytes(file))
}
