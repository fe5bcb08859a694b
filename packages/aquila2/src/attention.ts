/** Grouped-query attention with rotary positions. Axes: B batch, T time, S rows of a cache, H heads, G key/value heads, D head size. */
import { type KvCache, Linear, Module, appendTokens, initializers } from '@tarazed/nn'
import { type DType, type Tensor, cast, random, rope, scaledDotProductAttention, unstack } from '@tarazed/tensor'
import { type Aquila2Config, headDim } from './config.js'

/** What all layers of one forward pass share. */
export interface Positions {
  /** i32 [T] or [B, T] */
  readonly positions: Tensor
  /** Angle per position of every pair, D/2 numbers. */
  readonly frequencies: readonly number[]
}

/** Positions, and which keys may be seen: bool [B, 1, 1, T], or null for all. */
export interface Sight extends Positions {
  readonly mask: Tensor | null
}

/** Positions and the rows of a cache: bool [B, 1, 1, S] and the number of rows before this chunk, i32 []. */
export interface CachedSight extends Positions {
  readonly mask: Tensor
  readonly start: Tensor
}

/** softmax(q kᵀ/√D + mask) v, softmax in f32; H/G query heads share a key/value head (arXiv 2305.13245). No biases. */
export class Attention extends Module {
  constructor(
    readonly q_proj: Linear,
    readonly k_proj: Linear,
    readonly v_proj: Linear,
    readonly o_proj: Linear,
    /** D */
    readonly head_dim: number,
  ) {
    super()
  }

  static init(config: Aquila2Config, key: Tensor, dtype: DType): Attention {
    const { hidden_size, num_attention_heads: H, num_key_value_heads: G, initializer_range: std = 0.02 } = config
    const D = headDim(config)
    const weightInit = initializers.normal({ std })
    const [q, k, v, o] = unstack(random.split(key, 4))
    const linear = (inFeatures: number, outFeatures: number, key: Tensor): Linear =>
      Linear.init({ inFeatures, outFeatures, bias: false, key, weightInit, dtype })
    return new Attention(
      linear(hidden_size, H * D, q),
      linear(hidden_size, G * D, k),
      linear(hidden_size, G * D, v),
      linear(H * D, hidden_size, o),
      D,
    )
  }

  /** Every token sees itself and the real tokens before it. x [B, T, hidden] -> the same. */
  forward(x: Tensor, { positions, frequencies, mask }: Sight): Tensor {
    const { q, k, v } = this.project(x, { positions, frequencies })
    return this.merge(scaledDotProductAttention(q, k, v, { mask, causal: 'topLeft' }))
  }

  /**
   * T more tokens after `start` rows of the cache, seeing those rows that are real and each other's past.
   * Products are taken in the dtype of the cache.
   */
  forwardCached(x: Tensor, cache: KvCache, sight: CachedSight): { out: Tensor; cache: KvCache } {
    const { q, k, v } = this.project(x, sight)
    const seen = appendTokens(cache, k, v, sight.start)
    // With `length` rows in use, bottomRight lets token t see rows up to start + t.
    const attended = scaledDotProductAttention(cast(q, cache.k.dtype), seen.cache.k, seen.cache.v, {
      mask: sight.mask,
      causal: 'bottomRight',
      length: seen.length,
    })
    return { out: this.merge(cast(attended, x.dtype)), cache: seen.cache }
  }

  /** x [B, T, hidden] -> q [B, H, T, D], k and v [B, G, T, D] */
  private project(x: Tensor, { positions, frequencies }: Positions): { q: Tensor; k: Tensor; v: Tensor } {
    const heads = (linear: Linear): Tensor => split(linear.forward(x), this.head_dim) // [B, T, H or G, D]
    return {
      q: rope(heads(this.q_proj), positions, { frequencies }).swapAxes(1, 2),
      k: rope(heads(this.k_proj), positions, { frequencies }).swapAxes(1, 2),
      v: heads(this.v_proj).swapAxes(1, 2),
    }
  }

  /** [B, H, T, D] -> [B, T, hidden] */
  private merge(attended: Tensor): Tensor {
    const [B, H, T, D] = attended.shape
    return this.o_proj.forward(attended.swapAxes(1, 2).reshape([B, T, H * D]))
  }
}

/** [B, T, H·D] -> [B, T, H, D] */
function split(x: Tensor, D: number): Tensor {
  const [B, T, width] = x.shape
  return x.reshape([B, T, width / D, D])
}
