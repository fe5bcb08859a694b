/** Checks of what goes into a forward pass: shapes and dtypes, with errors that say what was meant. */
import type { KvCache } from '@tarazed/nn'
import { ArgumentError, DTypeError, ShapeError, Tensor } from '@tarazed/tensor'
import { shown } from './errors.js'

/** @throws ArgumentError, ShapeError or DTypeError unless `ids` is i32 [B, T] */
export function checkIds(what: string, ids: unknown): asserts ids is Tensor {
  requireTensor(what, 'ids', ids, "tensor([[…]], { dtype: 'i32' })")
  if (ids.rank !== 2) throw new ShapeError(`${what}: ids are [B, T], got ${show(ids)}; a single sequence is [1, T]`)
  if (ids.dtype !== 'i32') throw new DTypeError(`${what}: ids are i32, got ${ids.dtype}; cast them`)
}

/** @throws ArgumentError, ShapeError or DTypeError unless `labels` is i32 [B, T] like the ids, T ≥ 2 */
export function checkLabels(labels: unknown, ids: Tensor): void {
  requireTensor('loss', 'labels', labels, 'leave them out to predict the ids')
  if (labels.dtype !== 'i32') throw new DTypeError(`loss: labels are i32, got ${labels.dtype}; cast them`)
  const [B, T] = ids.shape
  if (labels.rank !== 2 || labels.shape[0] !== B || labels.shape[1] !== T || T < 2)
    throw new ShapeError(
      `loss: ids and labels are [B, T] with T of at least 2, got ids ${show(ids)} and labels ${show(labels)}`,
    )
}

/** @throws ArgumentError, ShapeError or DTypeError unless `mask` is bool [B, T] */
export function checkMask(what: string, mask: unknown, [B, T]: readonly [number, number]): void {
  requireTensor(what, 'mask', mask, 'bool, true for real tokens')
  if (mask.rank !== 2 || mask.shape[0] !== B || mask.shape[1] !== T)
    throw new ShapeError(`${what}: mask is [${B}, ${T}], got ${show(mask)}`)
  if (mask.dtype !== 'bool')
    throw new DTypeError(`${what}: mask is bool, true for real tokens, got ${mask.dtype}; compare it: mask.notEqual(0)`)
}

/** @throws ArgumentError or ShapeError unless `start` is an integer [] and `positions` [B, T] */
export function checkPlaces(start: unknown, positions: unknown, [B, T]: readonly number[]): void {
  requireTensor('forwardCached', 'start', start, "scalar(0, { dtype: 'i32' })")
  requireTensor('forwardCached', 'positions', positions, `i32 [${B}, ${T}]`)
  if (start.rank !== 0) throw new ShapeError(`forwardCached: start is one number for the batch, [], got ${show(start)}`)
  if (positions.rank !== 2 || positions.shape[0] !== B || positions.shape[1] !== T)
    throw new ShapeError(`forwardCached: positions are [${B}, ${T}], got ${show(positions)}`)
}

/**
 * @returns the rows of the cache
 * @throws ShapeError unless it has keys and values for all layers and room for T tokens
 */
export function checkCache(cache: readonly KvCache[], layers: number, T: number): number {
  if (!Array.isArray(cache) || cache.length !== layers)
    throw new ShapeError(
      `forwardCached: the cache has keys and values for ${layers} layers, got ${Array.isArray(cache) ? cache.length : shown(cache)}; make it with emptyCache`,
    )
  const [first] = cache as readonly Partial<KvCache>[]
  requireTensor('forwardCached', 'cache[0].k', first?.k, 'make the cache with emptyCache')
  const rows = first.k.shape[2]
  if (T > rows)
    throw new ShapeError(
      `forwardCached: ${T} tokens fit into a cache of ${rows} rows; make a larger one with emptyCache`,
    )
  return rows
}

function requireTensor(what: string, name: string, value: unknown, wayOut: string): asserts value is Tensor {
  if (!(value instanceof Tensor))
    throw new ArgumentError(
      `${what}: ${name} ${name.endsWith('s') ? 'are' : 'is'} a tensor, got ${shown(value)}; ${wayOut}`,
    )
}

function show(value: Tensor): string {
  return `[${value.shape.join(', ')}]`
}
