/** One block of Aquila2: attention, then a gated feed-forward layer, each on normalised input and added to the stream. */
import { type KvCache, Linear, Module, RMSNorm, initializers } from '@tarazed/nn'
import { type DType, type Tensor, cast, random, rmsNorm, swiglu, unstack } from '@tarazed/tensor'
import { Attention, type CachedSight, type Sight } from './attention.js'
import type { Aquila2Config } from './config.js'

/** down(silu(gate(x)) · up(x)) (arXiv 2002.05202). No biases. */
export class Mlp extends Module {
  constructor(
    readonly gate_proj: Linear,
    readonly up_proj: Linear,
    readonly down_proj: Linear,
  ) {
    super()
  }

  static init(config: Aquila2Config, key: Tensor, dtype: DType): Mlp {
    const { hidden_size, intermediate_size, initializer_range: std = 0.02 } = config
    const weightInit = initializers.normal({ std })
    const [gate, up, down] = unstack(random.split(key, 3))
    const linear = (inFeatures: number, outFeatures: number, key: Tensor): Linear =>
      Linear.init({ inFeatures, outFeatures, bias: false, key, weightInit, dtype })
    return new Mlp(
      linear(hidden_size, intermediate_size, gate),
      linear(hidden_size, intermediate_size, up),
      linear(intermediate_size, hidden_size, down),
    )
  }

  /** x [B, T, hidden] -> the same */
  forward(x: Tensor): Tensor {
    return this.down_proj.forward(swiglu(this.gate_proj.forward(x), this.up_proj.forward(x)))
  }
}

/** x += attention(norm(x)), then x += mlp(norm(x)). */
export class DecoderLayer extends Module {
  constructor(
    readonly self_attn: Attention,
    readonly mlp: Mlp,
    readonly input_layernorm: RMSNorm,
    readonly post_attention_layernorm: RMSNorm,
  ) {
    super()
  }

  static init(config: Aquila2Config, key: Tensor, dtype: DType): DecoderLayer {
    const [attention, mlp] = unstack(random.split(key))
    return new DecoderLayer(
      Attention.init(config, attention, dtype),
      Mlp.init(config, mlp, dtype),
      newNorm(config, dtype),
      newNorm(config, dtype),
    )
  }

  /** x [B, T, hidden] -> the same */
  forward(x: Tensor, sight: Sight): Tensor {
    const attended = x.add(this.self_attn.forward(normalized(this.input_layernorm, x), sight))
    return attended.add(this.mlp.forward(normalized(this.post_attention_layernorm, attended)))
  }

  /** The same for T more tokens, the ones before them being in the cache. */
  forwardCached(x: Tensor, cache: KvCache, sight: CachedSight): { out: Tensor; cache: KvCache } {
    const attention = this.self_attn.forwardCached(normalized(this.input_layernorm, x), cache, sight)
    const attended = x.add(attention.out)
    const out = attended.add(this.mlp.forward(normalized(this.post_attention_layernorm, attended)))
    return { out, cache: attention.cache }
  }
}

/** A norm as it is before training: all weights `rms_norm_init`. */
export function newNorm({ hidden_size, rms_norm_eps, rms_norm_init: first = 1 }: Aquila2Config, dtype: DType): RMSNorm {
  return new RMSNorm(initializers.constant(first)(random.key(0), [hidden_size], dtype), rms_norm_eps)
}

/**
 * x·rsqrt(mean(x²) + eps)·weight, all in f32, rounded to the dtype of x once at the end: later LLaMA code rounds before the
 * weight, which differs in the last bits. The weight may be wider than x, as in checkpoints that keep norms in float32.
 */
export function normalized({ weight, eps }: RMSNorm, x: Tensor): Tensor {
  if (weight.dtype === x.dtype) return rmsNorm(x, weight, { eps })
  return cast(rmsNorm(cast(x, 'f32'), cast(weight, 'f32'), { eps }), x.dtype)
}
