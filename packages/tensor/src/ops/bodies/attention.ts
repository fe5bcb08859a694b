/** Attention and its gradient in terms of matmul, reductions and elementwise primitives. */
import type { AttentionAttrs } from '../../graph/primitive.js'
import {
  binary,
  broadcast,
  castTo,
  compare,
  matmulOf,
  reduceOver,
  reshapeTo,
  scalarConst,
  transposeTo,
  unary,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import {
  choose,
  constant,
  coordinates,
  finiteShift,
  isEqual,
  maxForShift,
  minus,
  plus,
  spread,
  times,
  toF32,
} from '../build.js'

function swapLast(x: Tensor): Tensor {
  return transposeTo(x, [...Array.from({ length: x.rank - 2 }, (_, k) => k), x.rank - 1, x.rank - 2])
}

/** The H / G query heads that share a key head become rows of one product: [B,H,T,D] -> [B,G,H/G·T,D]. */
function groupRows(x: Tensor, keyHeads: number): Tensor {
  const [B, H, T, D] = x.shape
  return reshapeTo(x, [B, keyHeads, (H / keyHeads) * T, D])
}

/** [B,H,T,K] × [B,G,K,N] -> [B,H,T,N] */
function groupedMatmul(x: Tensor, shared: Tensor): Tensor {
  const [B, H, T] = x.shape
  return reshapeTo(matmulOf(groupRows(x, shared.shape[1]), shared), [B, H, T, shared.shape[3]])
}

/** [B,H,T,M]ᵀ × [B,H,T,N] summed over the heads that share a key head -> [B,G,M,N] */
function groupedOuter(x: Tensor, y: Tensor, keyHeads: number): Tensor {
  return matmulOf(swapLast(groupRows(x, keyHeads)), groupRows(y, keyHeads))
}

/** Which keys a query may see, bool [B,H,T,S]; null: all. */
function visible(shape: readonly number[], extra: readonly Tensor[], attrs: AttentionAttrs): Tensor | null {
  const [, , T, S] = shape
  const conditions: Tensor[] = []
  const key = coordinates(shape, 3)
  const length = attrs.hasLength ? clampedLength(extra[extra.length - 1], S) : scalarConst(S, 'i32')
  if (attrs.hasLength) conditions.push(compare('lt', key, broadcast(length, shape)))
  if (attrs.mask === 'bool') conditions.push(broadcast(extra[0], shape))
  if (attrs.causal === 'topLeft') conditions.push(compare('le', key, coordinates(shape, 2)))
  if (attrs.causal === 'bottomRight') {
    const ahead = minus(length, T)
    conditions.push(compare('le', key, binary('add', coordinates(shape, 2), broadcast(ahead, shape))))
  }
  return conditions.length === 0 ? null : conditions.reduce((a, b) => binary('and', a, b))
}

function clampedLength(length: Tensor, most: number): Tensor {
  return binary('minimum', binary('maximum', length, constant(0, length)), constant(most, length))
}

/** Scaled scores f32 [B,H,T,S], -Infinity where a query may not look. */
function scoresOf(q: Tensor, k: Tensor, extra: readonly Tensor[], attrs: AttentionAttrs): Tensor {
  const product = groupedMatmul(q, swapLast(k))
  const scaled = times(product, attrs.scale)
  const biased = attrs.mask === 'float' ? binary('add', scaled, broadcast(toF32(extra[0]), scaled.shape)) : scaled
  const seen = visible(scaled.shape, extra, attrs)
  return seen === null ? biased : choose(seen, biased, -Infinity)
}

/** q, k, v, mask?, length? -> [out, lse]; a row that sees nothing gives zeros and -Infinity. */
export function attentionBody(inputs: readonly Tensor[], attrs: AttentionAttrs): Tensor[] {
  const [q, k, v] = inputs.slice(0, 3).map(toF32)
  const scores = scoresOf(q, k, inputs.slice(3), attrs)
  if (scores.shape[3] === 0) return nothingSeen(inputs, scores)
  const shift = finiteShift(maxForShift(scores, [3]))
  const weights = unary('exp', minus(scores, spread(shift, scores.shape, [3])))
  const total = reduceOver('sum', weights, [3])
  const nothing = isEqual(total, 0)
  const safeTotal = choose(nothing, 1, total)
  const probabilities = binary('div', weights, spread(safeTotal, scores.shape, [3]))
  const out = groupedMatmul(probabilities, v)
  const lse = choose(nothing, -Infinity, plus(unary('log', safeTotal), shift))
  return [castTo(out, inputs[0].dtype), lse]
}

function nothingSeen([q, , v]: readonly Tensor[], scores: Tensor): Tensor[] {
  const [B, H, T] = scores.shape
  return [
    broadcast(scalarConst(0, q.dtype), [B, H, T, v.shape[3]]),
    broadcast(scalarConst(-Infinity, 'f32'), [B, H, T]),
  ]
}

/** q, k, v, out, lse, dout, mask?, length? -> [dq, dk, dv] */
export function attentionGradBody(inputs: readonly Tensor[], attrs: AttentionAttrs): Tensor[] {
  const [q, k, v, out, lse, dout] = inputs.slice(0, 6).map(toF32)
  const scores = scoresOf(q, k, inputs.slice(6), attrs)
  const [, keyHeads] = k.shape
  const nothing = isEqual(lse, -Infinity)
  const probabilities = unary('exp', minus(scores, spread(choose(nothing, 0, lse), scores.shape, [3])))
  const delta = reduceOver('sum', times(dout, out), [3])
  const dProbabilities = groupedMatmul(dout, swapLast(v))
  const dScores = times(probabilities, minus(dProbabilities, spread(delta, scores.shape, [3])))
  const dProducts = times(dScores, attrs.scale)
  const dq = groupedMatmul(dProducts, k)
  const dk = groupedOuter(dProducts, q, keyHeads)
  const dv = groupedOuter(probabilities, dout, keyHeads)
  return [dq, dk, dv].map((gradient, at) => castTo(gradient, inputs[at].dtype))
}
