/** A transformer of a few thousand parameters, written for tests: rotary positions, grouped heads, one cache per layer. */
import { Embedding, type KvCache, Linear, Module, RMSNorm, appendTokens, kvCache } from '@tarazed/nn'
import { type Tensor, arange, cumsum, random, rope, scaledDotProductAttention, unstack } from '@tarazed/tensor'
import { type CacheOptions, type CausalModel, type ForwardCachedOptions, type ForwardOptions } from '../src/index.js'

const HEADS = 4
const KV_HEADS = 2
const HEAD_DIM = 8

class Block extends Module {
  constructor(
    readonly norm: RMSNorm,
    readonly q: Linear,
    readonly k: Linear,
    readonly v: Linear,
    readonly out: Linear,
    readonly up: Linear,
    readonly down: Linear,
  ) {
    super()
  }

  static init(width: number, key: Tensor): Block {
    const keys = unstack(random.split(key, 6))
    const linear = (inFeatures: number, outFeatures: number, k: number): Linear =>
      Linear.init({ inFeatures, outFeatures, bias: false, key: keys[k] })
    return new Block(
      RMSNorm.init({ features: width }),
      linear(width, HEADS * HEAD_DIM, 0),
      linear(width, KV_HEADS * HEAD_DIM, 1),
      linear(width, KV_HEADS * HEAD_DIM, 2),
      linear(HEADS * HEAD_DIM, width, 3),
      linear(width, 2 * width, 4),
      linear(2 * width, width, 5),
    )
  }

  /** x [B,T,width]; `attend` gets q, k, v [B,heads,T,D], rotated. */
  run(x: Tensor, positions: Tensor, attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor): Tensor {
    const [B, T] = x.shape
    const normal = this.norm.forward(x)
    const heads = (linear: Linear): Tensor => linear.forward(normal).reshape([B, T, -1, HEAD_DIM])
    const attended = attend(
      rope(heads(this.q), positions).swapAxes(1, 2),
      rope(heads(this.k), positions).swapAxes(1, 2),
      heads(this.v).swapAxes(1, 2),
    )
    const y = x.add(this.out.forward(attended.swapAxes(1, 2).reshape([B, T, HEADS * HEAD_DIM])))
    return y.add(this.down.forward(this.up.forward(y).tanh()))
  }
}

/** The model; logits are spread widely, so that the best token stands out from rounding. */
export class TinyModel extends Module implements CausalModel<readonly KvCache[]> {
  constructor(
    readonly embed: Embedding,
    readonly blocks: readonly Block[],
    readonly head: Linear,
    readonly vocabSize: number,
    readonly contextLength: number,
  ) {
    super()
  }

  static init({ vocabSize = 40, contextLength = 512, width = 16, layers = 2, seed = 0 } = {}): TinyModel {
    const [embedKey, headKey, ...keys] = unstack(random.split(random.key(seed), layers + 2))
    const spread = (key: Tensor, shape: readonly number[]): Tensor => random.normal(key, shape)
    return new TinyModel(
      Embedding.init({ numEmbeddings: vocabSize, features: width, key: embedKey, weightInit: spread }),
      keys.map((key) => Block.init(width, key)),
      Linear.init({ inFeatures: width, outFeatures: vocabSize, bias: false, key: headKey, weightInit: spread }),
      vocabSize,
      contextLength,
    )
  }

  forward(ids: Tensor, { mask }: ForwardOptions = {}): Tensor {
    const [B, T] = ids.shape
    const positions = mask === undefined ? arange(T) : cumsum(mask.cast('i32'), { axis: 1 }).sub(1).maximum(0)
    const seen = mask?.reshape([B, 1, 1, T]) ?? null
    const attend = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
      scaledDotProductAttention(q, k, v, { causal: 'topLeft', mask: seen })
    const x = this.blocks.reduce((h, block) => block.run(h, positions, attend), this.embed.forward(ids))
    return this.head.forward(x)
  }

  emptyCache({ batch, capacity, dtype }: CacheOptions): readonly KvCache[] {
    return this.blocks.map(() => kvCache({ batch, capacity, dtype, kvHeads: KV_HEADS, headDim: HEAD_DIM }))
  }

  forwardCached(
    ids: Tensor,
    cache: readonly KvCache[],
    { start, positions, mask, last = false }: ForwardCachedOptions,
  ): { logits: Tensor; cache: readonly KvCache[] } {
    const [B, capacity] = mask.shape
    const after: KvCache[] = []
    const x = this.blocks.reduce(
      (h, block, layer) =>
        block.run(h, positions, (q, k, v) => {
          const seen = appendTokens(cache[layer], k, v, start)
          after.push(seen.cache)
          return scaledDotProductAttention(q, seen.cache.k, seen.cache.v, {
            causal: 'bottomRight',
            length: seen.length,
            mask: mask.reshape([B, 1, 1, capacity]),
          })
        }),
      this.embed.forward(ids),
    )
    return { logits: this.head.forward(last ? x.slice([null, [-1, null]]) : x), cache: after }
  }
}
