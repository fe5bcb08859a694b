/** Plans of strided → dense copies: rows, fills and tiled transposes. */
import type { RoutineStep } from '@tarazed/tensor'
import type { RoutinePlan } from './plan.js'
import { type Axis, axesOf, axisWords, bytesOf, ceilDiv, collapse, denseStrides, product } from './views.js'

/** Bytes an item should move: small enough to share, large enough to be worth a claim. */
const ITEM_BYTES = 1 << 16
const TILE = 64
/** Of assembly/copy.ts: a transposed tile of 16×16 elements of four bytes. */
export const COPY_SCRATCH_BYTES = 1024

/** @see packages/tensor/src/program/routines.ts, `copy` */
export function planCopy(step: RoutineStep): RoutinePlan {
  const { shape, strides, dtype } = step.operands[0]
  const { words, items, itemNanoseconds } = planStridedCopy(shape, strides, bytesOf(dtype))
  const stages = items === 0 ? [] : [{ fn: 'copy', items, itemNanoseconds }]
  return { stages, words: Int32Array.from(words), sharedBytes: 0, threadBytes: COPY_SCRATCH_BYTES }
}

/** Words of assembly/copy.ts and the number of items. */
export function planStridedCopy(
  shape: readonly number[],
  strides: readonly number[],
  elementBytes: number,
): { words: number[]; items: number; itemNanoseconds: number } {
  if (product(shape) === 0) return { words: [], items: 0, itemNanoseconds: 0 }
  const axes = collapse(axesOf(shape, strides, denseStrides(shape)))
  const j = axes.pop() ?? { extent: 1, strides: [1, 1] }
  const i = takeRowAxis(axes, j)
  const { iBlock, jBlock } = chooseTile(i, j, elementBytes)
  const tiles = ceilDiv(i.extent, iBlock) * ceilDiv(j.extent, jBlock)
  const outer = product(axes.map((axis) => axis.extent))
  return {
    words: [
      elementBytes,
      i.extent,
      i.strides[0],
      i.strides[1],
      j.extent,
      j.strides[0],
      iBlock,
      jBlock,
      axes.length,
      ...axisWords(axes),
    ],
    items: outer * tiles,
    itemNanoseconds: (iBlock * jBlock * elementBytes) / 5 + 20,
  }
}

/** Removes the axis that is walked beside j: the one contiguous in the source, else the nearest. */
function takeRowAxis(axes: Axis[], j: Axis): Axis {
  const unit = j.strides[0] === 1 ? -1 : axes.findIndex((axis) => axis.strides[0] === 1)
  const [i] = axes.splice(unit >= 0 ? unit : axes.length - 1, 1)
  return i ?? { extent: 1, strides: [0, 0] }
}

function chooseTile(i: Axis, j: Axis, elementBytes: number): { iBlock: number; jBlock: number } {
  const isTranspose = j.strides[0] !== 1 && j.strides[0] !== 0 && i.strides[0] === 1
  if (isTranspose) return { iBlock: Math.min(i.extent, TILE), jBlock: Math.min(j.extent, TILE) }
  const elements = ITEM_BYTES / elementBytes
  const jBlock = Math.min(j.extent, elements)
  return { iBlock: Math.min(i.extent, Math.max(1, Math.floor(elements / jBlock))), jBlock }
}
