/** The names and shapes of all parameters of a configuration, without making any. */
import { type Aquila2Config, headDim } from './config.js'
import { requireConfig } from './validateConfig.js'

/** Shape by name, in the order of a checkpoint: embedding, layers, final norm, head. */
export function parameterShapes(given: Aquila2Config): Record<string, readonly number[]> {
  const config = requireConfig('parameterShapes', given)
  const { vocab_size: V, hidden_size: h } = config
  const shapes: Record<string, readonly number[]> = { 'model.embed_tokens.weight': [V, h] }
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    for (const [name, shape] of Object.entries(layerShapes(config))) shapes[`model.layers.${layer}.${name}`] = shape
  return { ...shapes, 'model.norm.weight': [h], 'lm_head.weight': [V, h] }
}

/** The same for one layer, names from `self_attn.` on. */
export function layerShapes(config: Aquila2Config): Record<string, readonly number[]> {
  const { hidden_size: h, intermediate_size: ffn, num_attention_heads: H, num_key_value_heads: G } = config
  const D = headDim(config)
  return {
    'self_attn.q_proj.weight': [H * D, h],
    'self_attn.k_proj.weight': [G * D, h],
    'self_attn.v_proj.weight': [G * D, h],
    'self_attn.o_proj.weight': [h, H * D],
    'mlp.gate_proj.weight': [ffn, h],
    'mlp.up_proj.weight': [ffn, h],
    'mlp.down_proj.weight': [h, ffn],
    'input_layernorm.weight': [h],
    'post_attention_layernorm.weight': [h],
  }
}
