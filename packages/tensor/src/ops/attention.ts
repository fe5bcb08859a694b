/** Attention and rotary positions. */
import { isInteger } from '../dtype.js'
import type { AttentionAttrs } from '../graph/primitive.js'
import {
  attentionOf,
  binary,
  broadcast,
  castTo,
  concatOf,
  iota,
  reshapeTo,
  scalarConst,
  unary,
} from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { plus, times, toF32 } from './build.js'
import {
  argumentError,
  dtypeError,
  requireChoice,
  requireElement,
  requireFloat,
  requireNumber,
  requireRank,
  requireSameDType,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { checkOptions } from './options.js'
import { flipOver, sliceAxis } from './movement.js'

/** Options of `scaledDotProductAttention`: what a query may see, and the factor of the scores. */
export interface AttentionOptions {
  /** bool (true where looking is allowed) or float (added to the scaled scores); broadcasts to [B,H,T,S]. */
  readonly mask?: Tensor | null
  /** `topLeft`: query i sees keys j <= i. `bottomRight`: j <= i + S - T, with S the keys in use. */
  readonly causal?: 'topLeft' | 'bottomRight' | null
  /** Default 1/√D. */
  readonly scale?: number | null
  /** How many keys are in use, from the first: a number or an integer rank-0 tensor known at run time. Default all. */
  readonly length?: Tensor | number | null
}

/**
 * Attention over grouped key/value heads: softmax(q kᵀ · scale + mask) v. Memory grows linearly with T and S.
 *
 * @param q [B, H, T, D]
 * @param k [B, G, S, D]; H is a multiple of G: query head h reads key head floor(h / (H/G))
 * @param v [B, G, S, E]
 * @returns [B, H, T, E] in q's dtype, accumulated in f32; a row that may see nothing gives zeros
 * @throws ShapeError when sizes do not fit, or G does not divide H
 * @source arXiv 1706.03762, 2305.13245
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  requireAttention(q, k, v)
  const { mask = null, causal = null, scale = null, length = null } = checkOptions(NAME, options, ATTENTION)
  if (scale !== null) requireNumber(NAME, 'scale', scale)
  requireChoice(NAME, 'causal', causal, [null, 'topLeft', 'bottomRight'])
  const [B, H, T, D] = q.shape
  const S = k.shape[2]
  const extra: Tensor[] = []
  if (mask !== null) extra.push(maskOperand(mask, [B, H, T, S], [q, k, v]))
  if (length !== null) extra.push(lengthOperand(length))
  const attrs: AttentionAttrs = {
    causal: causal ?? 'none',
    scale: scale ?? 1 / Math.sqrt(D),
    mask: mask === null ? 'none' : mask.dtype === 'bool' ? 'bool' : 'float',
    hasLength: length !== null,
  }
  return attentionOf(q, k, v, extra, attrs)[0]
}

const NAME = 'scaledDotProductAttention'
const ATTENTION = ['mask', 'causal', 'scale', 'length'] as const

function requireAttention(q: Tensor, k: Tensor, v: Tensor): void {
  requireFloat(NAME, q, k, v)
  requireSameDType(NAME, q, k, v)
  const got = showAll([q, k, v])
  if (q.rank !== 4 || k.rank !== 4 || v.rank !== 4)
    throw shapeError(NAME, 'q, k and v must be [batch, heads, length, channels]', got, 'reshape them')
  const [B, H, , D] = q.shape
  const [, G, S] = k.shape
  if (k.shape[0] !== B || v.shape[0] !== B) throw shapeError(NAME, 'batch sizes must be equal', got, 'broadcast them')
  if (v.shape[1] !== G || v.shape[2] !== S)
    throw shapeError(NAME, 'k and v must have equal heads and lengths', got, 'check the cache')
  if (k.shape[3] !== D) throw shapeError(NAME, 'q and k must have equal channels', got, 'project one of them')
  if (G === 0 ? H !== 0 : H % G !== 0)
    throw shapeError(NAME, 'query heads must be a multiple of key heads', got, 'repeat or drop heads')
}

function maskOperand(mask: Tensor, shape: readonly number[], operands: readonly Tensor[]): Tensor {
  requireTensor(NAME, mask)
  const [q] = operands
  if (mask.dtype !== 'bool' && mask.dtype !== q.dtype)
    throw dtypeError(NAME, `mask must be bool or ${q.dtype}`, showAll([...operands, mask]), 'cast it')
  const offset = 4 - mask.rank
  if (offset < 0 || mask.shape.some((n, k) => n !== 1 && n !== shape[offset + k]))
    throw shapeError(NAME, `mask must broadcast to [${shape.join(', ')}]`, showAll([...operands, mask]), 'reshape it')
  return broadcast(mask, shape)
}

function lengthOperand(length: Tensor | number): Tensor {
  if (!(length instanceof Tensor)) {
    requireElement(NAME, length, 'i32')
    return scalarConst(length, 'i32')
  }
  requireRank(NAME, 'length', length, 0)
  if (!isInteger(length.dtype))
    throw dtypeError(NAME, 'length must be an integer', show(length), "cast it, as in cast(length, 'i32')")
  return castTo(length, 'i32')
}

const ROPE = ['base', 'dim', 'interleaved', 'frequencies'] as const

/** Options of `rope`: which channels turn, in which pairs, how fast. */
export interface RopeOptions {
  /** Default 10000. */
  readonly base?: number
  /** Channels that turn, an even number; the others pass through. Default all. */
  readonly dim?: number
  /** Pairs are channels 2p and 2p + 1; otherwise p and p + dim/2. Default false. */
  readonly interleaved?: boolean
  /** Angle per position of every pair, dim/2 numbers, for scaled variants. Default base^(-2p/dim). */
  readonly frequencies?: readonly number[]
}

/**
 * Rotary position embedding: pair p of the channels of position t turns by t · base^(-2p/dim).
 *
 * @param x [B, T, H, D]
 * @param positions i32 [T] or [B, T], |t| < 2^20
 * @throws ShapeError or ArgumentError when positions or dim do not fit
 * @source arXiv 2104.09864
 */
export function rope(x: Tensor, positions: Tensor, options: RopeOptions = {}): Tensor {
  requireFloat('rope', x)
  const {
    base = 10000,
    dim = x.shape[x.rank - 1],
    interleaved = false,
    frequencies,
  } = checkOptions('rope', options, ROPE)
  requirePositions(x, positions)
  requireNumber('rope', 'base', base, 0)
  const [B, T, H, D] = x.shape
  if (!Number.isInteger(dim) || dim < 0 || dim > D || dim % 2 !== 0)
    throw argumentError('rope', `dim must be even and at most ${D}`, `dim ${dim} for ${show(x)}`, 'change dim')
  if (frequencies !== undefined && (!Array.isArray(frequencies) || frequencies.length !== dim / 2))
    throw argumentError(
      'rope',
      `frequencies must be ${dim / 2} numbers, one for every pair`,
      show(frequencies),
      'complete them',
    )
  const perPosition = frequencies ?? Array.from({ length: dim / 2 }, (_, p) => base ** ((-2 * p) / dim))
  if (dim === 0) return x
  const half = dim / 2
  const pairs = interleaved ? [B, T, H, half, 2] : [B, T, H, 2, half]
  const member = interleaved ? 4 : 3
  const angle = angles(castTo(positions, 'i32'), perPosition) // [T, half] or [B, T, half]
  const place = (table: Tensor): Tensor => {
    const batch = positions.rank === 2 ? B : 1
    return broadcast(reshapeTo(table, interleaved ? [batch, T, 1, half, 1] : [batch, T, 1, 1, half]), pairs)
  }
  const turned = reshapeTo(toF32(sliceAxis(x, 3, 0, dim)), pairs)
  // (a, b) -> (a cos - b sin, b cos + a sin): each member times cos, plus the other one times ∓sin.
  const sign = reshapeTo(
    plus(times(iota(2, 'f32'), 2), -1),
    pairs.map((_, k) => (k === member ? 2 : 1)),
  )
  const crossed = binary(
    'mul',
    flipOver(turned, [member]),
    binary('mul', broadcast(sign, pairs), place(unary('sin', angle))),
  )
  const rotated = binary('add', binary('mul', turned, place(unary('cos', angle))), crossed)
  const result = castTo(reshapeTo(rotated, [B, T, H, dim]), x.dtype)
  return dim === D ? result : concatOf([result, sliceAxis(x, 3, dim, D - dim)], 3)
}

function requirePositions(x: Tensor, positions: Tensor): void {
  if (x.rank !== 4)
    throw shapeError('rope', 'x must be [batch, time, heads, channels]', show(x), 'reshape or transpose it')
  if (!(positions instanceof Tensor) || !isInteger(positions.dtype))
    throw dtypeError(
      'rope',
      'positions must be an integer tensor',
      showAll([x, positions]),
      "cast them, as in cast(positions, 'i32')",
    )
  const [B, T] = x.shape
  const fits =
    positions.rank === 1
      ? positions.shape[0] === T
      : positions.rank === 2 && positions.shape[0] === B && positions.shape[1] === T
  if (!fits)
    throw shapeError(
      'rope',
      `positions must be [${T}] or [${B}, ${T}]`,
      showAll([x, positions]),
      'slice or broadcast them',
    )
}

const LOW_BITS = 11

/**
 * positions [..., T] × frequencies [P] -> angles in [-π, π), [..., T, P].
 *
 * The turn is computed in integers, as a 32-bit fraction of a circle that wraps by itself. In f32 the product t · f alone
 * would be wrong by 1e-3 at t = 16,000, and sin and cos of large arguments are poor on GPUs.
 */
function angles(positions: Tensor, frequencies: readonly number[]): Tensor {
  const shape = [...positions.shape, frequencies.length]
  const fractions = frequencies.map(fractionOfCircle)
  const words = [...fractions.map((f) => f.high), ...fractions.map((f) => f.low)]
  const both = concatOf(
    words.map((word) => reshapeTo(scalarConst(word, 'i32'), [1])),
    0,
  )
  const row = (at: number): Tensor => broadcast(sliceAxis(both, 0, at * frequencies.length, frequencies.length), shape)
  const t = broadcast(reshapeTo(positions, [...positions.shape, 1]), shape)
  const fine = binary('shr', times(t, row(1)), broadcast(scalarConst(LOW_BITS, 'i32'), shape))
  const turn = binary('add', times(t, row(0)), fine)
  return times(castTo(turn, 'f32'), (2 * Math.PI) / 2 ** 32)
}

/** An angle as a signed 32-bit fraction of the circle and the next `LOW_BITS` bits. */
function fractionOfCircle(angle: number): { high: number; low: number } {
  const circles = angle / (2 * Math.PI)
  const scaled = (circles - Math.floor(circles)) * 2 ** 32
  const whole = Math.floor(scaled)
  return { high: whole | 0, low: Math.round((scaled - whole) * 2 ** LOW_BITS) }
}
