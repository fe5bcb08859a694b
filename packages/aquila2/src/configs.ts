/** Configurations by name: the three published sizes and small ones for tests, lessons and first runs. */
import { type Aquila2Config, feedForwardWidth } from './config.js'

/** What all published checkpoints agree on. */
const PUBLISHED = {
  model_type: 'aquila',
  architectures: ['AquilaForCausalLM'],
  vocab_size: 100008,
  rope_theta: 10000,
  rope_scaling: null,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
  bos_token_id: 100006,
  eos_token_id: 100007,
  pad_token_id: 0,
  tie_word_embeddings: false,
  use_cache: true,
} as const

/** @source arXiv 2408.07410, tables 1 and 12 (whose 64 heads of the 34B are a misprint for 48), and the repositories of BAAI */
const AQUILA2_7B: Aquila2Config = {
  ...PUBLISHED,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  max_position_embeddings: 2048,
  initializer_range: 0.02,
  torch_dtype: 'float16',
}

const AQUILA2_34B: Aquila2Config = {
  ...PUBLISHED,
  hidden_size: 6144,
  intermediate_size: 24576,
  num_hidden_layers: 60,
  num_attention_heads: 48,
  num_key_value_heads: 8,
  max_position_embeddings: 4096,
  initializer_range: 0.0165,
  rms_norm_init: 0.3,
  torch_dtype: 'bfloat16',
}

const AQUILA2_70B: Aquila2Config = {
  ...PUBLISHED,
  hidden_size: 8192,
  intermediate_size: 28672,
  num_hidden_layers: 80,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  max_position_embeddings: 4096,
  initializer_range: 0.0149,
  rms_norm_init: 0.25,
  torch_dtype: 'bfloat16',
}

/**
 * What `smallConfig` takes. Defaults: vocabulary 512, width 64, 2 layers, heads 32 wide, as many key/value heads as heads,
 * feed-forward width by FlagScale's rule in multiples of 32, context 128.
 */
export interface SmallConfigOptions {
  readonly vocab_size?: number
  readonly hidden_size?: number
  readonly num_hidden_layers?: number
  readonly num_attention_heads?: number
  readonly num_key_value_heads?: number
  readonly intermediate_size?: number
  readonly max_position_embeddings?: number
  readonly bos_token_id?: number
  readonly eos_token_id?: number
  readonly pad_token_id?: number
}

/** A configuration of any size, in float32, with what all published ones agree on. */
export function smallConfig(options: SmallConfigOptions = {}): Aquila2Config {
  const { vocab_size = 512, hidden_size = 64, max_position_embeddings = 128 } = options
  const { num_attention_heads = Math.max(1, Math.floor(hidden_size / 32)) } = options
  return {
    ...PUBLISHED,
    bos_token_id: vocab_size - 2,
    eos_token_id: vocab_size - 1,
    intermediate_size: feedForwardWidth(hidden_size, { multipleOf: 32 }),
    num_hidden_layers: 2,
    num_key_value_heads: num_attention_heads,
    initializer_range: 0.02,
    torch_dtype: 'float32',
    ...options,
    vocab_size,
    hidden_size,
    num_attention_heads,
    max_position_embeddings,
  }
}

/** Names of the built-in configurations. */
export type ConfigName = 'aquila2-7b' | 'aquila2-34b' | 'aquila2-70b' | 'tiny' | 'tiny-gqa'

/** The built-in configurations: the published sizes, and two that run in milliseconds. */
export const configs: Readonly<Record<ConfigName, Aquila2Config>> = {
  'aquila2-7b': AQUILA2_7B,
  'aquila2-34b': AQUILA2_34B,
  'aquila2-70b': AQUILA2_70B,
  tiny: smallConfig({ num_attention_heads: 4 }),
  'tiny-gqa': smallConfig({ num_attention_heads: 8, num_key_value_heads: 2 }),
}
