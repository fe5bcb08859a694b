/** What this package asks of a model: logits for every position, and the same one chunk at a time with a cache. */
import { type DType, type Tensor } from '@tarazed/tensor'

/** Options of `CausalModel.forward`. */
export interface ForwardOptions {
  /** bool [B,T], true for real tokens. Positions count real tokens only; outputs at the others are undefined. Default: all real. */
  readonly mask?: Tensor
}

/** Sizes of an empty cache: `capacity` rows of tokens for each of `batch` sequences. */
export interface CacheOptions {
  readonly batch: number
  /** Rows, padding included. It may exceed the model's context length by the padding of a batch; positions never do. */
  readonly capacity: number
  /** Default: the dtype in which the model computes. */
  readonly dtype?: DType
}

/** Where a chunk of tokens stands. */
export interface ForwardCachedOptions {
  /** i32 []: rows of the cache before this chunk, one number for the whole batch (shorter prompts are padded on the left). */
  readonly start: Tensor
  /** i32 [B,T]: the position of every token among the real tokens of its sequence; 0 at padding. */
  readonly positions: Tensor
  /** bool [B,capacity]: rows that hold real tokens, the rows of this chunk included; false behind them. */
  readonly mask: Tensor
  /** Compute the logits of the last position only, [B,1,V]. Default false. */
  readonly last?: boolean
}

/**
 * A causal language model. It is a tree of tensors (a module), so that a compiled step takes it as an argument.
 * Axes: B batch, T time, V vocabulary.
 *
 * The cache is a tree whose tensors all have the batch as their first axis: sequences are dropped from a batch, and one
 * context is shared among several continuations, by picking rows of that axis.
 */
export interface CausalModel<Cache = unknown> {
  readonly vocabSize: number
  /** The most tokens of one sequence, prompt and answer together. */
  readonly contextLength: number
  /** ids i32 [B,T] -> logits f32 [B,T,V]; every token sees itself and the real ones before it. */
  forward(ids: Tensor, options?: ForwardOptions): Tensor
  /** A cache with nothing in it. */
  emptyCache(options: CacheOptions): Cache
  /** T more tokens, ids i32 [B,T] -> logits f32 [B,T,V] (or [B,1,V]) and the cache with their keys and values. */
  forwardCached(ids: Tensor, cache: Cache, options: ForwardCachedOptions): { logits: Tensor; cache: Cache }
  /**
   * The model for sequences of a planned length, for rotary embeddings whose base depends on it; itself where nothing
   * depends on it. Called once per sequence, so that keys in a cache never go stale.
   */
  planned?(length: number): CausalModel<Cache>
}
