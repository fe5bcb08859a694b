/** What a GGUF file says about its model, as the files of a Hugging Face folder. */
import { type Checkpoint } from '../checkpoint.js'
import { ArgumentError, CheckpointError, shown } from '../errors.js'
import { readGgufTokenizer, type GgufTokenizer } from './tokenizer.js'

/** Files by name, as text. */
export interface GgufModelFiles {
  /** `config.json` and, where the file has a tokenizer, its usual files. */
  readonly files: Readonly<Record<string, string>>
  readonly warnings: readonly string[]
}

/**
 * Makes `config.json`, `vocab.json`, `merges.txt`, `added_tokens.json`, `special_tokens_map.json` and
 * `tokenizer_config.json` from the metadata of a GGUF checkpoint, so that a lone GGUF file loads like a folder.
 * Shapes come from the tensors where they tell.
 *
 * @throws CheckpointError when the architecture is not LLaMA's or a number that the graph needs is missing
 */
export function ggufModelFiles(checkpoint: Checkpoint): GgufModelFiles {
  if (checkpoint?.format !== 'gguf')
    throw new ArgumentError(`ggufModelFiles: checkpoint must be GGUF, got ${shown(checkpoint?.format)}`)
  if (checkpoint.metadata.get('tokenizer.ggml.model') === undefined)
    return { files: { 'config.json': json(configOf(checkpoint, undefined)) }, warnings: [] }
  const tokenizer = readGgufTokenizer(checkpoint)
  const config = configOf(checkpoint, tokenizer)
  return { files: { 'config.json': json(config), ...tokenizerFiles(tokenizer) }, warnings: tokenizer.warnings }
}

function configOf(checkpoint: Checkpoint, tokenizer: GgufTokenizer | undefined): Record<string, unknown> {
  const { metadata, tensors, name: file } = checkpoint
  const architecture = metadata.get('general.architecture')
  if (architecture !== 'llama')
    throw new CheckpointError({ file, rule: 'general.architecture must be "llama"', got: shown(architecture) })
  const number = (suffix: string, absent?: number): number => {
    const value = metadata.get(`llama.${suffix}`) ?? absent
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new CheckpointError({ file, rule: `llama.${suffix} must be a number`, got: shown(value) })
  }
  const heads = number('attention.head_count')
  const hidden = number('embedding_length')
  const headDim = number('attention.key_length', hidden / heads)
  const embedding = tensors.get('token_embd.weight') ?? tensors.get('model.embed_tokens.weight')
  const hasHead = tensors.has('output.weight') || tensors.has('lm_head.weight')
  const idOf = (token: string | undefined) => (token === undefined ? undefined : tokenizer?.tokens.indexOf(token))
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: number('feed_forward_length'),
    num_hidden_layers: number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv', heads),
    ...(headDim * heads === hidden ? {} : { head_dim: headDim }),
    max_position_embeddings: number('context_length'),
    rms_norm_eps: shortest(number('attention.layer_norm_rms_epsilon', 1e-5)),
    rope_theta: shortest(number('rope.freq_base', 10000)),
    rope_scaling: ropeScaling(metadata),
    vocab_size: embedding?.shape[0] ?? number('vocab_size'),
    tie_word_embeddings: !hasHead,
    bos_token_id: idOf(tokenizer?.bos),
    eos_token_id: idOf(tokenizer?.eos),
    pad_token_id: idOf(tokenizer?.pad),
  }
}

/** Metadata is float32: 1e-5 comes back as 9.999999747378752e-6. */
function shortest(value: number): number {
  return Number(Math.fround(value).toPrecision(7))
}

function ropeScaling(metadata: ReadonlyMap<string, unknown>): { type: string; factor: number } | null {
  const type = metadata.get('llama.rope.scaling.type')
  const factor = metadata.get('llama.rope.scaling.factor') ?? metadata.get('llama.rope.scale_linear')
  if (typeof factor !== 'number' || factor === 0 || factor === 1 || type === 'none') return null
  return { type: typeof type === 'string' ? type : 'linear', factor: shortest(factor) }
}

const NORMAL = 1
const BYTE = 6

function tokenizerFiles(tokenizer: GgufTokenizer): Record<string, string> {
  const { tokens, types, merges, bos, eos, pad, unk, chatTemplate } = tokenizer
  const marked = new Set([bos, eos, pad, unk])
  const isAdded = (token: string, id: number) =>
    marked.has(token) || (types !== undefined && types[id] !== NORMAL && types[id] !== BYTE)
  const ids = tokens.map((_, id) => id)
  const added = ids.filter((id) => isAdded(tokens[id], id))
  const named = { bos_token: bos, eos_token: eos, pad_token: pad, unk_token: unk }
  return {
    'vocab.json': json(Object.fromEntries(tokens.map((token, id) => [token, id]))),
    // The first line is a comment to every reader, so it must be one.
    'merges.txt': ['#version: 0.2', ...merges, ''].join('\n'),
    'added_tokens.json': json(Object.fromEntries(added.map((id) => [tokens[id], id]))),
    'special_tokens_map.json': json(named),
    'tokenizer_config.json': json({
      tokenizer_class: 'GPT2Tokenizer',
      add_prefix_space: false,
      added_tokens_decoder: Object.fromEntries(added.map((id) => [id, addedToken(tokens[id])])),
      ...named,
      ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    }),
  }
}

function addedToken(content: string) {
  return { content, lstrip: false, normalized: false, rstrip: false, single_word: false, special: true }
}

/** Undefined values are left out. */
function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
