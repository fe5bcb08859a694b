/** Reductions, cumulative folds and sorting. */
import type { PrimitiveAttrs } from '../../graph/primitive.js'
import { sizeOf, stridesOf } from '../../shape.js'
import { foldStart, foldStep } from './pointwise.js'
import { linesAlong, positions, type Value } from './value.js'

export function reduceData(x: Value, shape: readonly number[], attrs: PrimitiveAttrs['reduce']): Float64Array {
  if (attrs.kind === 'argMax' || attrs.kind === 'argMin') return argData(x, attrs.kind, attrs.axes[0])
  const kept = stridesOf(shape)
  let next = 0
  const strides = x.shape.map((_, k) => (attrs.axes.includes(k) ? 0 : kept[next++]))
  const targets = positions(x.shape, strides)
  const out = new Float64Array(sizeOf(shape)).fill(foldStart(attrs.kind, x.dtype))
  const step = foldStep(attrs.kind, x.dtype)
  for (let k = 0; k < targets.length; k++) out[targets[k]] = step(out[targets[k]], x.data[k])
  return out
}

/** Lowest index first; NaN wins. */
function argData(x: Value, kind: 'argMax' | 'argMin', axis: number): Float64Array {
  const { starts, stride, extent } = linesAlong(x.shape, axis)
  return Float64Array.from(starts, (start) => {
    let best = 0
    for (let k = 1; k < extent; k++) {
      const value = x.data[start + k * stride]
      const leader = x.data[start + best * stride]
      if (Number.isNaN(leader)) break
      if (Number.isNaN(value) || (kind === 'argMax' ? value > leader : value < leader)) best = k
    }
    return best
  })
}

export function cumulativeData(x: Value, attrs: PrimitiveAttrs['cumulative']): Float64Array {
  const { starts, stride, extent } = linesAlong(x.shape, attrs.axis)
  const step = foldStep(attrs.kind, x.dtype)
  const out = new Float64Array(x.data.length)
  for (const start of starts) {
    let total = foldStart(attrs.kind, x.dtype)
    for (let k = 0; k < extent; k++) {
      const at = start + (attrs.reverse ? extent - 1 - k : k) * stride
      const before = total
      total = step(total, x.data[at])
      out[at] = attrs.exclusive ? before : total
    }
  }
  return out
}

/** Stable; NaN counts as larger than every number. */
export function sortData(x: Value, attrs: PrimitiveAttrs['sort']): [Float64Array, Float64Array] {
  const { starts, stride, extent } = linesAlong(x.shape, attrs.axis)
  const values = new Float64Array(x.data.length)
  const order = new Float64Array(x.data.length)
  for (const start of starts) {
    const sorted = Array.from({ length: extent }, (_, k) => k).sort((i, j) => {
      const ascending = compareNanLast(x.data[start + i * stride], x.data[start + j * stride])
      return attrs.descending ? -ascending : ascending
    })
    sorted.forEach((from, k) => {
      values[start + k * stride] = x.data[start + from * stride]
      order[start + k * stride] = from
    })
  }
  return [values, order]
}

function compareNanLast(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : a > b ? 1 : 0
}
