/** Primitives that move elements: views, padding, joining, indexing. */
import { isFloat } from '../../dtype.js'
import type { PrimitiveAttrs } from '../../graph/primitive.js'
import { sizeOf, stridesOf } from '../../shape.js'
import { forEachIndex, positions, take, type Value } from './value.js'

export function transposeData(x: Value, perm: readonly number[]): Float64Array {
  const strides = stridesOf(x.shape)
  return take(
    x.data,
    positions(
      perm.map((axis) => x.shape[axis]),
      perm.map((axis) => strides[axis]),
    ),
  )
}

export function broadcastData(x: Value, shape: readonly number[]): Float64Array {
  const strides = stridesOf(x.shape)
  const added = shape.length - x.shape.length
  return take(
    x.data,
    positions(
      shape,
      shape.map((_, k) => (k < added || x.shape[k - added] === 1 ? 0 : strides[k - added])),
    ),
  )
}

export function sliceData(x: Value, attrs: PrimitiveAttrs['slice']): Float64Array {
  const strides = stridesOf(x.shape)
  const offset = attrs.start.reduce((sum, start, k) => sum + start * strides[k], 0)
  return take(
    x.data,
    positions(
      attrs.size,
      strides.map((stride, k) => stride * attrs.step[k]),
      offset,
    ),
  )
}

export function padData(x: Value, shape: readonly number[], attrs: PrimitiveAttrs['pad']): Float64Array {
  const out = new Float64Array(sizeOf(shape)).fill(attrs.value)
  const strides = stridesOf(shape)
  forEachIndex(x.shape, (index, at) => {
    let target = 0
    for (let k = 0; k < index.length; k++) {
      const place = attrs.low[k] + index[k] * (attrs.interior[k] + 1)
      if (place < 0 || place >= shape[k]) return
      target += place * strides[k]
    }
    out[target] = x.data[at]
  })
  return out
}

export function windowData(x: Value, shape: readonly number[], attrs: PrimitiveAttrs['window']): Float64Array {
  const strides = stridesOf(x.shape)
  const steps = strides.map((stride, k) => (k === attrs.axis ? stride * attrs.stride : stride))
  return take(x.data, positions(shape, [...steps, strides[attrs.axis] * attrs.dilation]))
}

export function concatData(parts: readonly Value[], shape: readonly number[], axis: number): Float64Array {
  const out = new Float64Array(sizeOf(shape))
  const strides = stridesOf(shape)
  let done = 0
  for (const part of parts) {
    const targets = positions(part.shape, strides, done * strides[axis])
    for (let k = 0; k < targets.length; k++) out[targets[k]] = part.data[k]
    done += part.shape[axis]
  }
  return out
}

export function gatherData(x: Value, index: Value, axis: number): Float64Array {
  const strides = stridesOf(x.shape)
  const base = positions(
    index.shape,
    strides.map((stride, k) => (k === axis ? 0 : stride)),
  )
  const missing = isFloat(x.dtype) ? NaN : 0
  return index.data.map((i, k) => (i >= 0 && i < x.shape[axis] ? x.data[base[k] + i * strides[axis]] : missing))
}

export function scatterAddData(
  x: Value,
  index: Value,
  updates: Value,
  axis: number,
  add: (a: number, b: number) => number,
): Float64Array {
  const strides = stridesOf(x.shape)
  const base = positions(
    index.shape,
    strides.map((stride, k) => (k === axis ? 0 : stride)),
  )
  const out = x.data.slice()
  index.data.forEach((i, k) => {
    if (i < 0 || i >= x.shape[axis]) return
    const at = base[k] + i * strides[axis]
    out[at] = add(out[at], updates.data[k])
  })
  return out
}

/** Offset of a window of `size` whose starts are clamped so that it fits. */
function clampedOffset(shape: readonly number[], size: readonly number[], starts: readonly Value[]): number {
  const strides = stridesOf(shape)
  return starts.reduce(
    (sum, start, k) => sum + Math.max(0, Math.min(start.data[0], shape[k] - size[k])) * strides[k],
    0,
  )
}

export function dynamicSliceData(x: Value, starts: readonly Value[], size: readonly number[]): Float64Array {
  return take(x.data, positions(size, stridesOf(x.shape), clampedOffset(x.shape, size, starts)))
}

export function updateSliceData(x: Value, update: Value, starts: readonly Value[]): Float64Array {
  const out = x.data.slice()
  const targets = positions(update.shape, stridesOf(x.shape), clampedOffset(x.shape, update.shape, starts))
  for (let k = 0; k < targets.length; k++) out[targets[k]] = update.data[k]
  return out
}
