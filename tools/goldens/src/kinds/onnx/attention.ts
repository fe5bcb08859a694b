/** Attention and rotary embeddings, in 3-d layout (heads as an attribute) and in 4-d layout. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { dtypeOfOnnx, type NodeRunner, type OnnxNode } from './node.js'

export const ATTENTION: Readonly<Record<string, NodeRunner>> = {
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
}

/** [B, T, heads·D] -> [B, heads, T, D] */
function splitHeads(x: Tensor, heads: number): Tensor {
  const [B, length, hidden] = x.shape
  return T.transpose(T.reshape(x, [B, length, heads, hidden / heads]), [0, 2, 1, 3])
}

/** [B, heads, T, D] -> [B, T, heads·D] */
function joinHeads(x: Tensor): Tensor {
  const [B, heads, length, D] = x.shape
  return T.reshape(T.transpose(x, [0, 2, 1, 3]), [B, length, heads * D])
}

/** What the operands and attributes say, in 4-d layout. */
interface Setting {
  readonly q: Tensor
  /** Past keys and values included. */
  readonly k: Tensor
  readonly v: Tensor
  readonly scale: number
  readonly softcap: number
  /** Added to the scores; null: nothing. */
  readonly bias: Tensor | null
  /** True where a query may look, broadcastable to [B, H, T, S]; null: everywhere. */
  readonly allowed: Tensor | null
  /** The library's own causal mask says all that there is to say. */
  readonly isPlainCausal: boolean
}

/**
 * Operands: Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen. Results: Y, present_key, present_value and the
 * scores at a stage that qk_matmul_output_mode names.
 */
function attention(node: OnnxNode): (Tensor | null)[] {
  const { attrs, wanted } = node
  const setting = settingOf(node)
  const mode = attrs.number('qk_matmul_output_mode', 0)
  const precision = attrs.has('softmax_precision') ? dtypeOfOnnx(attrs.number('softmax_precision')) : null
  const needsScores = wanted[3] === true || setting.softcap > 0
  const { output, scores } = needsScores
    ? attendInSteps(setting, mode, precision ?? setting.q.dtype)
    : { output: attendAtOnce(setting), scores: null }
  return [
    node.x.rank === 3 ? joinHeads(output) : output,
    wanted[1] === true ? setting.k : null,
    wanted[2] === true ? setting.v : null,
    scores,
  ]
}

function settingOf(node: OnnxNode): Setting {
  const { attrs } = node
  const [q, k, v] = [0, 1, 2].map((operand) => node.tensor(operand))
  const heads = (x: Tensor, attribute: string): Tensor => (x.rank === 3 ? splitHeads(x, attrs.number(attribute)) : x)
  const query = heads(q, 'q_num_heads')
  const withPast = (x: Tensor, past: number): Tensor =>
    node.has(past) ? T.concat([node.tensor(past), heads(x, 'kv_num_heads')], { axis: 2 }) : heads(x, 'kv_num_heads')
  const key = withPast(k, 4)
  const value = withPast(v, 5)
  return {
    q: query,
    k: key,
    v: value,
    scale: attrs.number('scale', 1 / Math.sqrt(query.shape[3])),
    softcap: attrs.number('softcap', 0),
    ...masksOf(node, query.shape[2], key.shape[2]),
  }
}

function masksOf(node: OnnxNode, queries: number, keys: number): Pick<Setting, 'bias' | 'allowed' | 'isPlainCausal'> {
  const mask = node.has(3) ? growMask(node.tensor(3), keys) : null
  const isCausal = node.attrs.flag('is_causal', false)
  const left = node.attrs.number('left_window_size', -1)
  const right = node.attrs.number('right_window_size', -1)
  const bias = mask === null || mask.dtype === 'bool' ? null : mask
  const boolMask = mask?.dtype === 'bool' ? mask : null
  const hasWindow = left >= 0 || right >= 0
  if (isCausal && !hasWindow && !node.has(4) && !node.has(6)) return { bias, allowed: boolMask, isPlainCausal: true }
  const distance = distanceToKey(node, queries, keys)
  const limits = [
    boolMask,
    isCausal ? T.greaterEqual(distance, 0) : null,
    left >= 0 ? T.lessEqual(distance, left) : null,
    right >= 0 ? T.greaterEqual(distance, -right) : null,
    node.has(6) ? T.less(T.arange(keys), T.reshape(T.cast(node.tensor(6), 'i32'), [-1, 1, 1, 1])) : null,
  ].filter((limit) => limit !== null)
  const allowed = limits.length === 0 ? null : limits.reduce((a, b) => T.logicalAnd(a, b))
  return { bias, allowed, isPlainCausal: false }
}

/** A mask of fewer keys says nothing of the others: they may not be seen. */
function growMask(mask: Tensor, keys: number): Tensor {
  const missing = keys - mask.shape[mask.rank - 1]
  const pads = mask.shape.map((_, axis): [number, number] => [0, axis === mask.rank - 1 ? missing : 0])
  if (missing <= 0) return mask
  return mask.dtype === 'bool' ? T.pad(mask, pads, { value: 0 }) : T.pad(mask, pads, { value: -Infinity })
}

/**
 * Place of the query minus place of the key, [T, S] or [B, 1, T, S]. Queries stand behind the past keys, or at the end of
 * the keys in use.
 */
function distanceToKey(node: OnnxNode, queries: number, keys: number): Tensor {
  const place = T.sub(T.reshape(T.arange(queries), [queries, 1]), T.arange(keys))
  if (node.has(4)) return T.add(place, node.tensor(4).shape[2])
  if (!node.has(6)) return place
  const used = T.reshape(T.cast(node.tensor(6), 'i32'), [-1, 1, 1, 1])
  return T.add(place, T.sub(used, queries))
}

function attendAtOnce({ q, k, v, scale, bias, allowed, isPlainCausal }: Setting): Tensor {
  const mask = bias !== null && allowed !== null ? T.where(allowed, bias, -Infinity) : (bias ?? allowed)
  return T.scaledDotProductAttention(q, k, v, { mask, causal: isPlainCausal ? 'topLeft' : null, scale })
}

/** Step by step, for what the operator does not offer: capped scores, and scores as a result. */
function attendInSteps(
  setting: Setting,
  mode: number,
  precision: 'f32' | Tensor['dtype'],
): { output: Tensor; scores: Tensor } {
  const { q, k, v, scale, softcap, bias } = setting
  const repeats = q.shape[1] / k.shape[1]
  const keys = T.repeat(k, repeats, { axis: 1 })
  const values = T.repeat(v, repeats, { axis: 1 })
  const raw = T.mul(T.matmul(q, T.swapAxes(keys, 2, 3)), scale)
  const capped = softcap > 0 ? T.mul(T.tanh(T.div(raw, softcap)), softcap) : raw
  const biased = bias === null ? capped : T.add(capped, bias)
  const allowed = visibleKeys(setting)
  const masked = allowed === null ? biased : T.where(allowed, biased, -Infinity)
  const wide = T.cast(masked, precision)
  // A row that may see nothing gives zeros, where a softmax of nothing would give NaN.
  const seesSome = T.any(T.greater(wide, -Infinity), { axes: [-1], keepdims: true })
  const weights = T.where(seesSome, T.softmax(T.where(seesSome, wide, 0)), 0)
  const narrow = T.cast(weights, q.dtype)
  return { output: T.matmul(narrow, values), scores: [capped, capped, masked, narrow][mode] }
}

function visibleKeys({ q, k, allowed, isPlainCausal }: Setting): Tensor | null {
  if (!isPlainCausal) return allowed
  const causal = T.tri(q.shape[2], { m: k.shape[2] })
  return allowed === null ? causal : T.logicalAnd(allowed, causal)
}

/**
 * Operands: x, cos and sin [positions, D/2] with position ids [B, T], or [B, T, D/2] without. The first
 * rotary_embedding_dim channels (all by default) turn, the others pass.
 */
function rotaryEmbedding(node: OnnxNode): Tensor {
  const { x, attrs } = node
  const isFlat = x.rank === 3
  const heads = attrs.number('num_heads', 0)
  const interleaved = attrs.flag('interleaved', false)
  const split = isFlat ? splitHeads(x, heads) : x // [B, H, T, D]
  const D = split.shape[3]
  const dim = attrs.number('rotary_embedding_dim', 0) || D
  const turns = (cache: Tensor): Tensor =>
    T.expandDims(node.has(3) ? T.embedding(cache, T.cast(node.tensor(3), 'i32')) : cache, [1]) // [B, 1, T, dim/2]
  const channels = (start: number, stop: number, step: number): Tensor =>
    T.slice(split, [null, null, null, [start, stop, step]])
  const a = interleaved ? channels(0, dim, 2) : channels(0, dim / 2, 1)
  const b = interleaved ? channels(1, dim, 2) : channels(dim / 2, dim, 1)
  const [cos, sin] = [turns(node.tensor(1)), turns(node.tensor(2))]
  const real = T.sub(T.mul(a, cos), T.mul(b, sin))
  const imaginary = T.add(T.mul(b, cos), T.mul(a, sin))
  const pairs = [...split.shape.slice(0, 3), dim]
  const turned = interleaved
    ? T.reshape(T.stack([real, imaginary], { axis: -1 }), pairs)
    : T.concat([real, imaginary], { axis: -1 })
  const whole = dim === D ? turned : T.concat([turned, channels(dim, D, 1)], { axis: -1 })
  return isFlat ? joinHeads(whole) : whole
}
