/** Dense arrays of the interpreter and the walks over them. */
import type { DType } from '../../dtype.js'
import { sizeOf } from '../../shape.js'

/** A row-major array. Every dtype is held in float64: 32-bit integers are exact there, bool is 0 or 1. */
export interface Value {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly data: Float64Array
}

/** Positions offset + Σ strides·index in row-major order of `shape`. */
export function positions(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  const out = new Int32Array(sizeOf(shape))
  if (out.length === 0) return out
  const index = new Int32Array(shape.length)
  let at = offset
  for (let k = 0; k < out.length; k++) {
    out[k] = at
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]
      if (++index[axis] < shape[axis]) break
      at -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
  return out
}

/** Every coordinate of `shape` in row-major order; `visit` must not keep the array it is given. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], at: number) => void): void {
  const size = sizeOf(shape)
  const index = new Array<number>(shape.length).fill(0)
  for (let k = 0; k < size; k++) {
    visit(index, k)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis] < shape[axis]) break
      index[axis] = 0
    }
  }
}

export function take(data: Float64Array, at: Int32Array): Float64Array {
  const out = new Float64Array(at.length)
  for (let k = 0; k < at.length; k++) out[k] = data[at[k]]
  return out
}

/** The lines of a shape along one axis: where each starts, and the stride inside. */
export function linesAlong(
  shape: readonly number[],
  axis: number,
): { starts: number[]; stride: number; extent: number } {
  const stride = sizeOf(shape.slice(axis + 1))
  const extent = shape[axis]
  const starts: number[] = []
  for (let outer = 0; outer < sizeOf(shape.slice(0, axis)); outer++)
    for (let inner = 0; inner < stride; inner++) starts.push(outer * extent * stride + inner)
  return { starts, stride, extent }
}
