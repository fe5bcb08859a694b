/** GGUF files of the architecture `llama`, seen as Hugging Face checkpoints: names, row order, configuration, vocabulary. */
import type { Checkpoint, Metadata, TensorInfo } from '@tarazed/checkpoint'
import type { Tensor } from '@tarazed/tensor'
import { ConfigError, shown } from './errors.js'
import type { RawConfig } from './rawConfig.js'

const OUTSIDE: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
}

const IN_LAYER: Readonly<Record<string, string>> = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
}

const backwards = (names: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(names).map(([ours, theirs]) => [theirs, ours]))
const OUTSIDE_BACK = backwards(OUTSIDE)
const IN_LAYER_BACK = backwards(IN_LAYER)

/** `model.layers.0.self_attn.q_proj.weight` → `blk.0.attn_q.weight`; names that GGUF does not have stay. */
export function ggufName(name: string): string {
  const layer = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
  if (layer !== null && IN_LAYER[layer[2]] !== undefined) return `blk.${layer[1]}.${IN_LAYER[layer[2]]}.${layer[3]}`
  const [, stem, end] = /^(.+)\.(weight|bias)$/.exec(name) ?? []
  return stem !== undefined && OUTSIDE[stem] !== undefined ? `${OUTSIDE[stem]}.${end}` : name
}

/** The way back: `blk.0.attn_q.weight` → `model.layers.0.self_attn.q_proj.weight`. */
export function huggingFaceName(name: string): string {
  const layer = /^blk\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
  const ours = layer === null ? undefined : IN_LAYER_BACK.get(layer[2])
  if (layer !== null && ours !== undefined) return `model.layers.${layer[1]}.${ours}.${layer[3]}`
  const [, stem, end] = /^(.+)\.(weight|bias)$/.exec(name) ?? []
  const outside = stem === undefined ? undefined : OUTSIDE_BACK.get(stem)
  return outside === undefined ? name : `${outside}.${end}`
}

/** The tensors under their Hugging Face names. */
export function tensorsByHuggingFaceName(checkpoint: Checkpoint): ReadonlyMap<string, TensorInfo> {
  return new Map([...checkpoint.tensors.values()].map((info) => [huggingFaceName(info.name), info]))
}

/**
 * Rows of q_proj and k_proj in split-half order. llama.cpp turns neighbouring channels, so its files have the two halves of
 * each head interleaved: row 2i+j there is row j·D/2+i here.
 *
 * @param value [heads·D, in]
 */
export function unpermuted(value: Tensor, headDim: number): Tensor {
  const [rows, columns] = value.shape
  return value
    .reshape([rows / headDim, headDim / 2, 2, columns])
    .transpose([0, 2, 1, 3])
    .reshape([rows, columns])
}

/**
 * The config.json that belongs to the metadata of a GGUF file.
 * @throws ConfigError for another architecture than llama
 */
export function configOfGguf(metadata: Metadata, file: string): RawConfig {
  const architecture = metadata.get('general.architecture')
  if (architecture !== 'llama')
    throw new ConfigError(
      `${file}: general.architecture of an Aquila2 is llama, got ${shown(architecture)}; this file holds another model`,
      'architectures',
    )
  const number = (key: string): number | undefined => {
    const value = metadata.get(key)
    // Floats are stored in 32 bits: 1e-5 comes back as 9.99999974e-6.
    if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(7))
    return typeof value === 'bigint' ? Number(value) : undefined
  }
  const llama = (key: string): number | undefined => number(`llama.${key}`)
  const scaled = scalingOf(metadata, llama)
  return definedOnly({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    _name_or_path: metadata.get('general.name'),
    vocab_size: llama('vocab_size') ?? listLength(metadata.get('tokenizer.ggml.tokens')),
    hidden_size: llama('embedding_length'),
    intermediate_size: llama('feed_forward_length'),
    num_hidden_layers: llama('block_count'),
    num_attention_heads: llama('attention.head_count'),
    num_key_value_heads: llama('attention.head_count_kv'),
    head_dim: llama('attention.key_length') ?? llama('rope.dimension_count'),
    max_position_embeddings: scaled.limit ?? llama('context_length'),
    rope_theta: llama('rope.freq_base'),
    rope_scaling: scaled.scaling,
    rms_norm_eps: llama('attention.layer_norm_rms_epsilon'),
    bos_token_id: number('tokenizer.ggml.bos_token_id'),
    eos_token_id: number('tokenizer.ggml.eos_token_id'),
    pad_token_id: number('tokenizer.ggml.padding_token_id'),
    hidden_act: 'silu',
    tie_word_embeddings: false,
  })
}

function scalingOf(
  metadata: Metadata,
  llama: (key: string) => number | undefined,
): { readonly scaling: object | null; readonly limit: number | undefined } {
  const type = metadata.get('llama.rope.scaling.type')
  const factor = llama('rope.scaling.factor') ?? llama('rope.scale_linear')
  const isScaled = typeof type === 'string' ? type !== 'none' : factor !== undefined && factor !== 1
  if (!isScaled) return { scaling: null, limit: undefined }
  return { scaling: { type: type ?? 'linear', factor }, limit: llama('rope.scaling.original_context_length') }
}

function listLength(value: unknown): number | undefined {
  return isList(value) ? value.length : undefined
}

function definedOnly(fields: RawConfig): RawConfig {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value)
}

/** llama.cpp's kinds of tokens that are found whole in a text: control and user-defined ones. */
const ADDED_KINDS = new Set([3, 4])

/**
 * The tokenizer files that a GGUF file stands for, by name; undefined when it has no GPT-2 vocabulary.
 * Old Aquila conversions list 100,000 tokens for 100,008 rows; the tokenizer adds the eight special ones.
 */
export function tokenizerFilesOfGguf(metadata: Metadata): Readonly<Record<string, string>> | undefined {
  const [tokens, merges] = [metadata.get('tokenizer.ggml.tokens'), metadata.get('tokenizer.ggml.merges')]
  if (metadata.get('tokenizer.ggml.model') !== 'gpt2' || !isList(tokens) || !isList(merges)) return undefined
  const words = Array.from(tokens, String)
  const kinds = metadata.get('tokenizer.ggml.token_type')
  const added = isList(kinds)
    ? words.flatMap((word, id) => (ADDED_KINDS.has(Number(kinds[id])) ? [[word, id]] : []))
    : []
  const token = (role: string): string | undefined => {
    const id = metadata.get(`tokenizer.ggml.${role}_token_id`)
    return id === undefined ? undefined : words[Number(id)]
  }
  return {
    'vocab.json': JSON.stringify(Object.fromEntries(words.map((word, id) => [word, id]))),
    'merges.txt': ['#version: 0.2', ...Array.from(merges, String), ''].join('\n'),
    ...(added.length > 0 && { 'added_tokens.json': JSON.stringify(Object.fromEntries(added)) }),
    'tokenizer_config.json': JSON.stringify({
      bos_token: token('bos'),
      eos_token: token('eos'),
      pad_token: token('padding'),
      unk_token: token('unknown'),
      chat_template: metadata.get('tokenizer.chat_template'),
    }),
  }
}
