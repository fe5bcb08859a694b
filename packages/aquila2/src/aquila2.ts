/** The language model Aquila2: embedding, blocks, final norm and an untied head. Axes: B batch, T time, V vocabulary, S rows of a cache. */
import type { CacheOptions, CausalModel, ForwardCachedOptions } from '@tarazed/lm'
import { Embedding, type KvCache, Linear, Module, type RMSNorm, initializers, kvCache } from '@tarazed/nn'
import {
  type DType,
  type Tensor,
  arange,
  cast,
  checkpoint,
  crossEntropy,
  cumsum,
  random,
  unstack,
} from '@tarazed/tensor'
import type { CachedSight, Sight } from './attention.js'
import { type Aquila2Config, contextLength, headDim, ropeScaling } from './config.js'
import { DecoderLayer, newNorm, normalized } from './decoderLayer.js'
import { OptionError, checkOptions, shown } from './errors.js'
import { checkCache, checkIds, checkLabels, checkMask, checkPlaces } from './inputs.js'
import { ropeFrequencies } from './ropeFrequencies.js'
import { requireConfig } from './validateConfig.js'

/** Keys and values of every layer, in order. */
export type Aquila2Cache = readonly KvCache[]

/** Options of `Aquila2.forward`. */
export interface Aquila2ForwardOptions {
  /** bool [B, T], true for real tokens; padding may stand on either side. Default: all are real. */
  readonly mask?: Tensor
  /** Forget what every block computed inside and compute it again in the reverse pass. Default false. */
  readonly rematerialise?: boolean
}

/** Options of `Aquila2.loss`. */
export interface Aquila2LossOptions extends Aquila2ForwardOptions {
  /** Weight of logsumexp², which keeps logits near 0. Default 0. */
  readonly zLoss?: number
  /** `mean` over the labels that count, their `sum`, or `none`: a cost for each, [B, T-1]. Default mean. */
  readonly reduction?: 'mean' | 'sum' | 'none'
}

/** The stream of hidden states of one forward pass. */
export interface HiddenStates {
  /** The embedding, then the stream after every layer, the last one after the final norm: layers + 1 of [B, T, hidden]. */
  readonly hidden: readonly Tensor[]
  /** The stream after the last layer, before the final norm. */
  readonly beforeNorm: Tensor
  /** f32 [B, T, V] */
  readonly logits: Tensor
}

/** `model.` in the names of a checkpoint. */
export class Decoder extends Module {
  constructor(
    readonly embed_tokens: Embedding,
    readonly layers: readonly DecoderLayer[],
    readonly norm: RMSNorm,
  ) {
    super()
  }
}

/**
 * Aquila2 (arXiv 2408.07410): pre-norm blocks of grouped-query attention and gated feed-forward layers. Parameter names are
 * those of a checkpoint (`model.layers.0.self_attn.q_proj.weight`). It computes in the dtype of its embedding; norms,
 * softmax and rotary tables are f32 inside.
 */
export class Aquila2 extends Module implements CausalModel<Aquila2Cache> {
  /** @param planned_length the length that a dynamic base is fixed for; null: of each forward pass, or of the cache */
  constructor(
    readonly model: Decoder,
    readonly lm_head: Linear,
    readonly config: Aquila2Config,
    readonly planned_length: number | null = null,
  ) {
    super()
  }

  /**
   * A model before training: weights normal with `initializer_range`, norms `rms_norm_init`.
   *
   * @param key one key decides every weight
   * @param options dtype of all weights, default f32
   * @throws ConfigError for a configuration that describes no Aquila2
   */
  static init(given: Aquila2Config, key: Tensor, options: { readonly dtype?: DType } = {}): Aquila2 {
    checkOptions('Aquila2.init', options, ['dtype'])
    const config = requireConfig('Aquila2.init', given)
    const { dtype = 'f32' } = options
    const { vocab_size, hidden_size, num_hidden_layers, initializer_range: std = 0.02 } = config
    const weightInit = initializers.normal({ std })
    const [embedKey, headKey, ...layerKeys] = unstack(random.split(key, num_hidden_layers + 2))
    return new Aquila2(
      new Decoder(
        Embedding.init({ numEmbeddings: vocab_size, features: hidden_size, key: embedKey, weightInit, dtype }),
        layerKeys.map((layerKey) => DecoderLayer.init(config, layerKey, dtype)),
        newNorm(config, dtype),
      ),
      Linear.init({ inFeatures: hidden_size, outFeatures: vocab_size, bias: false, key: headKey, weightInit, dtype }),
      config,
    )
  }

  /** A configuration may hold anything, so it is one text here instead of a part of the tree. */
  override treeFlatten(): { readonly children: Readonly<Record<string, unknown>>; readonly staticKey: string } {
    const { model, lm_head, config, planned_length } = this
    return { children: { model, lm_head }, staticKey: `Aquila2 ${planned_length} ${JSON.stringify(config)}` }
  }

  override treeUnflatten(children: Readonly<Record<string, unknown>>): this {
    const { model, lm_head } = children as { model: Decoder; lm_head: Linear }
    return new Aquila2(model, lm_head, this.config, this.planned_length) as this
  }

  get vocabSize(): number {
    return this.config.vocab_size
  }

  get contextLength(): number {
    return contextLength(this.config)
  }

  /** The model with a dynamic rotary base fixed for sequences of up to `length` tokens; itself without dynamic scaling. */
  planned(length: number): Aquila2 {
    if (!Number.isSafeInteger(length) || length < 1)
      throw new OptionError(`planned: length is a positive integer, got ${shown(length)}`, 'length')
    if (ropeScaling(this.config)?.type !== 'dynamic') return this
    // Below the limit the base does not change, so all short plans are one variant of a compiled function.
    const planned = Math.max(length, this.config.max_position_embeddings)
    return planned === this.planned_length ? this : new Aquila2(this.model, this.lm_head, this.config, planned)
  }

  /**
   * Logits of the token after each.
   *
   * @param ids i32 [B, T]
   * @returns f32 [B, T, V]; undefined where the mask is false
   */
  forward(ids: Tensor, options: Aquila2ForwardOptions = {}): Tensor {
    checkOptions('forward', options, ['mask', 'rematerialise'])
    return this.head(this.stream(ids, options).at(-1)!) // never empty: it begins with the embedding
  }

  /** Logits and what the model computed on the way to them. Options as in `forward`. */
  hiddenStates(ids: Tensor, options: Aquila2ForwardOptions = {}): HiddenStates {
    checkOptions('hiddenStates', options, ['mask', 'rematerialise'])
    const stream = this.stream(ids, options)
    const beforeNorm = stream[stream.length - 1]
    const hidden = [...stream.slice(0, -1), normalized(this.model.norm, beforeNorm)]
    return { hidden, beforeNorm, logits: this.head(beforeNorm) }
  }

  /**
   * Cross-entropy of predicting each next token, in nats.
   *
   * @param ids i32 [B, T], T ≥ 2
   * @param labels i32 [B, T], by default the ids; -100 is ignored. Labels stand at their own tokens: they are shifted here
   * @returns f32 [], or [B, T-1] for the reduction `none`; NaN when every label is ignored
   */
  loss(ids: Tensor, labels: Tensor = ids, options: Aquila2LossOptions = {}): Tensor {
    checkOptions('loss', options, ['mask', 'rematerialise', 'zLoss', 'reduction'])
    const { zLoss, reduction, mask, rematerialise } = options
    checkIds('loss', ids)
    checkLabels(labels, ids)
    // The last token predicts nothing that is known, and nobody before it sees it.
    const inputs = ids.slice([null, [0, -1]]) // [B, T-1]
    const targets = labels.slice([null, [1, null]]) // [B, T-1]
    if (mask !== undefined) checkMask('loss', mask, [ids.shape[0], ids.shape[1]])
    const logits = this.forward(inputs, { mask: mask?.slice([null, [0, -1]]), rematerialise })
    return crossEntropy(logits, targets, { zLoss, reduction })
  }

  /**
   * A cache with nothing in it: for every layer keys and values [B, G, capacity, D].
   * Default dtype: that of the weights.
   */
  emptyCache({ batch, capacity, dtype = this.model.embed_tokens.weight.dtype }: CacheOptions): Aquila2Cache {
    const sizes = { batch, capacity, dtype, kvHeads: this.config.num_key_value_heads, headDim: headDim(this.config) }
    return this.model.layers.map(() => kvCache(sizes))
  }

  /**
   * T more tokens after the first `start` rows of the cache.
   *
   * @param ids i32 [B, T]
   * @param options start i32 []; positions i32 [B, T]; mask bool [B, S], true for rows with real tokens, these T included;
   * last: the logits of the last position only. start + T must not exceed S
   * @returns logits f32 [B, T, V], or [B, 1, V] with `last`, and the cache with the new rows
   */
  forwardCached(
    ids: Tensor,
    cache: Aquila2Cache,
    options: ForwardCachedOptions,
  ): { logits: Tensor; cache: Aquila2Cache } {
    checkOptions('forwardCached', options, ['start', 'positions', 'mask', 'last'])
    const { start, positions, mask, last = false } = options
    checkIds('forwardCached', ids)
    const [B, T] = ids.shape
    const S = checkCache(cache, this.model.layers.length, T)
    checkMask('forwardCached', mask, [B, S])
    checkPlaces(start, positions, [B, T])
    const sight: CachedSight = {
      positions,
      start,
      frequencies: this.frequencies(S),
      mask: mask.reshape([B, 1, 1, S]),
    }
    let x = this.model.embed_tokens.forward(ids) // [B, T, hidden]
    const after = this.model.layers.map((layer, k) => {
      const step = layer.forwardCached(x, cache[k], sight)
      x = step.out
      return step.cache
    })
    return { logits: this.head(last ? x.slice([null, [-1, null]]) : x), cache: after }
  }

  /** The embedding and the stream after every layer, before the final norm. */
  private stream(ids: Tensor, { mask, rematerialise = false }: Aquila2ForwardOptions): Tensor[] {
    checkIds('forward', ids)
    const [B, T] = ids.shape
    if (mask !== undefined) checkMask('forward', mask, [B, T])
    const sight: Sight = {
      positions: mask === undefined ? arange(T) : realPositions(mask),
      frequencies: this.frequencies(T),
      mask: mask?.reshape([B, 1, 1, T]) ?? null,
    }
    const run = (layer: DecoderLayer, x: Tensor): Tensor => layer.forward(x, sight)
    const block = rematerialise ? checkpoint(run) : run
    const stream = [this.model.embed_tokens.forward(ids)] // [B, T, hidden]
    for (const layer of this.model.layers) stream.push(block(layer, stream[stream.length - 1]))
    return stream
  }

  /** [B, T, hidden] -> f32 [B, T, V] */
  private head(x: Tensor): Tensor {
    return cast(this.lm_head.forward(normalized(this.model.norm, x)), 'f32')
  }

  private frequencies(length: number): number[] {
    return ropeFrequencies(this.config, this.planned_length ?? length)
  }
}

/** Positions that count real tokens: i32 [B, T], 0 at the padding before them. */
function realPositions(mask: Tensor): Tensor {
  return cumsum(cast(mask, 'i32'), { axis: 1 }).sub(1).maximum(0)
}
