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
      warnings: [...notes.map(aboutFiles), ...warnings, ...strangers(config, Object.keys(shapes)).map(aboutFiles)],
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

/** config.json, or what the metadata of a GGUF file amount to. */
async function configOf(folder: Folder, checkpoint: Checkpoint): Promise<string> {
  const json = await folder.readText('config.json')
  if (json !== undefined) return json
  const inside = checkpoint.format === 'gguf' ? ggufModelFiles(checkpoint).files['config.json'] : undefined
  if (typeof inside === 'string') return inside
  throw new Failure({
    en: `${folder.name} has no config.json; name the folder that holds it and the weights`,
    zh: `${folder.name} 中没有 config.json；请给出包含它和权重的目录`,
  })
}

function aboutFiles(message: string) {
  return { field: 'files', message }
}

/** Tensors that the graph needs and the files lack, or the other way round. Packed weights have names of their own. */
function strangers(config: Aquila2Config, names: readonly string[]): string[] {
  if (names.some((name) => /\.(qweight|absmax)$/.test(name))) return []
  const wanted = new Set(Object.keys(parameterShapes(config)))
  const given = new Set(names.filter((name) => !name.endsWith('rotary_emb.inv_freq')))
  return [
    ...sentence(
      'the weights have tensors that this graph does not use',
      [...given].filter((name) => !wanted.has(name)),
    ),
    ...sentence(
      'the weights lack tensors of this graph',
      [...wanted].filter((name) => !given.has(name)),
    ),
  ]
}

function sentence(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const more = names.length > 3 ? ` and ${names.length - 3} more` : ''
  return [`${what}: ${names.slice(0, 3).join(', ')}${more}`]
}
