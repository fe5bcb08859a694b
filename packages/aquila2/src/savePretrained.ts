/** A model to a folder that other programs read: safetensors, config.json, and the files beside them. */
import { join } from 'node:path'
import type { Folder, PlainDType, TensorToWrite } from '@tarazed/checkpoint'
import { replaceFile, writeShardedSafetensors, makeFolder } from '@tarazed/checkpoint/node'
import { parameters } from '@tarazed/nn'
import { type Tensor, cast } from '@tarazed/tensor'
import { Aquila2 } from './aquila2.js'
import type { Aquila2Config } from './config.js'
import { OptionError, checkOptions, shown } from './errors.js'

/** What `savePretrained` writes; what `fromPretrained` gives is one. */
export interface ToSave {
  readonly model: Aquila2
  /** Default: the configuration of the model. */
  readonly config?: Aquila2Config
  /** Files beside the weights (tokenizer, generation_config.json) are copied from here, as they are. */
  readonly folder?: Folder
  /** More files by name, such as those of a tokenizer just trained; they win over those of `folder`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** Written as generation_config.json, unless `folder` or `files` have one. */
  readonly generationConfig?: Readonly<Record<string, unknown>>
}

/** How weights are written. */
export interface SaveOptions {
  /** The dtype of the file. Default: every tensor as it is. */
  readonly dtype?: 'f32' | 'f16' | 'bf16'
  /** Most bytes of one file, default 5·10⁹. */
  readonly maxShardBytes?: number
}

/** Files of a model folder that are neither weights nor config.json. */
const BESIDE = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
  'merges.txt',
  'special_tokens_map.json',
  'added_tokens.json',
  'special_tokens.txt',
  'chat_template.jinja',
]

const STORED: Readonly<Record<string, PlainDType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' }
const TORCH: Readonly<Record<string, string>> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }

/**
 * Writes a model folder in the layout of Hugging Face, created if it is not there. Tensors keep names, dtypes and bytes, and
 * are read from the backend one at a time. An error leaves an older checkpoint in the folder as it was.
 *
 * @returns the names of the files
 * @throws CheckpointError when a file cannot be written
 */
export async function savePretrained(
  path: string,
  what: ToSave,
  options: SaveOptions = {},
): Promise<readonly string[]> {
  checkArguments(path, what, options)
  const { model, config = model.config, folder, files = {}, generationConfig } = what
  const { dtype, maxShardBytes } = options
  const beside = await filesBeside(folder, files, generationConfig)
  await makeFolder(path)
  const tensors = Object.entries(parameters(model)).map(([name, value]) => toWrite(name, value, dtype))
  const weights = await writeShardedSafetensors(path, tensors, { maxShardBytes, metadata: { format: 'pt' } })
  const stored = dtype ?? model.lm_head.weight.dtype
  const described = config.torch_dtype === TORCH[stored] ? config : { ...config, torch_dtype: TORCH[stored] }
  await replaceFile(join(path, 'config.json'), `${JSON.stringify(described, null, 2)}\n`)
  for (const [name, content] of beside) await replaceFile(join(path, name), content)
  return [...weights, 'config.json', ...beside.keys()]
}

function toWrite(name: string, value: Tensor, dtype: SaveOptions['dtype']): TensorToWrite {
  const wanted = dtype ?? value.dtype
  return {
    name,
    dtype: STORED[wanted],
    shape: value.shape,
    bytes: () => (wanted === value.dtype ? value : cast(value, wanted)).bytes(),
  }
}

/** Read before anything is written: the folder may be the one that is written to. */
async function filesBeside(
  folder: Folder | undefined,
  files: Readonly<Record<string, string | Uint8Array>>,
  generationConfig: Readonly<Record<string, unknown>> | undefined,
): Promise<Map<string, string | Uint8Array>> {
  const found = new Map<string, string | Uint8Array>()
  if (generationConfig !== undefined)
    found.set('generation_config.json', `${JSON.stringify(generationConfig, null, 2)}\n`)
  const present = folder === undefined ? [] : await folder.list()
  for (const name of BESIDE.filter((candidate) => present.includes(candidate))) {
    const source = await folder!.open(name) // present is empty without a folder
    try {
      found.set(name, (await source.read(0, source.size)).slice())
    } finally {
      await source.close?.()
    }
  }
  for (const [name, content] of Object.entries(files)) found.set(name, content)
  return found
}

function checkArguments(path: string, what: ToSave, options: SaveOptions): void {
  if (typeof path !== 'string' || path === '')
    throw new OptionError(`savePretrained: path is the path of a folder, got ${shown(path)}`, 'path')
  if (!(what?.model instanceof Aquila2))
    throw new OptionError(`savePretrained: model is an Aquila2, got ${shown(what?.model)}`, 'model')
  checkOptions('savePretrained', options, ['dtype', 'maxShardBytes'])
  if (options.dtype !== undefined && !Object.hasOwn(STORED, options.dtype))
    throw new OptionError(`savePretrained: dtype is f32, f16 or bf16, got ${shown(options.dtype)}`, 'dtype')
}
