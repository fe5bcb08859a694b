/** Plans of products with block-quantised weights: few rows read the weights packed, many rows widen them panel by panel. */
import { InternalError, MATMUL_K_BLOCK, type RoutineStep, type View } from '@tarazed/tensor'
import type { RoutinePlan } from './plan.js'
import { ceilDiv, denseStrides, dtypeCode, numberAttr, roundUp } from './views.js'

/** Rows of x up to which every weight is unpacked once per row; above, widening them once is cheaper. */
export const FEW_ROWS = 4
/** Elements of an activation block; it never crosses a group. */
const ACTIVATION_BLOCK = 128
export const MULTIPLY_ADDS_PER_NANOSECOND = 20

/** In the order of assembly/quantMatmul.ts. */
const FORMATS = ['int8', 'int4', 'int4sym', 'nf4']
const ACTIVATIONS = ['f32', 'i16', 'i8']

/** Weights a nanosecond of a product with one row. */
export const WEIGHTS_PER_NANOSECOND: Record<string, number> = { f32: 4, i16: 14, i8: 20 }

/** @see packages/tensor/src/program/routines.ts, `quantMatmul` */
export function planQuantMatmul(step: RoutineStep): RoutinePlan {
  const [x, packed] = step.operands
  step.operands.slice(1).forEach(requireDense)
  const [M, K] = x.shape
  const N = packed.shape[0]
  const isVector = M <= FEW_ROWS
  const { activations, preparedBytes } = formOf(step)
  const columnBlock = isVector ? 32 : 64
  const words = quantWords(step, N, columnBlock)
  const count = step.operands.length
  const items = M === 0 ? 0 : ceilDiv(N, columnBlock)
  const perItem = columnBlock * K * M
  const stages = isVector
    ? [
        { fn: `quantPrepare${count}`, items: M, itemNanoseconds: 2 * K },
        {
          fn: `quantVector${count}`,
          items,
          itemNanoseconds: perItem / WEIGHTS_PER_NANOSECOND[activations] + 50,
        },
      ]
    : [
        { fn: `quantPack${count}`, items: ceilDiv(M, 4), itemNanoseconds: 2 * K },
        {
          fn: `quantPanels${count}`,
          items,
          itemNanoseconds: perItem / MULTIPLY_ADDS_PER_NANOSECOND + columnBlock * K,
        },
      ]
  // An item computes its columns for every row.
  const tiles = { rows: M, columns: N, tileRows: M, tileColumns: columnBlock, rowTilesFirst: false }
  return {
    ...(N % columnBlock === 0 && M > 0 && { tiles }),
    stages: stages.filter((stage) => items > 0 && stage.items > 0),
    words: Int32Array.from(words),
    sharedBytes: isVector ? M * preparedBytes : ceilDiv(M, 4) * 16 * K,
    // Vectors: a row of x or a block of results. Panels: edge block, eight widened rows, their panel, totals.
    threadBytes: isVector ? 4 * Math.max(K, columnBlock) : 128 + 64 * MATMUL_K_BLOCK + 32 * roundUp(M, 4),
  }
}

/** How activations are kept, and bytes of a prepared row of them. */
export function formOf(step: RoutineStep): { activations: string; blocksPerGroup: number; preparedBytes: number } {
  const K = step.operands[0].shape[1]
  const group = numberAttr(step.attrs, 'group')
  const activations = (step.attrs.activations as string | undefined) ?? 'f32'
  const blocksPerGroup = ceilDiv(group, ACTIVATION_BLOCK)
  const blocks = (K / group) * blocksPerGroup
  const preparedBytes = activations === 'f32' ? roundUp(4 * K, 16) : roundUp(8 * blocks + 2 * K, 16)
  return { activations, blocksPerGroup, preparedBytes }
}

/** `QuantWords` of assembly/quantMatmul.ts, in its order. */
export function quantWords(step: RoutineStep, columns: number, columnBlock: number): number[] {
  const [x] = step.operands
  const { activations, blocksPerGroup, preparedBytes } = formOf(step)
  const [M, K] = x.shape
  const group = numberAttr(step.attrs, 'group')
  return [
    M,
    columns,
    K,
    dtypeCode(x.dtype),
    x.strides[0],
    x.strides[1],
    FORMATS.indexOf(step.attrs.format as string),
    group,
    K / group,
    ACTIVATIONS.indexOf(activations),
    blocksPerGroup,
    preparedBytes,
    columnBlock,
  ]
}

export function requireDense(view: View): void {
  const dense = denseStrides(view.shape)
  if (view.strides.some((stride, axis) => stride !== dense[axis] && view.shape[axis] > 1)) {
    throw new InternalError(`quantMatmul: packed weights must be dense, got strides [${view.strides.join(', ')}]`)
  }
}
