/** Transposes of the primitives that move elements. */
import type { PrimitiveAttrs } from '../../graph/primitive.js'
import {
  binary,
  broadcast,
  compare,
  gatherAlong,
  iota,
  padWith,
  reshapeTo,
  scatterAddAlong,
  sliceOf,
  transposeTo,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { sizeOf } from '../../shape.js'
import { add, constant, flip, keepWhere, zeros } from '../arithmetic.js'

/** Puts the elements of a slice back in their places, zeros elsewhere. */
export function unslice(ct: Tensor, x: Tensor, { start, step }: PrimitiveAttrs['slice']): Tensor {
  if (ct.size === 0) return zeros(x)
  const backward = step.flatMap((s, k) => (s < 0 && ct.shape[k] > 1 ? [k] : []))
  const forward = backward.length === 0 ? ct : flip(ct, backward)
  const strides = step.map((s) => Math.abs(s))
  const low = start.map((s, k) => (backward.includes(k) ? s + step[k] * (ct.shape[k] - 1) : s))
  const high = low.map((l, k) => x.shape[k] - l - ((ct.shape[k] - 1) * strides[k] + 1))
  return padWith(
    forward,
    low,
    high,
    strides.map((s) => s - 1),
    0,
  )
}

/** The elements of a padded tensor that came from x; cut ones get zeros. */
export function unpad(ct: Tensor, x: Tensor, { low, high, interior }: PrimitiveAttrs['pad']): Tensor {
  if (x.size === 0) return zeros(x)
  const cutLow = low.map((l, k) => (l < 0 ? Math.min(x.shape[k], Math.ceil(-l / (interior[k] + 1))) : 0))
  const cutHigh = high.map((h, k) => (h < 0 ? Math.min(x.shape[k] - cutLow[k], Math.ceil(-h / (interior[k] + 1))) : 0))
  const size = x.shape.map((n, k) => n - cutLow[k] - cutHigh[k])
  if (sizeOf(size) === 0) return zeros(x)
  const start = low.map((l, k) => l + cutLow[k] * (interior[k] + 1))
  const kept = sliceOf(
    ct,
    start,
    size,
    interior.map((i) => i + 1),
  )
  return padWith(
    kept,
    cutLow,
    cutHigh,
    interior.map(() => 0),
    0,
  )
}

/** Windows up to this size are added one shifted slice after the other; wider ones through scatterAdd. */
const UNROLLED_WINDOW = 16

/** Adds overlapping windows up. */
export function unwindow(ct: Tensor, x: Tensor, attrs: PrimitiveAttrs['window']): Tensor {
  const { axis, size, stride, dilation } = attrs
  if (ct.size === 0) return zeros(x)
  if (size > UNROLLED_WINDOW) return scatterWindows(ct, x, attrs)
  const count = ct.shape[axis]
  const last = ct.rank - 1
  let sum: Tensor | null = null
  for (let w = 0; w < size; w++) {
    const starts = ct.shape.map((_, k) => (k === last ? w : 0))
    const sizes = ct.shape.map((n, k) => (k === last ? 1 : n))
    const slice = reshapeTo(
      sliceOf(
        ct,
        starts,
        sizes,
        ct.shape.map(() => 1),
      ),
      ct.shape.slice(0, -1),
    )
    const at = (value: number): number[] => x.shape.map((_, k) => (k === axis ? value : 0))
    const low = w * dilation
    const placed = padWith(slice, at(low), at(x.shape[axis] - low - ((count - 1) * stride + 1)), at(stride - 1), 0)
    sum = sum === null ? placed : add(sum, placed)
  }
  return sum ?? zeros(x)
}

function scatterWindows(ct: Tensor, x: Tensor, { axis, size, stride, dilation }: PrimitiveAttrs['window']): Tensor {
  const count = ct.shape[axis]
  const rank = x.rank
  const perm = [
    ...Array.from({ length: axis + 1 }, (_, k) => k),
    rank,
    ...Array.from({ length: rank - axis - 1 }, (_, k) => axis + 1 + k),
  ]
  const shape = x.shape.map((n, k) => (k === axis ? count * size : n))
  const updates = reshapeTo(transposeTo(ct, perm), shape)
  const along = (n: number, factor: number, lead: number): Tensor => {
    const steps = iota(n)
    return broadcast(reshapeTo(binary('mul', steps, constant(steps, factor)), lead === 0 ? [n, 1] : [1, n]), [
      count,
      size,
    ])
  }
  const places = reshapeTo(binary('add', along(count, stride, 0), along(size, dilation, 1)), [count * size])
  const index = broadcast(
    reshapeTo(
      places,
      shape.map((n, k) => (k === axis ? n : 1)),
    ),
    shape,
  )
  return scatterAddAlong(zeros(x), index, updates, axis)
}

export function unconcat(
  ct: Tensor,
  parts: readonly Tensor[],
  axis: number,
  needs: readonly boolean[],
): (Tensor | null)[] {
  let done = 0
  return parts.map((part, k) => {
    const start = part.shape.map((_, d) => (d === axis ? done : 0))
    done += part.shape[axis]
    return needs[k]
      ? sliceOf(
          ct,
          start,
          part.shape,
          part.shape.map(() => 1),
        )
      : null
  })
}

/** gather whose reads out of range give 0 and not NaN: what a dropped write sends back. */
export function gatherOrZero(x: Tensor, index: Tensor, axis: number): Tensor {
  const inside = binary(
    'and',
    compare('le', constant(index, 0), index),
    compare('lt', index, constant(index, x.shape[axis])),
  )
  return keepWhere(inside, gatherAlong(x, index, axis))
}
