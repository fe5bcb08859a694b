/** A model folder to a model: configuration, weights, tokenizer. */
import {
  type Checkpoint,
  type Folder,
  type TensorInfo,
  ggufModelFiles,
  memoryFolder,
  openCheckpoint,
  parseJsonKeepingDuplicates,
} from '@tarazed/checkpoint'
import { type LoadProgress, type WeightDType, loadWeights } from '@tarazed/nn'
import { random } from '@tarazed/tensor'
import { type Tokenizer, loadTokenizer } from '@tarazed/tokenizer'
import { Aquila2 } from './aquila2.js'
import { type Aquila2Config, contextLength } from './config.js'
import { ConfigError, OptionError, checkOptions, shown } from './errors.js'
import { parseConfig } from './parseConfig.js'
import { type TemplateName, templateOf } from './template.js'

/** Options of `fromPretrained`. */
export interface FromPretrainedOptions {
  /**
   * The dtype of all weights. Default: as stored, norms included, when all matrices have one of f32, f16 and bf16; f32 for
   * everything else, such as the blocks of GGUF.
   */
  readonly dtype?: WeightDType
  /** The name of the model, where the folder's is another: it decides the template and what is known to be wrong. */
  readonly name?: string
  /** Fields that replace those of config.json, such as `rope_scaling`. */
  readonly overrides?: Readonly<Record<string, unknown>>
  /** Whether to load the tokenizer when the folder has one. Default true. */
  readonly tokenizer?: boolean
  /** Told everything odd that did not stop loading. Default: console.warn. */
  readonly onWarning?: (message: string) => void
  readonly onProgress?: (progress: LoadProgress) => void
  /** Stops between two tensors. */
  readonly signal?: AbortSignal
}

/** What a model folder holds. */
export interface Pretrained {
  readonly model: Aquila2
  readonly config: Aquila2Config
  /** Absent when the folder has none, or it was not asked for. */
  readonly tokenizer?: Tokenizer
  /** generation_config.json, absent when there is none. */
  readonly generationConfig?: Readonly<Record<string, unknown>>
  /** The chat template by the name of the model. */
  readonly template: TemplateName
  /** Why `template` is what it is, when no model of this name was published: to be told where it is used. */
  readonly templateNotice?: string
  /** Where it came from (for GGUF with the files that its metadata amount to); `savePretrained` copies the files beside the weights from there. */
  readonly folder: Folder
}

/** Buffers that older PyTorch code saved with the weights; their values follow from the configuration. */
function isBuffer(name: string): boolean {
  return name.endsWith('rotary_emb.inv_freq')
}

/**
 * Loads an Aquila2, or any LLaMA of its graph, from safetensors, PyTorch `.bin` or GGUF. Memory holds the weights and one
 * tensor more. Where configuration and tensors differ the tensors win, which is told field by field.
 *
 * @param folder a folder of `@tarazed/checkpoint`: on a disk, on the hub, behind an address, in memory
 * @throws ConfigError for a configuration that cannot be read, WeightsError for tensors that are missing or too many,
 * CheckpointError for broken files, TokenizerError for broken tokenizers, AllocationError when memory does not suffice
 */
export async function fromPretrained(folder: Folder, options: FromPretrainedOptions = {}): Promise<Pretrained> {
  checkFolder(folder)
  checkOptions('fromPretrained', options, [
    'dtype',
    'name',
    'overrides',
    'tokenizer',
    'onWarning',
    'onProgress',
    'signal',
  ])
  const { onWarning = (message: string) => console.warn(message), tokenizer: wantsTokenizer = true } = options
  const checkpoint = await openCheckpoint(folder, { onWarning })
  try {
    const files = filesOf(folder, checkpoint, onWarning)
    const config = await readConfig(files, checkpoint, options, onWarning)
    const model = await readWeights(checkpoint, config, options, onWarning)
    const tokenizer = wantsTokenizer ? await readTokenizer(files, config, onWarning) : undefined
    const generationConfig = await readGenerationConfig(folder)
    const template = templateOf(options.name ?? nameOf(folder, config))
    return {
      model,
      config: model.config,
      ...(tokenizer !== undefined && { tokenizer }),
      ...(generationConfig !== undefined && { generationConfig }),
      template: template.name,
      ...(template.notice !== undefined && { templateNotice: template.notice }),
      folder: files,
    }
  } finally {
    await checkpoint.close()
  }
}

function checkFolder(folder: Folder): void {
  const isFolder = ['list', 'open', 'readText'].every(
    (method) => typeof (folder as unknown as Record<string, unknown> | undefined)?.[method] === 'function',
  )
  if (!isFolder)
    throw new OptionError(
      `fromPretrained: folder is a folder of @tarazed/checkpoint, got ${shown(folder)}; diskFolder(path) of @tarazed/checkpoint/node makes one`,
      'folder',
    )
}

/** The files beside the weights; for GGUF, which may stand alone, those that its metadata amount to come after. */
function filesOf(folder: Folder, checkpoint: Checkpoint, onWarning: (message: string) => void): Folder {
  if (checkpoint.format !== 'gguf') return folder
  const { files, warnings } = ggufModelFiles(checkpoint)
  warnings.forEach(onWarning)
  const inside = memoryFolder(folder.name, files)
  return {
    name: folder.name,
    list: async () => [...new Set([...(await folder.list()), ...Object.keys(files)])],
    open: async (file) => ((await folder.list()).includes(file) ? folder : inside).open(file),
    readText: async (file) => (await folder.readText(file)) ?? inside.readText(file),
  }
}

async function readConfig(
  files: Folder,
  checkpoint: Checkpoint,
  { name, overrides }: FromPretrainedOptions,
  onWarning: (message: string) => void,
): Promise<Aquila2Config> {
  const file = `${files.name}/config.json`
  const json = await files.readText('config.json')
  if (json === undefined)
    throw new ConfigError(`${file}: the configuration stands beside the weights, got no such file; get it too`, '')
  refusePacked(checkpoint)
  const { config, warnings } = parseConfig(json, {
    shapes: checkpoint.tensors,
    name: name ?? files.name,
    overrides,
    file,
  })
  warnings.forEach(({ message }) => onWarning(message))
  return config
}

/** GPTQ, AWQ and NF4 keep several tensors in place of each weight. */
function refusePacked(checkpoint: Checkpoint): void {
  const packed = [...checkpoint.tensors.keys()].find((name) => /\.(qweight|qzeros|absmax|quant_state\..*)$/.test(name))
  if (packed !== undefined)
    throw new ConfigError(
      `${checkpoint.name}: weights are plain tensors or a GGUF file, got the packed ${packed}; take the 16-bit files of this model`,
      'quantization_config',
    )
}

async function readWeights(
  checkpoint: Checkpoint,
  config: Aquila2Config,
  options: FromPretrainedOptions,
  onWarning: (message: string) => void,
): Promise<Aquila2> {
  const tied = tiedHead(checkpoint, config, onWarning)
  const storedName = (name: string): string =>
    tied.sharesEmbedding && name === 'lm_head.weight' ? 'model.embed_tokens.weight' : name
  // Lazy: none of these weights is ever computed.
  const blank = Aquila2.init(tied.config, random.key(0))
  return loadWeights(blank, checkpoint, {
    storedName,
    ignore: isBuffer,
    dtype: options.dtype ?? storedDTypes(checkpoint, onWarning),
    onProgress: options.onProgress,
    signal: options.signal,
  })
}

/** Aquila2 has a head of its own. Where a file leaves it out because it is the embedding, it becomes a copy of that. */
function tiedHead(
  checkpoint: Checkpoint,
  config: Aquila2Config,
  onWarning: (message: string) => void,
): { readonly sharesEmbedding: boolean; readonly config: Aquila2Config } {
  if (config.tie_word_embeddings !== true) return { sharesEmbedding: false, config }
  const sharesEmbedding = !checkpoint.tensors.has('lm_head.weight')
  onWarning(
    sharesEmbedding
      ? `${checkpoint.name}: there is no lm_head.weight; the head is a copy of the embedding from here on`
      : `${checkpoint.name}: tie_word_embeddings is true, yet there is lm_head.weight; it is used as it is`,
  )
  return { sharesEmbedding, config: { ...config, tie_word_embeddings: false } }
}

/** As stored where matrices agree, else f32 for all: products need one dtype, norms do not. */
function storedDTypes(
  checkpoint: Checkpoint,
  onWarning: (message: string) => void,
): ((name: string, info: TensorInfo) => WeightDType) | WeightDType {
  const matrices = [...checkpoint.tensors.values()].filter(({ shape }) => shape.length === 2)
  const kinds = [...new Set(matrices.map(({ dtype }) => dtype))]
  if (kinds.length === 1 && FLOATS[kinds[0]] !== undefined) return (_name, { dtype }) => FLOATS[dtype] ?? 'f32'
  onWarning(
    `${checkpoint.name}: matrices are stored as ${kinds.join(', ')}; all weights become f32 unless dtype says otherwise`,
  )
  return 'f32'
}

const FLOATS: Readonly<Record<string, WeightDType | undefined>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' }

async function readTokenizer(
  files: Folder,
  config: Aquila2Config,
  onWarning: (message: string) => void,
): Promise<Tokenizer | undefined> {
  const present = await files.list()
  if (!present.includes('tokenizer.json') && !present.includes('merges.txt')) return undefined
  const tokenizer = await loadTokenizer(files, { onWarning })
  if (tokenizer.vocabSize > config.vocab_size)
    throw new ConfigError(
      `${files.name}: the tokenizer has ids up to ${tokenizer.vocabSize - 1}, the model ${config.vocab_size} rows; take the tokenizer files of this model`,
      'vocab_size',
    )
  const context = contextLength(config)
  if (tokenizer.modelMaxLength !== undefined && tokenizer.modelMaxLength < context)
    onWarning(
      `${files.name}: model_max_length of the tokenizer is ${tokenizer.modelMaxLength}, the model reads ${context} tokens; nothing is cut`,
    )
  return tokenizer
}

async function readGenerationConfig(folder: Folder): Promise<Readonly<Record<string, unknown>> | undefined> {
  const text = await folder.readText('generation_config.json')
  if (text === undefined) return undefined
  const file = `${folder.name}/generation_config.json`
  const { value } = parseJsonKeepingDuplicates(text, { file })
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ConfigError(`${file}: a generation configuration is a JSON object, got ${shown(value)}`, '')
  return value as Readonly<Record<string, unknown>>
}

/** The folder's name when a model of that name was published, else what the configuration calls itself. */
function nameOf(folder: Folder, config: Aquila2Config): string | Aquila2Config {
  const isKnown = templateOf(folder.name).notice === undefined
  return isKnown || typeof config._name_or_path !== 'string' ? folder.name : config
}
