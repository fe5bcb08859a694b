/** Metadata of a GGUF file from the files of a model folder. */
import { ArgumentError, CheckpointError, shown } from '../errors.js'
import { type GgufValue } from '../gguf/types.js'
import { parseJsonKeepingDuplicates } from '../json.js'
import { type StoredDType } from '../dtype.js'
import { type Heads } from './ggufTensors.js'

/** Text files by name; undefined when there is no such file. */
export interface TextFiles {
  readText(file: string): Promise<string | undefined>
}

/** What a GGUF file says, and what the tensors need to know. */
export interface ModelMetadata {
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly heads: Heads
  readonly warnings: readonly string[]
}

type Json = Record<string, unknown>

/** `general.file_type` of llama.cpp: what most matrices are. */
const FILE_TYPES: Partial<Record<StoredDType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7, Q4_K: 14, BF16: 32 }

/**
 * Reads `config.json` and the tokenizer's files.
 * @param vocabSize rows of the embedding
 * @throws CheckpointError when a file is missing or lacks what GGUF needs
 */
export async function ggufMetadataOf(
  folder: string,
  files: TextFiles,
  vocabSize: number,
  dtype: StoredDType | undefined,
): Promise<ModelMetadata> {
  const config = await readJson(folder, files, 'config.json')
  if (config === undefined)
    throw new CheckpointError({
      file: `${folder}/config.json`,
      rule: 'GGUF holds the configuration of the model, so config.json must be there',
      got: 'no such file',
      wayOut: 'give the folder of the model as `files`',
    })
  const number = (key: string, absent?: number): number => {
    const value = config[key] ?? absent
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new CheckpointError({ file: `${folder}/config.json`, rule: `${key} must be a number`, got: shown(value) })
  }
  const queryHeads = number('num_attention_heads')
  const keyValueHeads = number('num_key_value_heads', queryHeads)
  const headDim = number('head_dim', number('hidden_size') / queryHeads)
  const warnings: string[] = []
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.name', { type: 'string', value: folder.split(/[\\/]/).filter(Boolean).at(-1) ?? folder }],
    ...optional('general.file_type', FILE_TYPES[dtype ?? 'I8']),
    ['general.quantization_version', u32(2)],
    ['llama.vocab_size', u32(vocabSize)],
    ['llama.context_length', u32(number('max_position_embeddings'))],
    ['llama.embedding_length', u32(number('hidden_size'))],
    ['llama.block_count', u32(number('num_hidden_layers'))],
    ['llama.feed_forward_length', u32(number('intermediate_size'))],
    ['llama.rope.dimension_count', u32(headDim)],
    ['llama.rope.freq_base', f32(number('rope_theta', 10000))],
    ['llama.attention.head_count', u32(queryHeads)],
    ['llama.attention.head_count_kv', u32(keyValueHeads)],
    ['llama.attention.key_length', u32(headDim)],
    ['llama.attention.value_length', u32(headDim)],
    ['llama.attention.layer_norm_rms_epsilon', f32(number('rms_norm_eps'))],
    ...ropeScaling(folder, config, warnings),
    ...(await tokenizerEntries(folder, files, config, vocabSize, warnings)),
  ])
  return { metadata, heads: { queryHeads, keyValueHeads }, warnings }
}

function u32(value: number): GgufValue {
  return { type: 'u32', value }
}

function f32(value: number): GgufValue {
  return { type: 'f32', value }
}

function optional(key: string, value: number | undefined): [string, GgufValue][] {
  return value === undefined || value < 0 ? [] : [[key, u32(value)]]
}

function ropeScaling(folder: string, config: Json, warnings: string[]): [string, GgufValue][] {
  const scaling = config.rope_scaling as { type?: unknown; rope_type?: unknown; factor?: unknown } | null | undefined
  const type = scaling?.type ?? scaling?.rope_type
  if (scaling === null || scaling === undefined || type === 'default') return []
  if (type === 'linear' && typeof scaling.factor === 'number')
    return [
      ['llama.rope.scaling.type', { type: 'string', value: 'linear' }],
      ['llama.rope.scaling.factor', f32(scaling.factor)],
    ]
  warnings.push(`${folder}: rope_scaling ${shown(scaling)} has no place in GGUF and is left out`)
  return []
}

async function readJson(folder: string, files: TextFiles, name: string): Promise<Json | undefined> {
  const text = await files.readText(name)
  if (text === undefined) return undefined
  const file = `${folder}/${name}`
  const { value, duplicates } = parseJsonKeepingDuplicates(text, { file })
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CheckpointError({ file, rule: 'the file must hold a JSON object', got: shown(value) })
  // A published configuration has rope_scaling twice, an object and then null; the object is meant.
  const meant: [string, unknown][] = duplicates
    .filter(({ path }) => path.length === 0)
    .map(({ key, values }) => [key, values.find((candidate) => candidate !== null) ?? null])
  return { ...(value as Json), ...Object.fromEntries(meant) }
}

/** A byte-level BPE from its files. */
interface Bpe {
  readonly vocab: ReadonlyMap<string, number>
  readonly merges: readonly string[]
  /** Beside the vocabulary, and whether each is special. */
  readonly added: ReadonlyMap<number, { readonly content: string; readonly special: boolean }>
}

const NORMAL = 1
const CONTROL = 3
const USER_DEFINED = 4
const UNUSED = 5

async function tokenizerEntries(
  folder: string,
  files: TextFiles,
  config: Json,
  vocabSize: number,
  warnings: string[],
): Promise<[string, GgufValue][]> {
  const bpe = await readBpe(folder, files)
  if (bpe === undefined) {
    warnings.push(`${folder}: no tokenizer.json and no vocab.json with merges.txt, so the file has no tokenizer`)
    return []
  }
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`)
  const types = new Int32Array(vocabSize).fill(UNUSED)
  const put = (id: number, token: string, type: number): void => {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new ArgumentError(`token ${shown(token)} has id ${id}, but the embedding has ${vocabSize} rows`)
    tokens[id] = token
    types[id] = type
  }
  for (const [token, id] of bpe.vocab) put(id, token, NORMAL)
  for (const [id, { content, special }] of bpe.added) put(id, content, special ? CONTROL : USER_DEFINED)
  const settings = (await readJson(folder, files, 'tokenizer_config.json')) ?? {}
  const map = (await readJson(folder, files, 'special_tokens_map.json')) ?? {}
  const idOf = (name: string): number | undefined => {
    const token = textOf(map[`${name}_token`]) ?? textOf(settings[`${name}_token`])
    const id = token === undefined ? config[`${name}_token_id`] : tokens.indexOf(token)
    return typeof id === 'number' && id >= 0 ? id : undefined
  }
  const template = settings.chat_template
  return [
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'gpt-2' }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: types }],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: bpe.merges }],
    ...optional('tokenizer.ggml.bos_token_id', idOf('bos')),
    ...optional('tokenizer.ggml.eos_token_id', idOf('eos')),
    ...optional('tokenizer.ggml.unknown_token_id', idOf('unk')),
    ...optional('tokenizer.ggml.padding_token_id', idOf('pad')),
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
    ...(typeof template === 'string'
      ? [['tokenizer.chat_template', { type: 'string', value: template }] satisfies [string, GgufValue]]
      : []),
  ]
}

function textOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token
  const content = (token as { content?: unknown } | null | undefined)?.content
  return typeof content === 'string' ? content : undefined
}

async function readBpe(folder: string, files: TextFiles): Promise<Bpe | undefined> {
  const whole = await readJson(folder, files, 'tokenizer.json').catch((error: unknown) => {
    // Truncated tokenizer.json files are in circulation; the older files beside them are whole.
    if (error instanceof CheckpointError) return undefined
    throw error
  })
  if (whole !== undefined) return fromTokenizerJson(`${folder}/tokenizer.json`, whole)
  const vocab = await readJson(folder, files, 'vocab.json')
  const merges = await files.readText('merges.txt')
  if (vocab === undefined || merges === undefined) return undefined
  const added = (await readJson(folder, files, 'added_tokens.json')) ?? {}
  // Only the first line is a comment: some merges begin with #.
  const lines = merges.split('\n').filter((line, k) => line !== '' && !(k === 0 && line.startsWith('#version')))
  return {
    vocab: numbers(`${folder}/vocab.json`, vocab),
    merges: lines.map((line) => line.replace(/\r$/, '')),
    added: new Map(
      [...numbers(`${folder}/added_tokens.json`, added)].map(([content, id]) => [id, { content, special: true }]),
    ),
  }
}

function fromTokenizerJson(file: string, { model, added_tokens: added }: Json): Bpe {
  const { type, vocab, merges } = (model ?? {}) as { type?: unknown; vocab?: unknown; merges?: unknown }
  if ((type !== undefined && type !== 'BPE') || typeof vocab !== 'object' || vocab === null || !Array.isArray(merges))
    throw new CheckpointError({ file, rule: 'model must be a BPE with vocab and merges', got: shown(type) })
  const extra = (Array.isArray(added) ? added : []) as { id?: unknown; content?: unknown; special?: unknown }[]
  return {
    vocab: numbers(file, vocab as Json),
    merges: merges.map((merge) => (Array.isArray(merge) ? merge.join(' ') : String(merge))),
    added: new Map(
      extra.map(({ id, content, special }) => [Number(id), { content: String(content), special: special === true }]),
    ),
  }
}

function numbers(file: string, ids: Json): ReadonlyMap<string, number> {
  const wrong = Object.entries(ids).find(([, id]) => !Number.isInteger(id))
  if (wrong === undefined) return new Map(Object.entries(ids) as [string, number][])
  throw new CheckpointError({ file, rule: `the id of ${shown(wrong[0])} must be an integer`, got: shown(wrong[1]) })
}
