/** A folder of the area as the loaders of models see it, and the model in it. */
import { type Aquila2, fromPretrained, type Pretrained } from '@tarazed/aquila2'
import { bytesSource, type Folder } from '@tarazed/checkpoint'
import { type Tensor } from '@tarazed/tensor'
import { type AreaFiles, MissingDataError } from '../../areaFiles.js'
import { tensorOf } from '../../stored.js'

/** Files of one folder of the area that are a model folder: those of the results are left out. */
export function modelFolder(files: AreaFiles, folder: string): Folder {
  const here = files
    .list()
    .filter((file) => file.startsWith(`${folder}/`))
    .map((file) => file.slice(folder.length + 1))
    .filter((file) => isModelFile(file))
  return {
    name: folder,
    list: () => Promise.resolve(here),
    open(file) {
      return Promise.resolve(bytesSource(`${folder}/${file}`, files.bytes(`${folder}/${file}`)))
    },
    readText(file) {
      return Promise.resolve(here.includes(file) ? files.text(`${folder}/${file}`) : undefined)
    },
  }
}

/** Weights, configuration, tokenizer. `config.duplicate-key.json` and the like are read by cases of their own. */
function isModelFile(file: string): boolean {
  if (file.includes('/')) return false
  return (
    /^(model|pytorch_model)[-.\w]*$/.test(file) ||
    ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'].includes(file) ||
    ['vocab.json', 'merges.txt', 'special_tokens_map.json', 'added_tokens.json'].includes(file)
  )
}

/** Loads a folder, and fails on every warning that is not expected: the configurations of the cases are right. */
export async function loadFolder(
  folder: Folder,
  dtype: 'f32' | 'bf16',
  { allow = /become f32|no Aquila2 chat model/ }: { readonly allow?: RegExp } = {},
): Promise<Pretrained> {
  const onWarning = (message: string): void => {
    if (!allow.test(message)) throw new Error(`unexpected warning: ${message}`)
  }
  return fromPretrained(folder, { dtype, onWarning })
}

/** A stored tensor of `<folder>/<file>.safetensors`. */
export function storedTensor(files: AreaFiles, folder: string, name: string, file = 'expected'): Tensor {
  return tensorOf(files.tensor(`${folder}/${file}.safetensors`, name))
}

/** The mask of a case as bool [B, T]; undefined when it has none. */
export function storedMask(files: AreaFiles, folder: string): Tensor | undefined {
  return hasTensor(files, folder, 'attention_mask')
    ? storedTensor(files, folder, 'attention_mask').notEqual(0)
    : undefined
}

/** Whether a case stores a result of this name. */
export function hasTensor(files: AreaFiles, folder: string, name: string, file = 'expected'): boolean {
  try {
    return files.tensorNames(`${folder}/${file}.safetensors`).includes(name)
  } catch (cause) {
    if (cause instanceof MissingDataError) return false
    throw cause
  }
}

/** The model of a folder in f32, loaded once for all cases of a run. */
export class ModelShelf {
  readonly #files: AreaFiles
  readonly #models = new Map<string, Promise<Aquila2>>()

  constructor(files: AreaFiles) {
    this.#files = files
  }

  model(folder: string): Promise<Aquila2> {
    let known = this.#models.get(folder)
    if (known === undefined) {
      known = loadFolder(modelFolder(this.#files, folder), 'f32').then(({ model }) => model)
      this.#models.set(folder, known)
    }
    return known
  }
}
