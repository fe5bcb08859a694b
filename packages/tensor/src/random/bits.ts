/**
 * Keys and raw bits: threefry-2x32 with 20 rounds, used as in JAX.
 * @source Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 */
import {
  binary,
  broadcast,
  castTo,
  compare,
  concatOf,
  iota,
  reshapeTo,
  scalarConst,
  select,
  sliceOf,
  threefryWord,
} from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { isInteger } from '../dtype.js'
import { constant } from '../ops/build.js'
import {
  argumentError,
  commonShape,
  dtypeError,
  requireCount,
  requireElement,
  requireRank,
  requireShape,
  requireTensor,
  shapeError,
  show,
  showAll,
} from '../ops/check.js'
import { tensor } from '../ops/create.js'
import { sliceAxis } from '../ops/movement.js'
import { checkOptions } from '../ops/options.js'
import { sizeOf } from '../shape.js'

/** How bits are drawn from a key. */
export interface KeyOptions {
  /** JAX's current layout of bits (true, default) or its older one. */
  readonly partitionable?: boolean
}

export const KEY_OPTIONS = ['partitionable'] as const

/**
 * The key of a seed: u32 [2], a value of its own (a run-time argument of compiled functions).
 * @throws ArgumentError for anything but an integer in [0, 2^53)
 */
export function key(seed: number): Tensor {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw argumentError('random.key', 'the seed must be an integer in [0, 2^53)', show(seed), 'change the seed')
  return tensor(Uint32Array.of(Math.floor(seed / 2 ** 32), seed >>> 0))
}

/** @throws ShapeError or DTypeError for anything but a u32 [2] tensor */
export function requireKey(op: string, k: Tensor): void {
  if (!(k instanceof Tensor))
    throw argumentError(
      op,
      'the key must be a tensor of its own',
      show(k),
      `make one with random.key(${typeof k === 'number' ? String(k) : 'seed'})`,
    )
  if (k.dtype !== 'u32' || k.rank !== 1 || k.shape[0] !== 2)
    throw shapeError(
      op,
      'a key must be a u32[2] tensor',
      show(k),
      'make one with random.key(seed), or take a row of random.split(key)',
    )
}

/** Both words of a key, spread over a shape. */
function keyWords(k: Tensor, shape: readonly number[]): [Tensor, Tensor] {
  const word = (at: number): Tensor => broadcast(reshapeTo(sliceOf(k, [at], [1], [1]), []), shape)
  return [word(0), word(1)]
}

/** Both output words for counters (x0, x1) of one shape. */
function encrypt(k: Tensor, x0: Tensor, x1: Tensor): [Tensor, Tensor] {
  const [k0, k1] = keyWords(k, x0.shape)
  return [threefryWord(k0, k1, x0, x1, 0), threefryWord(k0, k1, x0, x1, 1)]
}

function joined([first, second]: readonly [Tensor, Tensor]): Tensor {
  const pair = [...first.shape, 1]
  return concatOf([reshapeTo(first, pair), reshapeTo(second, pair)], first.rank)
}

/**
 * The cipher itself: u32 [..., 2] keys and counters, broadcast, -> u32 [..., 2].
 */
export function block(keys: Tensor, counter: Tensor): Tensor {
  requireTensor('random.block', keys, counter)
  for (const x of [keys, counter])
    if (x.dtype !== 'u32' || x.rank === 0 || x.shape[x.rank - 1] !== 2)
      throw shapeError(
        'random.block',
        'keys and counters must be u32 with a last axis of 2',
        showAll([keys, counter]),
        'reshape them',
      )
  const shape = commonShape('random.block', [keys, counter])
  const word = (x: Tensor, at: number): Tensor => {
    const column = sliceAxis(broadcast(x, shape), shape.length - 1, at, 1)
    return reshapeTo(column, shape.slice(0, -1))
  }
  const operands = [word(keys, 0), word(keys, 1), word(counter, 0), word(counter, 1)] as const
  return joined([threefryWord(...operands, 0), threefryWord(...operands, 1)])
}

/** `num` independent keys, u32 [num, 2]; take them apart with `unstack`. */
export function split(k: Tensor, num = 2, options: KeyOptions = {}): Tensor {
  requireKey('random.split', k)
  const { partitionable = true } = checkOptions('random.split', options, KEY_OPTIONS)
  requireCount('random.split', 'num', num, 1)
  if (!partitionable) return reshapeTo(olderWords(k, num * 2), [num, 2])
  const counters = iota(num, 'u32')
  return joined(encrypt(k, constant(0, counters), counters))
}

/** `split` into two keys, for use inside the package. */
export function splitPair(k: Tensor, options: KeyOptions): [Tensor, Tensor] {
  const both = split(k, 2, options)
  const row = (at: number): Tensor => reshapeTo(sliceAxis(both, 0, at, 1), [2])
  return [row(0), row(1)]
}

/**
 * A key that depends on a number too, as a step count or a layer index. The layout option changes nothing here.
 * @param data an integer in [0, 2^32) or an integer rank-0 tensor
 */
export function foldIn(k: Tensor, data: Tensor | number, options: KeyOptions = {}): Tensor {
  requireKey('random.foldIn', k)
  checkOptions('random.foldIn', options, KEY_OPTIONS)
  const word = counterWord(data)
  return joined(encrypt(k, constant(0, word), word))
}

function counterWord(data: Tensor | number): Tensor {
  if (!(data instanceof Tensor)) {
    requireElement('random.foldIn', data, 'u32')
    return scalarConst(data, 'u32')
  }
  requireRank('random.foldIn', 'data', data, 0)
  if (!isInteger(data.dtype))
    throw dtypeError('random.foldIn', 'data must be an integer', show(data), "cast it, as in cast(data, 'u32')")
  return castTo(data, 'u32')
}

/** u32 words of a shape. */
export function words(op: string, k: Tensor, shape: readonly number[], { partitionable = true }: KeyOptions): Tensor {
  requireKey(op, k)
  requireShape(op, shape)
  const count = sizeOf(shape)
  if (count > 2 ** 32) throw argumentError(op, 'a draw holds at most 2^32 words', String(count), 'split the key')
  return reshapeTo(partitionable ? newerWords(k, count) : olderWords(k, count), shape)
}

/** Word i is the xor of both words of block(key, 0, i): any part can be computed alone. */
function newerWords(k: Tensor, count: number): Tensor {
  const counters = iota(count, 'u32')
  const [first, second] = encrypt(k, constant(0, counters), counters)
  return binary('xor', first, second)
}

/** The first half of the counters is encrypted with the second: all first words, then all second words. */
function olderWords(k: Tensor, count: number): Tensor {
  const half = Math.ceil(count / 2)
  const low = iota(half, 'u32')
  const high = binary('add', low, constant(half, low))
  // An odd count is filled up with a counter of 0 instead of the next number.
  const inside = count % 2 === 0 ? high : select(compare('lt', high, constant(count, high)), high, constant(0, high))
  const both = concatOf(encrypt(k, low, inside), 0)
  return sliceOf(both, [0], [count], [1])
}

/**
 * Random bits.
 * @param options `dtype`: u32 (default) or u8
 */
export function bits(
  k: Tensor,
  shape: readonly number[],
  options: KeyOptions & { readonly dtype?: 'u32' | 'u8' } = {},
): Tensor {
  const { dtype = 'u32' } = checkOptions('random.bits', options, ['dtype', ...KEY_OPTIONS])
  if (dtype === 'u32') return words('random.bits', k, shape, options)
  if (dtype !== 'u8')
    throw dtypeError('random.bits', 'dtype must be u32 or u8', show(dtype), 'cast or bitcast the words')
  return castTo(narrowBits('random.bits', k, shape, 8, options), 'u8')
}

/** Random integers of 8 or 16 bits, held in u32. */
export function narrowBits(
  op: string,
  k: Tensor,
  shape: readonly number[],
  width: 8 | 16,
  options: KeyOptions,
): Tensor {
  if (options.partitionable ?? true) {
    const whole = words(op, k, shape, options)
    return binary('and', whole, constant(2 ** width - 1, whole))
  }
  // The older layout reads every word from its low end.
  const parts = 32 / width
  const count = sizeOf(shape)
  const packed = words(op, k, [Math.ceil(count / parts)], options)
  const spreadWords = broadcast(reshapeTo(packed, [packed.size, 1]), [packed.size, parts])
  const shift = broadcast(binary('mul', iota(parts, 'u32'), constant(width, iota(parts, 'u32'))), [packed.size, parts])
  const pieces = binary('and', binary('shr', spreadWords, shift), constant(2 ** width - 1, spreadWords))
  return reshapeTo(sliceOf(reshapeTo(pieces, [packed.size * parts]), [0], [count], [1]), shape)
}
