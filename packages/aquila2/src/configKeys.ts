/** Keys of configurations by other programs, in today's spelling. */
import { shown } from './errors.js'
import type { RawConfig, Warn } from './rawConfig.js'

/** Other spellings, best known first: of GPT-2, of FlagAI's first releases, of Megatron, of newer transformers. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  vocab_size: ['padded_vocab_size'],
  hidden_size: ['n_embd', 'dim', 'd_model'],
  num_hidden_layers: ['n_layer', 'n_layers', 'num_layers'],
  num_attention_heads: ['n_head', 'n_heads'],
  num_key_value_heads: ['n_kv_heads', 'num_kv_heads', 'num_query_groups'],
  intermediate_size: ['n_inner', 'ffn_hidden_size', 'ffn_dim'],
  max_position_embeddings: ['n_positions', 'max_seq_len', 'max_sequence_length'],
  rope_theta: ['rotary_emb_base', 'rope_base'],
  rms_norm_eps: ['norm_eps', 'layer_norm_epsilon', 'layernorm_epsilon'],
  hidden_act: ['activation_function'],
  torch_dtype: ['dtype'],
}

/** The same fields with those of other spellings added under today's keys; nothing is taken away. */
export function canonicalKeys(fields: RawConfig, warn: Warn): RawConfig {
  spreadRopeParameters(fields)
  for (const [key, spellings] of Object.entries(SPELLINGS)) {
    const other = spellings.find((spelling) => (fields[spelling] ?? null) !== null)
    if (other === undefined) continue
    const value = fields[other]
    const isNewSpelling = other === 'dtype'
    if ((fields[key] ?? null) === null) {
      fields[key] = value
      if (!isNewSpelling) warn(key, `${key} is written ${other}: ${shown(value)}`)
    } else if (fields[key] !== value)
      warn(key, `${key} is ${shown(fields[key])} and ${other} ${shown(value)}; ${key} is used`)
  }
  return fields
}

/** transformers 5 keeps theta and scaling together in `rope_parameters`. */
function spreadRopeParameters(fields: RawConfig): void {
  const together = fields.rope_parameters
  if (typeof together !== 'object' || together === null || Array.isArray(together)) return
  const { rope_theta, ...scaling } = together as RawConfig
  if (rope_theta !== undefined) fields.rope_theta ??= rope_theta
  const type = scaling.rope_type ?? scaling.type ?? 'default'
  fields.rope_scaling ??= type === 'default' ? null : scaling
}
