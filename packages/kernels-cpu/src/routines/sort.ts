/** Plans of stable sorts: one item per line. */
import type { RoutineStep } from '@tarazed/tensor'
import type { RoutinePlan } from './plan.js'
import { axesOf, axisWords, bytesOf, collapse, denseStrides, dtypeCode, numberAttr, product } from './views.js'

/** Four histograms of 256 counters. */
const HISTOGRAM_BYTES = 4096

/** @see packages/tensor/src/program/routines.ts, `sort` */
export function planSort(step: RoutineStep): RoutinePlan {
  const [x] = step.operands
  const axis = numberAttr(step.attrs, 'axis')
  const resultStrides = denseStrides(x.shape)
  const others = collapse(axesOf(x.shape, x.strides, resultStrides).filter((_, position) => position !== axis))
  const count = x.shape[axis]
  const words = [
    dtypeCode(x.dtype),
    Math.log2(bytesOf(x.dtype)),
    count,
    x.strides[axis],
    resultStrides[axis],
    step.attrs.descending ? 1 : 0,
    others.length,
    ...axisWords(others),
  ]
  const lines = product(others.map((other) => other.extent))
  const itemNanoseconds = 20 + count * (count <= 128 ? 3 * Math.log2(count + 2) : 12)
  return {
    stages: product(x.shape) === 0 ? [] : [{ fn: 'sort', items: lines, itemNanoseconds }],
    words: Int32Array.from(words),
    sharedBytes: 0,
    threadBytes: 16 * count + HISTOGRAM_BYTES,
  }
}
