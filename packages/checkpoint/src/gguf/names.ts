/** Names of LLaMA-like tensors in GGUF and in Hugging Face checkpoints. */

/** Parts outside the layers. */
const OUTSIDE: readonly (readonly [gguf: string, hf: string])[] = [
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
]

/** Parts of a layer. */
const INSIDE: readonly (readonly [gguf: string, hf: string])[] = [
  ['attn_norm', 'input_layernorm'],
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
]

const outsideToHf = new Map(OUTSIDE)
const insideToHf = new Map(INSIDE)
const outsideToGguf = new Map(OUTSIDE.map(([gguf, hf]) => [hf, gguf]))
const insideToGguf = new Map(INSIDE.map(([gguf, hf]) => [hf, gguf]))

/** `blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`; undefined for names of other models. */
export function ggufToHfName(name: string): string | undefined {
  const [, layer, part, kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? []
  if (part === undefined) return undefined
  const hf = layer === undefined ? outsideToHf.get(part) : insideToHf.get(part)
  if (hf === undefined) return undefined
  return layer === undefined ? `${hf}.${kind}` : `model.layers.${layer}.${hf}.${kind}`
}

/** The inverse of {@link ggufToHfName}. */
export function hfToGgufName(name: string): string | undefined {
  const [, layer, inside, insideKind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? []
  if (layer !== undefined) {
    const gguf = insideToGguf.get(inside)
    return gguf === undefined ? undefined : `blk.${layer}.${gguf}.${insideKind}`
  }
  const [, outside, kind] = /^(.+)\.(weight|bias)$/.exec(name) ?? []
  const gguf = outside === undefined ? undefined : outsideToGguf.get(outside)
  return gguf === undefined ? undefined : `${gguf}.${kind}`
}
