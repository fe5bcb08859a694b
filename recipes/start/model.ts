/** A small LLaMA over bytes: embedding, blocks of attention and gated feed-forward layers, a head. B batch, T time, V 256 bytes. */
import {
  Embedding,
  type KvCache,
  Linear,
  Module,
  RMSNorm,
  SelfAttention,
  SwiGLU,
  initializers,
  kvCache,
} from '@tarazed/nn'
import { type Tensor, crossEntropy, random, unstack } from '@tarazed/tensor'

/** Every byte is a token. */
export const VOCABULARY = 256

/** Field names are those of a Hugging Face config.json. */
export interface ModelConfig {
  readonly model_type: 'llama'
  readonly architectures: readonly ['LlamaForCausalLM']
  readonly vocab_size: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly max_position_embeddings: number
  readonly rope_theta: number
  readonly rms_norm_eps: number
  readonly tie_word_embeddings: false
}

/** @param width a multiple of 32: heads are 32 wide */
export function modelConfig({ layers = 3, width = 128, context = 128 } = {}): ModelConfig {
  const heads = width / 32
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: VOCABULARY,
    hidden_size: width,
    intermediate_size: 3 * width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    max_position_embeddings: context,
    rope_theta: 10000,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  }
}

/** x + attention(norm(x)), then x + mlp(norm(x)). */
class Block extends Module {
  constructor(
    readonly input_layernorm: RMSNorm,
    readonly self_attn: SelfAttention,
    readonly post_attention_layernorm: RMSNorm,
    readonly mlp: SwiGLU,
  ) {
    super()
  }

  static init(config: ModelConfig, key: Tensor): Block {
    const { hidden_size: features, rms_norm_eps: eps } = config
    const [attentionKey, mlpKey] = unstack(random.split(key))
    return new Block(
      RMSNorm.init({ features, eps }),
      SelfAttention.init({
        features,
        heads: config.num_attention_heads,
        kvHeads: config.num_key_value_heads,
        ropeBase: config.rope_theta,
        key: attentionKey,
      }),
      RMSNorm.init({ features, eps }),
      SwiGLU.init({ features, hidden: config.intermediate_size, key: mlpKey }),
    )
  }

  /** x [B, T, features] */
  forward(x: Tensor): Tensor {
    const attended = x.add(this.self_attn.forward(this.input_layernorm.forward(x)))
    return attended.add(this.mlp.forward(this.post_attention_layernorm.forward(attended)))
  }

  /** The same for one token x [B, 1, features], the others being in the cache. */
  forwardCached(x: Tensor, cache: KvCache, position: Tensor): { out: Tensor; cache: KvCache } {
    const attention = this.self_attn.forwardCached(this.input_layernorm.forward(x), cache, position)
    const attended = x.add(attention.out)
    const out = attended.add(this.mlp.forward(this.post_attention_layernorm.forward(attended)))
    return { out, cache: attention.cache }
  }
}

class Decoder extends Module {
  constructor(
    readonly embed_tokens: Embedding,
    readonly layers: readonly Block[],
    readonly norm: RMSNorm,
  ) {
    super()
  }
}

/** Next-byte prediction. Parameter names are those of a LLaMA checkpoint (`model.layers.0.self_attn.q_proj.weight`). */
export class ByteModel extends Module {
  constructor(
    readonly model: Decoder,
    readonly lm_head: Linear,
  ) {
    super()
  }

  static init(config: ModelConfig, key: Tensor): ByteModel {
    const { vocab_size: numEmbeddings, hidden_size: features, num_hidden_layers: layers } = config
    const [embedKey, headKey, ...blockKeys] = unstack(random.split(key, layers + 2))
    return new ByteModel(
      new Decoder(
        Embedding.init({ numEmbeddings, features, key: embedKey, weightInit: initializers.normal({ std: 0.5 }) }),
        blockKeys.map((blockKey) => Block.init(config, blockKey)),
        RMSNorm.init({ features, eps: config.rms_norm_eps }),
      ),
      Linear.init({ inFeatures: features, outFeatures: numEmbeddings, bias: false, key: headKey }),
    )
  }

  /**
   * @param bytes i32 [B, T]
   * @returns logits of the byte after each [B, T, V]
   */
  forward(bytes: Tensor): Tensor {
    let x = this.model.embed_tokens.forward(bytes) // [B, T, features]
    for (const layer of this.model.layers) x = layer.forward(x)
    return this.lm_head.forward(this.model.norm.forward(x))
  }

  /**
   * Mean cross-entropy of predicting each next byte, in nats.
   *
   * @param windows i32 [B, T+1]
   */
  loss(windows: Tensor): Tensor {
    const inputs = windows.slice([null, [null, -1]]) // [B, T]
    const targets = windows.slice([null, [1, null]]) // [B, T]
    return crossEntropy(this.forward(inputs), targets)
  }

  /**
   * One more byte.
   *
   * @param byte i32 [B]; @param position i32 []: bytes seen before; @param caches one for each layer
   * @returns logits [B, V] and the caches with this byte
   */
  forwardCached(byte: Tensor, position: Tensor, caches: readonly KvCache[]): { logits: Tensor; caches: KvCache[] } {
    let x = this.model.embed_tokens.forward(byte.expandDims(1)) // [B, 1, features]
    const after = this.model.layers.map((layer, k) => {
      const step = layer.forwardCached(x, caches[k], position)
      x = step.out
      return step.cache
    })
    return { logits: this.lm_head.forward(this.model.norm.forward(x)).squeeze(1), caches: after }
  }
}

/** Empty caches for a batch of one; they keep the newest `max_position_embeddings` bytes. */
export function emptyCaches(config: ModelConfig): KvCache[] {
  return Array.from({ length: config.num_hidden_layers }, () =>
    kvCache({
      batch: 1,
      kvHeads: config.num_key_value_heads,
      headDim: config.hidden_size / config.num_attention_heads,
      capacity: config.max_position_embeddings,
    }),
  )
}
