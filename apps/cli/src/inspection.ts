/** A model folder as its files say it is. */
import { type Aquila2Config, parameterShapes, parseConfig } from '@tarazed/aquila2'
import { type Checkpoint, type Folder, ggufModelFiles, openCheckpoint } from '@tarazed/checkpoint'
import { Failure } from './failure.js'

/** What was found. */
export interface Inspection {
  readonly name: string
  readonly config: Aquila2Config
  readonly warnings: readonly { readonly field: string; readonly message: string }[]
  /** The weights; absent where only a configuration was looked at. */
  readonly files?: {
    readonly format: string
    readonly tensors: number
    readonly bytes: number
    /** How many tensors there are of each. */
    readonly dtypes: Readonly<Record<string, number>>
  }
}

/** Reads config.json and the headers of the weights. */
export async function inspectFolder(folder: Folder): Promise<Inspection> {
  const notes: string[] = []
  const hasWeights = (await folder.list()).some((name) => /\.(safetensors|bin|gguf)(\.index\.json)?$/.test(name))
  if (!hasWeights) return withoutWeights(folder)
  const checkpoint = await openCheckpoint(folder, { onWarning: (message) => void notes.push(message) })
  try {
    const json = await configOf(folder, checkpoint)
    const tensors = [...checkpoint.tensors.values()]
    const shapes = Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]))
    const { config, warnings } = parseConfig(json, { shapes, name: folder.name })
    const dtypes: Record<string, number> = {}
    for (const { dtype } of tensors) dtypes[dtype] = (dtypes[dtype] ?? 0) + 1
    return {
      name: folder.name,
      config,
      warnings: [...notes.map(aboutFiles), ...warnings, ...strangers(config, shapes).map(aboutFiles)],
      files: {
        format: checkpoint.format,
        tensors: tensors.length,
        bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
        dtypes,
      },
    }
  } finally {
    await checkpoint.close()
  }
}

async function withoutWeights(folder: Folder): Promise<Inspection> {
  const json = await folder.readText('config.json')
  if (json === undefined) throw noConfig(folder)
  const { config, warnings } = parseConfig(json, { name: folder.name })
  return { name: folder.name, config, warnings: [...warnings, aboutFiles('the folder has no weights')] }
}

/** config.json, or what the metadata of a GGUF file amount to. */
async function configOf(folder: Folder, checkpoint: Checkpoint): Promise<string> {
  const json = await folder.readText('config.json')
  if (json !== undefined) return json
  const inside = checkpoint.format === 'gguf' ? ggufModelFiles(checkpoint).files['config.json'] : undefined
  if (typeof inside === 'string') return inside
  throw noConfig(folder)
}

function noConfig(folder: Folder): Failure {
  return new Failure({
    en: `${folder.name} has no config.json; name the folder that holds it and the weights`,
    zh: `${folder.name} 中没有 config.json；请给出包含它和权重的目录`,
  })
}

function aboutFiles(message: string) {
  return { field: 'files', message }
}

/** Tensors that the graph needs and the files lack, the other way round, or of another shape. Packed weights have names of their own. */
function strangers(config: Aquila2Config, shapes: Readonly<Record<string, readonly number[]>>): string[] {
  const names = Object.keys(shapes)
  if (names.some((name) => /\.(qweight|absmax)$/.test(name))) return []
  const wanted = new Map(Object.entries(parameterShapes(config)))
  if (config.tie_word_embeddings === true && shapes['lm_head.weight'] === undefined) wanted.delete('lm_head.weight')
  const given = names.filter((name) => !name.endsWith('rotary_emb.inv_freq'))
  const misshapen = given.filter((name) => wanted.has(name) && String(wanted.get(name)) !== String(shapes[name]))
  return [
    ...sentence(
      'the weights have tensors that this graph does not use',
      given.filter((name) => !wanted.has(name)),
    ),
    ...sentence(
      'the weights lack tensors of this graph',
      [...wanted.keys()].filter((name) => shapes[name] === undefined),
    ),
    ...sentence(
      'tensors are of another shape than the configuration asks for',
      misshapen.map((name) => `${name} [${String(shapes[name])}] instead of [${String(wanted.get(name))}]`),
    ),
  ]
}

function sentence(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length > 3 ? ` and ${names.length - 3} more` : ''
  return [`${what}: ${names.slice(0, 3).join(', ')}${more}`]
}
