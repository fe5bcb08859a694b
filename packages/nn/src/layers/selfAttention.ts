import {
  ArgumentError,
  type DType,
  ShapeError,
  type Tensor,
  arange,
  checkOptions,
  random,
  rope,
  scaledDotProductAttention,
  unstack,
} from '@tarazed/tensor'
import { requireLayers, requireNumber, requireSizes, requireTensor, shown } from '../check.js'
import type { Initializer } from '../initializers.js'
import { type KvCache, appendToken } from '../kvCache.js'
import { Module } from '../module.js'
import { Linear } from './linear.js'

/**
 * What `SelfAttention.init` takes; `kvHeads` divides `heads`. Defaults: kvHeads = heads, headDim = features / heads,
 * rotary base 10,000, no bias, the weights of `Linear` in f32.
 */
export interface SelfAttentionOptions {
  readonly features: number
  readonly heads: number
  /** Heads of keys and values; fewer than `heads` shares each among several (grouped-query attention). */
  readonly kvHeads?: number
  readonly headDim?: number
  /** Base of the rotary embedding; null: none. */
  readonly ropeBase?: number | null
  readonly bias?: boolean
  readonly key: Tensor
  readonly weightInit?: Initializer
  readonly dtype?: DType
}

const NEEDED = ['features', 'heads', 'key'] as const
const OPTIONS = [...NEEDED, 'kvHeads', 'headDim', 'ropeBase', 'bias', 'weightInit', 'dtype'] as const

/** Causal self-attention with grouped key/value heads and rotary positions. Axes: B batch, T time, H heads, G kv heads, D head size. */
export class SelfAttention extends Module {
  constructor(
    readonly q_proj: Linear,
    readonly k_proj: Linear,
    readonly v_proj: Linear,
    readonly o_proj: Linear,
    readonly heads: number,
    readonly kvHeads: number,
    readonly ropeBase: number | null,
  ) {
    super()
    requireLayers('SelfAttention', [q_proj, k_proj, v_proj, o_proj])
  }

  static init(options: SelfAttentionOptions): SelfAttention {
    const {
      features,
      heads,
      kvHeads = heads,
      headDim = features / heads,
      ropeBase = 10000,
      bias = false,
      key,
      weightInit,
      dtype,
    } = checkOptions('SelfAttention.init', options, OPTIONS, NEEDED)
    requireSizes('SelfAttention.init', { features, heads, kvHeads })
    if (ropeBase !== null) requireNumber('SelfAttention.init', 'ropeBase', ropeBase, 0)
    if (!Number.isInteger(headDim) || headDim < 1 || heads % kvHeads !== 0)
      throw new ArgumentError(
        `SelfAttention.init: heads divides features and kvHeads divides heads, got ${features} features, ${heads} heads, ${kvHeads} kvHeads; choose divisors, or give headDim`,
      )
    const [q, k, v, o] = unstack(random.split(key, 4))
    const linear = (inFeatures: number, outFeatures: number, key: Tensor) =>
      Linear.init({ inFeatures, outFeatures, bias, key, weightInit, dtype })
    return new SelfAttention(
      linear(features, heads * headDim, q),
      linear(features, kvHeads * headDim, k),
      linear(features, kvHeads * headDim, v),
      linear(heads * headDim, features, o),
      heads,
      kvHeads,
      ropeBase,
    )
  }

  /**
   * Every token looks at itself and at those before it.
   *
   * @param x [B, T, features]
   * @param options positions i32 [T] or [B, T], default 0 … T-1; mask bool or float, broadcast to [B, H, T, T]
   * @returns [B, T, features]
   */
  forward(x: Tensor, options: { readonly positions?: Tensor; readonly mask?: Tensor } = {}): Tensor {
    requireInput(x)
    const { positions = arange(x.shape[1]), mask } = checkOptions('SelfAttention.forward', options, [
      'mask',
      'positions',
    ])
    const { q, k, v } = this.project(x, positions)
    return this.merge(scaledDotProductAttention(q, k, v, { causal: 'topLeft', mask }))
  }

  /**
   * One more token, looking at itself and at what the cache holds.
   *
   * @param x [B, 1, features]
   * @param position i32 []: tokens seen before
   * @returns out [B, 1, features] and the cache with the token
   */
  forwardCached(x: Tensor, cache: KvCache, position: Tensor): { out: Tensor; cache: KvCache } {
    requireInput(x)
    requireTensor('SelfAttention', 'the position', position, "write scalar(seen, { dtype: 'i32' })")
    const { q, k, v } = this.project(x, position.reshape([1]))
    const seen = appendToken(cache, k, v, position)
    const out = scaledDotProductAttention(q, seen.cache.k, seen.cache.v, { length: seen.length })
    return { out: this.merge(out), cache: seen.cache }
  }

  /** q [B, H, T, D], k and v [B, G, T, D] */
  private project(x: Tensor, positions: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
    const rotated = (heads: Tensor) =>
      this.ropeBase === null ? heads : rope(heads, positions, { base: this.ropeBase })
    return {
      q: rotated(split(this.q_proj.forward(x), this.heads)).swapAxes(1, 2),
      k: rotated(split(this.k_proj.forward(x), this.kvHeads)).swapAxes(1, 2),
      v: split(this.v_proj.forward(x), this.kvHeads).swapAxes(1, 2),
    }
  }

  /** [B, H, T, D] -> [B, T, features] */
  private merge(heads: Tensor): Tensor {
    const [B, H, T, D] = heads.shape
    return this.o_proj.forward(heads.swapAxes(1, 2).reshape([B, T, H * D]))
  }
}

function requireInput(x: Tensor): void {
  requireTensor('SelfAttention', 'x', x)
  if (x.rank !== 3) throw new ShapeError(`SelfAttention: x is [batch, time, features], got ${shown(x)}; reshape it`)
}

/** [B, T, H·D] -> [B, T, H, D] */
function split(x: Tensor, heads: number): Tensor {
  const [B, T, width] = x.shape
  return x.reshape([B, T, heads, width / heads])
}
