/** Plans of deterministic scatter-add. */
import type { RoutineStep } from '@tarazed/tensor'
import { COPY_SCRATCH_BYTES, planStridedCopy } from './copy.js'
import type { RoutinePlan, RoutineStage } from './plan.js'
import {
  axesOf,
  axisWords,
  bytesOf,
  ceilDiv,
  collapse,
  denseStrides,
  dtypeCode,
  isFloatType,
  numberAttr,
  product,
} from './views.js'

const WIDEN_BLOCK = 4096
/** Columns an item adds at a time: long enough for vectors, short enough that several items exist. */
const INNER_BLOCK = 256

/** @see packages/tensor/src/program/routines.ts, `scatterAdd` */
export function planScatterAdd(step: RoutineStep): RoutinePlan {
  const [x, index, updates] = step.operands
  const total = product(x.shape)
  const isNarrow = bytesOf(x.dtype) === 2
  if (total === 0) return { stages: [], words: new Int32Array(0), sharedBytes: 0, threadBytes: 0 }

  const axis = numberAttr(step.attrs, 'axis')
  const copy = planStridedCopy(x.shape, x.strides, bytesOf(x.dtype))
  const targetStrides = denseStrides(x.shape)
  const others = collapse(
    axesOf(index.shape, targetStrides, index.strides, updates.strides).filter((_, position) => position !== axis),
  )
  const inner = others.pop() ?? { extent: 1, strides: [1, 0, 0] }
  const innerBlock = Math.min(inner.extent, INNER_BLOCK)
  const columns = product(others.map((other) => other.extent)) * ceilDiv(inner.extent, innerBlock)
  const target = x.shape[axis]
  const count = index.shape[axis]
  // Walking the whole index once more per range is cheap beside adding rows, not beside adding single elements.
  const ranges = columns < 4 && innerBlock >= 16 ? Math.min(4, target) : 1
  const targetBlock = ceilDiv(target, ranges)

  const words = [
    dtypeCode(x.dtype),
    total,
    target,
    count,
    targetStrides[axis],
    index.strides[axis],
    updates.strides[axis],
    inner.extent,
    ...inner.strides,
    innerBlock,
    targetBlock,
    others.length,
    ...axisWords(others),
    ...copy.words,
  ]
  const add: RoutineStage = {
    fn: isFloatType(x.dtype) ? 'scatterFloat' : 'scatterInteger',
    items: product(index.shape) === 0 ? 0 : columns * ceilDiv(target, targetBlock),
    itemNanoseconds: count * (2 + innerBlock / 3),
  }
  const blocks = { items: ceilDiv(total, WIDEN_BLOCK), itemNanoseconds: WIDEN_BLOCK / 2 }
  const stages: RoutineStage[] = [
    { fn: 'scatterCopy', items: copy.items, itemNanoseconds: copy.itemNanoseconds },
    ...(isNarrow ? [{ fn: 'scatterWiden', ...blocks }] : []),
    add,
    ...(isNarrow ? [{ fn: 'scatterNarrow', ...blocks }] : []),
  ]
  return {
    stages: stages.filter((stage) => stage.items > 0),
    words: Int32Array.from(words),
    sharedBytes: isNarrow ? total * 4 : 0,
    threadBytes: COPY_SCRATCH_BYTES,
  }
}
