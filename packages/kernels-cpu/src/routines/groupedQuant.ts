/** Plans of products with block-quantised weights by groups of rows that are known at run time. */
import { MATMUL_K_BLOCK, type RoutineStep } from '@tarazed/tensor'
import type { RoutinePlan } from './plan.js'
import {
  FEW_ROWS,
  formOf,
  MULTIPLY_ADDS_PER_NANOSECOND,
  quantWords,
  requireDense,
  WEIGHTS_PER_NANOSECOND,
} from './quantMatmul.js'
import { ceilDiv, roundUp } from './views.js'

/** Bytes in front of the scratch of a row. */
const PLACE_BYTES = 64
const COLUMN_BLOCK = 32

/** @see packages/tensor/src/program/routines.ts, `groupedQuantMatmul` */
export function planGroupedQuantMatmul(step: RoutineStep): RoutinePlan {
  const [x] = step.operands
  const offsets = step.operands[step.operands.length - 1]
  step.operands.slice(1, -1).forEach(requireDense)
  const [N, K] = x.shape
  const columns = step.results[0].shape[1]
  const experts = offsets.shape[0] - 1
  if (N === 0 || columns === 0) return { stages: [], words: new Int32Array(0), sharedBytes: 0, threadBytes: 0 }
  const { activations, preparedBytes } = formOf(step)
  const columnBlocks = ceilDiv(columns, COLUMN_BLOCK)
  const count = step.operands.length
  const items = experts * columnBlocks
  // Rows spread evenly are a guess; a group of many rows is slower than it says, an empty one takes no time.
  const rows = Math.max(1, N / Math.max(1, experts))
  const weights = COLUMN_BLOCK * K
  const itemNanoseconds =
    rows <= FEW_ROWS
      ? (weights * rows) / WEIGHTS_PER_NANOSECOND[activations]
      : (weights * rows) / MULTIPLY_ADDS_PER_NANOSECOND + weights
  return {
    stages: [
      { fn: `groupedQuantPrepare${count}`, items: Math.floor(N / 4) + experts + 2, itemNanoseconds: 2 * K },
      { fn: `groupedQuantBlocks${count}`, items, itemNanoseconds: itemNanoseconds + 50 },
    ].filter((stage) => stage.items > 0),
    words: Int32Array.from([
      ...quantWords(step, columns, COLUMN_BLOCK),
      experts,
      offsets.strides[0],
      FEW_ROWS,
      columnBlocks,
    ]),
    sharedBytes: 4 * experts * preparedBytes + (Math.floor(N / 4) + experts + 1) * 16 * K,
    // A place and a row of x; a block of results; or edge block, eight widened rows, their panel, totals of all rows.
    threadBytes: Math.max(PLACE_BYTES + 4 * K, 4 * COLUMN_BLOCK, 128 + 64 * MATMUL_K_BLOCK + 32 * roundUp(N, 4)),
  }
}
