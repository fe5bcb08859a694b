/** scatterAdd, sort, cumulative and copy. */
import { isInteger } from '../../dtype.js'
import { sizeOf, stridesOf } from '../../shape.js'
import { simpleFold } from '../fold.js'
import type { RoutineCall, RoutineResults } from './context.js'

export function copy({ operands: [x] }: RoutineCall): RoutineResults {
  return [x.data]
}

/** Updates in row-major order; what points outside is dropped. Integers wrap. */
export function scatterAdd({ step, operands: [x, index, updates] }: RoutineCall): RoutineResults {
  const axis = Number(step.attrs.axis)
  const { dtype } = step.operands[0]
  const strides = stridesOf(x.shape)
  const out = x.data.slice()
  const updateStrides = stridesOf(updates.shape)
  for (let k = 0; k < updates.data.length; k++) {
    const target = index.data[k]
    if (target < 0 || target >= x.shape[axis]) continue
    const place = x.shape.reduce((sum, _, a) => {
      const at = a === axis ? target : Math.floor(k / updateStrides[a]) % updates.shape[a]
      return sum + at * strides[a]
    }, 0)
    out[place] += updates.data[k]
  }
  return [isInteger(dtype) ? out.map(wrapTo(dtype)) : out]
}

function wrapTo(dtype: string): (value: number) => number {
  switch (dtype) {
    case 'i8':
      return (value) => (value << 24) >> 24
    case 'u8':
      return (value) => value & 0xff
    case 'u32':
      return (value) => value >>> 0
    default:
      return (value) => value | 0
  }
}

/** Stable; NaN counts as larger than every number. */
export function sort({ step, operands: [x] }: RoutineCall): RoutineResults {
  const values = new Float64Array(x.data.length)
  const order = new Float64Array(x.data.length)
  const direction = step.attrs.descending === true ? -1 : 1
  forEachLine(x.shape, Number(step.attrs.axis), (places) => {
    const sorted = places.map((_, k) => k)
    sorted.sort((i, j) => direction * nanLast(x.data[places[i]], x.data[places[j]]) || i - j)
    sorted.forEach((from, k) => {
      values[places[k]] = x.data[places[from]]
      order[places[k]] = from
    })
  })
  return [values, order]
}

function nanLast(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : Number(a > b)
}

/** Running folds along an axis, forwards or from the end, with or without the element itself. */
export function cumulative({ step, operands: [x] }: RoutineCall): RoutineResults {
  const { kind, axis, exclusive, reverse } = step.attrs
  const { dtype } = step.operands[0]
  const fold = simpleFold(kind as 'sum' | 'prod' | 'max' | 'min', dtype)
  const narrow = dtype === 'i8' || dtype === 'u8' ? wrapTo(dtype) : (value: number): number => value
  const out = new Float64Array(x.data.length)
  forEachLine(x.shape, Number(axis), (places) => {
    let total = fold.start
    for (const place of reverse === true ? places.reverse() : places) {
      const before = total
      total = narrow(fold.step(total, x.data[place]))
      out[place] = exclusive === true ? before : total
    }
  })
  return [out]
}

/** Places of the elements of each line along an axis. */
function forEachLine(shape: readonly number[], axis: number, visit: (places: number[]) => void): void {
  if (sizeOf(shape) === 0) return
  const stride = stridesOf(shape)[axis]
  const extent = shape[axis]
  for (let start = 0; start < sizeOf(shape); start++) {
    const isFirst = Math.floor(start / stride) % extent === 0
    if (isFirst) visit(Array.from({ length: extent }, (_, k) => start + k * stride))
  }
}
