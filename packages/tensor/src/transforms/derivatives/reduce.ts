/** Derivatives of reductions. */
import type { PrimitiveAttrs } from '../../graph/primitive.js'
import { castTo, cumulativeOf, reduceOver, reshapeTo, transposeTo } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { sizeOf } from '../../shape.js'
import { div, equal, expandReduced, keepWhere, mul, widen } from '../arithmetic.js'

type ReduceAttrs = PrimitiveAttrs['reduce']

/** Where an element equals the maximum (minimum) of its group, and how many do: ties share equally. */
function ties(x: Tensor, out: Tensor, axes: readonly number[]): { mask: Tensor; count: Tensor } {
  const mask = equal(x, expandReduced(out, x.shape, axes))
  // f32: bf16 cannot count above 256.
  return { mask, count: reduceOver('sum', castTo(mask, 'f32'), axes) }
}

/** t / count in f32, back in t's dtype. */
function share(t: Tensor, count: Tensor): Tensor {
  return castTo(div(widen(t), count), t.dtype)
}

export function extremeVjp(ct: Tensor, x: Tensor, out: Tensor, { axes }: ReduceAttrs): Tensor {
  const { mask, count } = ties(x, out, axes)
  return keepWhere(mask, expandReduced(share(ct, count), x.shape, axes))
}

export function extremeJvp(t: Tensor, x: Tensor, out: Tensor, { axes }: ReduceAttrs): Tensor {
  const { mask, count } = ties(x, out, axes)
  return share(reduceOver('sum', keepWhere(mask, t), axes), count)
}

/** For every element the product of the others in its group: right also where there are zeros. */
function productOfOthers(x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.flatMap((_, k) => (axes.includes(k) ? [] : [k]))
  const perm = [...kept, ...axes]
  const moved = transposeTo(widen(x), perm)
  const lines = reshapeTo(moved, [...kept.map((k) => x.shape[k]), sizeOf(axes.map((k) => x.shape[k]))])
  const axis = kept.length
  const before = cumulativeOf(lines, { kind: 'prod', axis, exclusive: true, reverse: false })
  const after = cumulativeOf(lines, { kind: 'prod', axis, exclusive: true, reverse: true })
  const others = reshapeTo(mul(before, after), moved.shape)
  return transposeTo(
    others,
    perm.map((_, k) => perm.indexOf(k)),
  )
}

export function productVjp(ct: Tensor, x: Tensor, { axes }: ReduceAttrs): Tensor {
  return castTo(mul(widen(expandReduced(ct, x.shape, axes)), productOfOthers(x, axes)), x.dtype)
}

export function productJvp(t: Tensor, x: Tensor, { axes }: ReduceAttrs): Tensor {
  return castTo(reduceOver('sum', mul(widen(t), productOfOthers(x, axes)), axes), x.dtype)
}
