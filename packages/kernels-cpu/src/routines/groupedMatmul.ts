/** Plans of products whose groups are known at run time: the items that any offsets can need, and a choice of kernels for each piece. */
import { MATMUL_K_BLOCK, type RoutineStep, type View } from '@tarazed/tensor'
import type { RoutinePlan } from './plan.js'
import { ceilDiv, dtypeCode, product, roundUp } from './views.js'

const MULTIPLY_ADDS_PER_NANOSECOND = 24
const READ_BYTES_PER_NANOSECOND = 10

/**
 * Limits of a piece's rows, measured for weights that are contiguous along the inputs, [E, out, in], and along the outputs: up to
 * `vector` rows, reading the weights once a row is cheaper than packing anything; up to `swapped` rows, the weights are the side
 * that is read in place.
 */
const ALONG_INPUTS = { vector: 2, swapped: 96 }
const ALONG_OUTPUTS = { vector: 4, swapped: 16 }
/** Rows of a piece: packing a panel of weights should cost little beside using it. */
const PIECE_ROWS = 256

const DIRECT = 0
const PACKED_BY_ITEM = 1
/** Bytes in front of the scratch of a block. */
const PLACE_BYTES = 64

/** One side of a product, its elements as the kernels of assembly/matmul.ts see them. */
interface Side {
  readonly operand: number
  readonly dtype: View['dtype']
  readonly lanes: number
  readonly laneStride: number
  readonly depthStride: number
}

interface Blocks {
  readonly leftMode: number
  readonly rowBlock: number
  readonly columnBlock: number
}

interface Product {
  readonly left: Side
  readonly right: Side
  readonly depth: number
  readonly resultRow: number
  readonly resultColumn: number
  readonly resultType: View['dtype']
}

/** @see packages/tensor/src/program/routines.ts, `groupedMatmul` */
export function planGroupedMatmul(step: RoutineStep): RoutinePlan {
  const [a, b] = step.operands
  const isEmpty = [a, b, ...step.results].some((view) => product(view.shape) === 0)
  if (product(step.results[0].shape) === 0)
    return { stages: [], words: new Int32Array(0), sharedBytes: 0, threadBytes: 0 }
  return step.attrs.contract === 'rows' ? planDepth(step) : planRows(step, isEmpty)
}

/** a [N, K], b [E, K, M], offsets [E + 1] -> [N, M] */
function planRows(step: RoutineStep, isEmpty: boolean): RoutinePlan {
  const [a, b, offsets] = step.operands
  const [result] = step.results
  const [N, K] = a.shape
  const [E, , M] = b.shape
  const left = { operand: 0, dtype: a.dtype, lanes: N, laneStride: a.strides[0], depthStride: a.strides[1] }
  const right = { operand: 1, dtype: b.dtype, lanes: M, laneStride: b.strides[2], depthStride: b.strides[1] }
  const straight = { left, right, depth: K, resultRow: M, resultColumn: 1, resultType: result.dtype }
  const swapped = { ...straight, left: right, right: left, resultRow: 1, resultColumn: M }
  const rowBlock = Math.min(N, PIECE_ROWS)
  const pieces = Math.floor(N / rowBlock) + E + 2
  const busyPieces = ceilDiv(N, rowBlock)
  let columnBlock = Math.min(roundUp(M, 8), 256)
  while (busyPieces * ceilDiv(M, columnBlock) < 8 && columnBlock > 64) columnBlock = roundUp(columnBlock / 2, 8)
  const blocks = { leftMode: PACKED_BY_ITEM, rowBlock, columnBlock }
  const limits = right.laneStride === 1 && right.depthStride !== 1 ? ALONG_OUTPUTS : ALONG_INPUTS
  const isDirect = b.dtype === 'f32' && (right.depthStride === 1 || right.laneStride === 1)
  const swappedBlocks = {
    leftMode: isDirect ? DIRECT : PACKED_BY_ITEM,
    rowBlock: columnBlock,
    columnBlock: roundUp(Math.min(rowBlock, limits.swapped), 8),
  }
  const items = pieces * ceilDiv(M, columnBlock)
  const reads = (4 * Math.min(N, E) * K * M) / READ_BYTES_PER_NANOSECOND
  const nanoseconds = Math.max(reads, (N * K * M) / MULTIPLY_ADDS_PER_NANOSECOND)
  const vectorBytes = 4 * (MATMUL_K_BLOCK + 2 * roundUp(columnBlock, 8))
  return {
    stages: [{ fn: 'groupedRows', items, itemNanoseconds: nanoseconds / items + 50 }],
    words: Int32Array.from([
      N,
      // Without terms every row is zero, as outside of all groups.
      isEmpty ? 0 : E,
      offsets.strides[0],
      b.strides[0],
      limits.vector,
      limits.swapped,
      ...productWords(straight, blocks),
      ...productWords(swapped, swappedBlocks),
    ]),
    sharedBytes: 0,
    threadBytes: PLACE_BYTES + Math.max(vectorBytes, blockBytes(straight, blocks), blockBytes(swapped, swappedBlocks)),
  }
}

/** a [N, K], b [N, M], offsets [E + 1] -> [E, K, M] */
function planDepth(step: RoutineStep): RoutinePlan {
  const [a, b, offsets] = step.operands
  const [result] = step.results
  const [N, K] = a.shape
  const M = b.shape[1]
  const E = result.shape[0]
  const whole = {
    left: { operand: 0, dtype: a.dtype, lanes: K, laneStride: a.strides[1], depthStride: a.strides[0] },
    right: { operand: 1, dtype: b.dtype, lanes: M, laneStride: b.strides[1], depthStride: b.strides[0] },
    depth: N,
    resultRow: M,
    resultColumn: 1,
    resultType: result.dtype,
  }
  let rowBlock = Math.min(K, 256)
  let columnBlock = Math.min(roundUp(M, 8), 256)
  const count = () => ceilDiv(K, rowBlock) * ceilDiv(M, columnBlock)
  while (count() < 8 && rowBlock > 64) rowBlock = Math.max(64, roundUp(rowBlock / 2, 4))
  while (count() < 8 && columnBlock > 128) columnBlock = roundUp(columnBlock / 2, 8)
  const blocks = { leftMode: PACKED_BY_ITEM, rowBlock, columnBlock }
  const items = E * count()
  return {
    stages: [
      {
        fn: 'groupedDepth',
        items,
        itemNanoseconds: (N * K * M) / MULTIPLY_ADDS_PER_NANOSECOND / items + 50,
      },
    ],
    words: Int32Array.from([N, E, offsets.strides[0], K * M, 0, 0, ...productWords(whole, blocks)]),
    sharedBytes: 0,
    threadBytes: PLACE_BYTES + blockBytes(whole, blocks),
  }
}

/** `MatmulWords` of assembly/matmul.ts, without batch axes. */
function productWords({ left, right, depth, ...rest }: Product, { leftMode, rowBlock, columnBlock }: Blocks): number[] {
  return [
    left.lanes,
    right.lanes,
    depth,
    left.operand,
    right.operand,
    dtypeCode(left.dtype),
    dtypeCode(right.dtype),
    dtypeCode(rest.resultType),
    left.laneStride,
    left.depthStride,
    right.depthStride,
    right.laneStride,
    rest.resultRow,
    rest.resultColumn,
    leftMode,
    PACKED_BY_ITEM,
    rowBlock,
    columnBlock,
    ceilDiv(left.lanes, rowBlock),
    ceilDiv(right.lanes, columnBlock),
    0,
  ]
}

/** Edge block, tail panel, packed blocks, f32 totals: the layout of `blockProduct` in assembly/matmul.ts. */
function blockBytes({ resultType }: Product, { leftMode, rowBlock, columnBlock }: Blocks): number {
  const left = leftMode === PACKED_BY_ITEM ? roundUp(rowBlock, 4) * MATMUL_K_BLOCK : 0
  const right = roundUp(columnBlock, 8) * MATMUL_K_BLOCK
  const totals = resultType === 'f32' ? 0 : roundUp(rowBlock, 4) * columnBlock
  return 128 + 4 * (8 * MATMUL_K_BLOCK + left + right + totals)
}
