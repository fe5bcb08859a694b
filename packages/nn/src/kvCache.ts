/** Keys and values of tokens already seen, in buffers of a fixed size. */
import {
  ArgumentError,
  type DType,
  Tensor,
  cast,
  checkOptions,
  minimum,
  rem,
  updateSlice,
  zeros,
} from '@tarazed/tensor'
import { requireSizes, requireTensor, shown } from './check.js'

/**
 * One layer's cache. Position p lies at row p mod capacity, so the newest `capacity` tokens are kept. Keys are stored after
 * their rotary embedding. Donate it to a compiled step: then only the new row is written.
 */
export interface KvCache {
  /** [B, G, capacity, D] */
  readonly k: Tensor
  /** [B, G, capacity, D] */
  readonly v: Tensor
}

/** Sizes of an empty cache: both buffers are [batch, kvHeads, capacity, headDim]. Default dtype f32. */
export interface KvCacheOptions {
  readonly batch: number
  readonly kvHeads: number
  readonly headDim: number
  readonly capacity: number
  readonly dtype?: DType
}

const SIZES = ['batch', 'kvHeads', 'headDim', 'capacity'] as const
const OPTIONS = [...SIZES, 'dtype'] as const

/** An empty cache. @throws ArgumentError for sizes that are no whole numbers of at least 1 */
export function kvCache(options: KvCacheOptions): KvCache {
  const { batch, kvHeads, headDim, capacity, dtype = 'f32' } = checkOptions('kvCache', options, OPTIONS, SIZES)
  requireSizes('kvCache', { batch, kvHeads, headDim, capacity })
  const shape = [batch, kvHeads, capacity, headDim]
  return { k: zeros(shape, { dtype }), v: zeros(shape, { dtype }) }
}

/** What a layer attends to after a token was added. */
export interface CachedKeys {
  readonly cache: KvCache
  /** i32 []: rows in use. */
  readonly length: Tensor
}

function requireCacheTensors(op: string, cache: KvCache, tensors: Readonly<Record<string, Tensor>>): void {
  if (typeof cache !== 'object' || cache === null || !(cache.k instanceof Tensor && cache.v instanceof Tensor))
    throw new ArgumentError(`${op}: the cache is what kvCache(…) gives, got ${shown(cache)}; make one with it`)
  for (const name in tensors) requireTensor(op, name, tensors[name], "wrap a number in scalar(…, { dtype: 'i32' })")
}

/**
 * The cache with one more token.
 *
 * @param k [B, G, 1, D], rotated; v [B, G, 1, D]
 * @param position i32 []: tokens seen before
 * @throws ArgumentError for more than one token
 */
export function appendToken(cache: KvCache, k: Tensor, v: Tensor, position: Tensor): CachedKeys {
  requireCacheTensors('appendToken', cache, { k, v, position })
  if (k.shape[2] !== 1)
    throw new ArgumentError(
      `appendToken: takes one token at a time, got k [${k.shape.join(', ')}]; axis 2 counts tokens`,
    )
  const capacity = cache.k.shape[2]
  const starts = [0, 0, rem(position, capacity), 0]
  return {
    cache: { k: updateSlice(cache.k, k, starts), v: updateSlice(cache.v, v, starts) },
    length: minimum(position.add(1), capacity),
  }
}

/**
 * The cache with T ≥ 1 more tokens at rows start … start + T - 1, for prompts that are read in chunks and batches that are
 * padded on the left. Unlike `appendToken` it never wraps: the caller keeps start + T within the capacity. Past it the rows
 * would be clamped to the end of the buffer, over older tokens.
 *
 * @param k [B, G, T, D], rotated; v [B, G, T, D]; both are rounded to the dtype of the cache
 * @param start i32 []: rows in use before
 * @throws ArgumentError when T is 0 or more than the capacity
 */
export function appendTokens(cache: KvCache, k: Tensor, v: Tensor, start: Tensor): CachedKeys {
  requireCacheTensors('appendTokens', cache, { k, v, start })
  const [tokens, capacity] = [k.shape[2], cache.k.shape[2]]
  if (!(tokens >= 1 && tokens <= capacity))
    throw new ArgumentError(
      `appendTokens: takes 1 to ${capacity} tokens, the capacity of the cache, got k [${k.shape.join(', ')}]; axis 2 counts tokens`,
    )
  const starts = [0, 0, start, 0]
  return {
    cache: {
      k: updateSlice(cache.k, cast(k, cache.k.dtype), starts),
      v: updateSlice(cache.v, cast(v, cache.v.dtype), starts),
    },
    length: start.add(tokens),
  }
}
