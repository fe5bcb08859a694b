/** What a config.json says of an Aquila2, and the sizes that follow from it. */
import { ConfigError, shown } from './errors.js'

/** Stretched positions: `type` (or `rope_type`, its newer spelling) and a factor. */
export interface RopeScaling {
  readonly type?: string
  readonly rope_type?: string
  readonly factor?: number
  readonly [field: string]: unknown
}

/**
 * The keys of a Hugging Face config.json. Keys that this package does not know are kept and written back.
 * `parseConfig` makes one of a file, `configs` has the published ones.
 */
export interface Aquila2Config {
  readonly model_type?: string
  readonly architectures?: readonly string[]
  readonly vocab_size: number
  readonly hidden_size: number
  /** Width of the feed-forward layers. */
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  /** Heads of keys and values, each shared by num_attention_heads / num_key_value_heads query heads. */
  readonly num_key_value_heads: number
  /** Only where it is not hidden_size / num_attention_heads. */
  readonly head_dim?: number
  /** Positions seen in pre-training; `rope_scaling` stretches them. */
  readonly max_position_embeddings: number
  readonly rope_theta: number
  readonly rope_scaling: RopeScaling | null
  readonly rms_norm_eps: number
  readonly hidden_act?: string
  /** Standard deviation of new weights, default 0.02. */
  readonly initializer_range?: number
  /** First value of the weights of RMSNorm, default 1; a key of ours, which other readers ignore. */
  readonly rms_norm_init?: number
  readonly bos_token_id?: number | null
  readonly eos_token_id?: number | readonly number[] | null
  readonly pad_token_id?: number | null
  readonly tie_word_embeddings?: boolean
  /** float32, float16 or bfloat16: how the weights are stored. */
  readonly torch_dtype?: string
  readonly [field: string]: unknown
}

/** Size of one attention head. */
export function headDim(config: Aquila2Config): number {
  return config.head_dim ?? config.hidden_size / config.num_attention_heads
}

/** Beyond it positions could no longer be told apart. */
const MOST_FACTOR = 1e6

/** A scaling that the rotary embedding can do. */
export interface KnownRopeScaling {
  readonly type: 'linear' | 'dynamic'
  readonly factor: number
}

/**
 * The scaling of a configuration, or null.
 * @throws ConfigError for a kind that Aquila2 does not have, or a factor below 1
 */
export function ropeScaling({ rope_scaling: scaling }: Pick<Aquila2Config, 'rope_scaling'>): KnownRopeScaling | null {
  if (scaling === null || scaling === undefined) return null
  if (typeof scaling !== 'object' || Array.isArray(scaling))
    throw new ConfigError(`config: rope_scaling is an object or null, got ${shown(scaling)}`, 'rope_scaling')
  const type = scaling.rope_type ?? scaling.type
  if (type === 'default') return null
  if (type !== 'linear' && type !== 'dynamic')
    throw new ConfigError(
      `config: rope_scaling.type is linear or dynamic, got ${shown(type)}; no Aquila2 was published with another`,
      'rope_scaling',
    )
  const { factor } = scaling
  if (typeof factor !== 'number' || !(factor >= 1 && factor <= MOST_FACTOR))
    throw new ConfigError(
      `config: rope_scaling.factor is a number from 1 to ${MOST_FACTOR}, got ${shown(factor)}; 16384 / max_position_embeddings for the 16K models`,
      'rope_scaling',
    )
  return { type, factor }
}

/** The most tokens of one sequence: max_position_embeddings, times the factor of `rope_scaling`. */
export function contextLength(config: Aquila2Config): number {
  return Math.floor(config.max_position_embeddings * (ropeScaling(config)?.factor ?? 1))
}

/**
 * Width of the feed-forward layers as FlagScale computes it: m·ceil(int(k·int(8h/3))/m).
 *
 * @param hidden_size h
 * @param options multipleOf m (7B: 256; 34B and 70B: 4096), multiplier k (7B: 1; 34B and 70B: 1.3)
 * @source FlagScale v0.2, `--hidden-dim-multiplier`, `--multiple-of`
 */
export function feedForwardWidth(
  hidden_size: number,
  { multipleOf = 256, multiplier = 1 }: { readonly multipleOf?: number; readonly multiplier?: number } = {},
): number {
  const twoThirds = Math.trunc((8 * hidden_size) / 3)
  return multipleOf * Math.ceil(Math.trunc(multiplier * twoThirds) / multipleOf)
}
