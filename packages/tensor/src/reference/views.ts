/** Operands and results of routines as dense arrays of float64. */
import { isFloat } from '../dtype.js'
import type { View } from '../program/ir.js'
import { roundToBf16, roundToF16 } from '../program/float16.js'
import { sizeOf } from '../shape.js'
import type { Cell } from './cell.js'

/** Dense row-major values of a view. */
export interface Dense {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

/** Calls `visit` with the place of every element of a view, in row-major order of its shape. */
export function forEachPlace(
  view: Pick<View, 'shape' | 'strides' | 'offset'>,
  visit: (place: number, k: number) => void,
): void {
  const { shape, strides, offset } = view
  const total = sizeOf(shape)
  const index = shape.map(() => 0)
  let place = offset
  for (let k = 0; k < total; k++) {
    visit(place, k)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]
      if (++index[axis] < shape[axis]) break
      place -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
}

export function readView(view: View, cells: readonly Cell[]): Dense {
  const data = new Float64Array(sizeOf(view.shape))
  const cell = cells[view.slot]
  forEachPlace(view, (place, k) => {
    data[k] = cell.read(place)
  })
  return { shape: view.shape, data }
}

/** Rounds every value once to the dtype of the view (not when floats are held as float64) and writes it. */
export function writeView(view: View, values: ArrayLike<number>, cells: readonly Cell[], float64: boolean): void {
  const cell = cells[view.slot]
  const round = isFloat(view.dtype) && !float64 ? roundingTo(view.dtype as 'f32' | 'f16' | 'bf16') : null
  forEachPlace(view, (place, k) => cell.write(place, round === null ? values[k] : round(values[k])))
}

function roundingTo(dtype: 'f32' | 'f16' | 'bf16'): (value: number) => number {
  switch (dtype) {
    case 'f32':
      return Math.fround
    case 'f16':
      return roundToF16
    case 'bf16':
      return roundToBf16
  }
}
