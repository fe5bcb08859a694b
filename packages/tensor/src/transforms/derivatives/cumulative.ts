/** Derivatives of cumulative products, maxima and minima. */
import type { PrimitiveAttrs } from '../../graph/primitive.js'
import {
  broadcast,
  castTo,
  compare,
  cumulativeOf,
  gatherAlong,
  iota,
  reshapeTo,
  scatterAddAlong,
  select,
  unary,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { add, constant, mul, shift, widen, zeros } from '../arithmetic.js'

type CumulativeAttrs = PrimitiveAttrs['cumulative']

/** One place towards the start of the fold, zeros coming in. */
function earlier(x: Tensor, { axis, reverse }: CumulativeAttrs, by = 1): Tensor {
  return shift(x, axis, reverse ? by : -by)
}

function later(x: Tensor, { axis, reverse }: CumulativeAttrs, by = 1): Tensor {
  return shift(x, axis, reverse ? -by : by)
}

/**
 * Solves r_k = t_k + a_k r_{k+1} (or k-1) by doubling: after s steps r_k covers 2^s terms. Elementwise work in
 * O(n log n) that needs no division, so zeros are harmless.
 */
function recurrence(t: Tensor, a: Tensor, extent: number, move: (x: Tensor, by: number) => Tensor): Tensor {
  let sum = t
  let factor = a
  for (let by = 1; by < extent; by *= 2) {
    sum = add(sum, mul(factor, move(sum, by)))
    if (by * 2 < extent) factor = mul(factor, move(factor, by))
  }
  return sum
}

function exclusiveProduct(x: Tensor, attrs: CumulativeAttrs): Tensor {
  return cumulativeOf(x, { ...attrs, kind: 'prod', exclusive: true })
}

/** dx_k = Π_{j<k} x_j · Σ_{i≥k} ct_i Π_{k<j≤i} x_j, in f32 inside. */
export function cumulativeProductVjp(ct: Tensor, x: Tensor, attrs: CumulativeAttrs): Tensor {
  const wide = widen(x)
  const flowing = attrs.exclusive ? earlier(widen(ct), attrs) : widen(ct)
  const tail = recurrence(flowing, earlier(wide, attrs), x.shape[attrs.axis], (y, by) => earlier(y, attrs, by))
  return castTo(mul(exclusiveProduct(wide, attrs), tail), x.dtype)
}

/** The transpose of the above. */
export function cumulativeProductJvp(t: Tensor, x: Tensor, attrs: CumulativeAttrs): Tensor {
  const wide = widen(x)
  const own = mul(widen(t), exclusiveProduct(wide, attrs))
  const sum = recurrence(own, wide, x.shape[attrs.axis], (y, by) => later(y, attrs, by))
  return castTo(attrs.exclusive ? later(sum, attrs) : sum, x.dtype)
}

/** The place of the running maximum (minimum), the first of equals, as i32. */
function runningPlace(x: Tensor, attrs: CumulativeAttrs): Tensor {
  const { kind, axis, reverse } = attrs
  const extent = x.shape[axis]
  const before = cumulativeOf(x, { kind, axis, reverse, exclusive: true })
  const surpassed = unary('not', kind === 'max' ? compare('le', x, before) : compare('le', before, x))
  const places = broadcast(
    reshapeTo(
      iota(extent),
      x.shape.map((n, k) => (k === axis ? n : 1)),
    ),
    x.shape,
  )
  const start = constant(places, reverse ? extent - 1 : 0)
  const marked = select(surpassed, places, start)
  return cumulativeOf(marked, { kind: reverse ? 'min' : 'max', axis, reverse, exclusive: false })
}

export function cumulativeExtremeVjp(ct: Tensor, x: Tensor, attrs: CumulativeAttrs): Tensor {
  const flowing = attrs.exclusive ? earlier(ct, attrs) : ct
  return scatterAddAlong(zeros(x), runningPlace(x, attrs), flowing, attrs.axis)
}

export function cumulativeExtremeJvp(t: Tensor, x: Tensor, attrs: CumulativeAttrs): Tensor {
  const chosen = gatherAlong(t, runningPlace(x, attrs), attrs.axis)
  return attrs.exclusive ? later(chosen, attrs) : chosen
}

export function cumulativeSumVjp(ct: Tensor, attrs: CumulativeAttrs): Tensor {
  return cumulativeOf(ct, { ...attrs, reverse: !attrs.reverse })
}
