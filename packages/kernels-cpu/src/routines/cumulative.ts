/** Plans of running sums, products, maxima and minima. */
import type { RoutineStep } from '@tarazed/tensor'
import type { RoutinePlan } from './plan.js'
import { axesOf, axisWords, ceilDiv, collapse, denseStrides, dtypeCode, numberAttr, product, roundUp } from './views.js'

/** In the order of assembly/cumulative.ts. */
const KINDS = ['sum', 'prod', 'max', 'min']
/** Lines of an item when they lie side by side (a row of running values stays in the first cache) and when not. */
const ROW_BLOCK = 512
const LINE_BLOCK = 4

/** @see packages/tensor/src/program/routines.ts, `cumulative` */
export function planCumulative(step: RoutineStep): RoutinePlan {
  const [x] = step.operands
  const axis = numberAttr(step.attrs, 'axis')
  const resultStrides = denseStrides(x.shape)
  const others = collapse(axesOf(x.shape, x.strides, resultStrides).filter((_, position) => position !== axis))
  const lines = others.pop() ?? { extent: 1, strides: [1, 1] }
  const lineBlock = Math.min(lines.extent, lines.strides[0] === 1 && lines.strides[1] === 1 ? ROW_BLOCK : LINE_BLOCK)
  const count = x.shape[axis]
  const last = step.attrs.reverse ? count - 1 : 0
  const direction = step.attrs.reverse ? -1 : 1
  const words = [
    dtypeCode(x.dtype),
    KINDS.indexOf(step.attrs.kind as string),
    step.attrs.exclusive ? 1 : 0,
    count,
    direction * x.strides[axis],
    direction * resultStrides[axis],
    last * x.strides[axis],
    last * resultStrides[axis],
    lines.extent,
    ...lines.strides,
    lineBlock,
    others.length,
    ...axisWords(others),
  ]
  const items = product(others.map((other) => other.extent)) * ceilDiv(lines.extent, lineBlock)
  return {
    stages:
      product(x.shape) === 0 ? [] : [{ fn: 'cumulative', items, itemNanoseconds: 20 + count * (1 + lineBlock / 4) }],
    words: Int32Array.from(words),
    sharedBytes: 0,
    threadBytes: 4 * roundUp(lineBlock, 4),
  }
}
