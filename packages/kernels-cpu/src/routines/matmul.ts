/** Plans of batched matrix products: which operand is packed, where, and how the result is cut into items. */
import { MATMUL_K_BLOCK, type RoutineStep, type View } from '@tarazed/tensor'
import type { ResultTiles, RoutinePlan, RoutineStage } from './plan.js'
import { type Axis, axesOf, axisWords, ceilDiv, collapse, dtypeCode, product, roundUp } from './views.js'

/** Rough speed of the kernels, only for estimates of how long an item takes. */
const MULTIPLY_ADDS_PER_NANOSECOND = 24
const READ_BYTES_PER_NANOSECOND = 10

/** One side of a product: where it is in the descriptor and how its elements lie. `lane` is its row or column axis. */
interface Side {
  readonly operand: number
  readonly view: View
  readonly lanes: number
  readonly laneStride: number
  readonly depthStride: number
}

interface Product {
  readonly left: Side
  readonly right: Side
  readonly depth: number
  /** Strides in: left, right. */
  readonly batch: readonly Axis[]
  readonly resultRow: number
  readonly resultColumn: number
  readonly resultType: View['dtype']
}

/** @see packages/tensor/src/program/routines.ts, `matmul` */
export function planMatmul(step: RoutineStep): RoutinePlan {
  const options = { hasEpilogue: step.epilogue !== undefined }
  return planProduct(step.operands[0], 0, step.operands[1], 1, step.results[0], options)
}

export interface ProductOptions {
  /** Tiles then have to divide the result evenly where that costs little. */
  readonly hasEpilogue: boolean
}

/**
 * Plans result[Z…, M, N] = a[Z…, M, K] b[Z…, K, N]; `aOperand` and `bOperand` are their places in a descriptor of two
 * operands and one result.
 */
export function planProduct(
  a: View,
  aOperand: number,
  b: View,
  bOperand: number,
  result: View,
  options: ProductOptions,
): RoutinePlan {
  const whole = productOf(a, aOperand, b, bOperand, result)
  if (product(result.shape) === 0) return { stages: [], words: new Int32Array(0), sharedBytes: 0, threadBytes: 0 }
  if (result.dtype === 'i32') return planInteger(whole)
  const folded = foldBatch(whole)
  if (folded.left.lanes === 1) return planVector(folded)
  if (folded.right.lanes === 1) return planVector(swap(folded))
  return planBlocks(prefersSwap(folded) ? swap(folded) : folded, options)
}

function productOf(a: View, aOperand: number, b: View, bOperand: number, result: View): Product {
  const rank = a.shape.length
  const [M, K] = a.shape.slice(rank - 2)
  const N = b.shape[rank - 1]
  return {
    left: { operand: aOperand, view: a, lanes: M, laneStride: a.strides[rank - 2], depthStride: a.strides[rank - 1] },
    right: { operand: bOperand, view: b, lanes: N, laneStride: b.strides[rank - 1], depthStride: b.strides[rank - 2] },
    depth: K,
    batch: collapse(axesOf(a.shape.slice(0, -2), a.strides, b.strides)),
    resultRow: N,
    resultColumn: 1,
    resultType: result.dtype,
  }
}

/** Rows of all matrices become rows of one when b is the same for all and a's rows lie evenly. */
function foldBatch(whole: Product): Product {
  const { batch, left } = whole
  if (batch.length !== 1 || batch[0].strides[1] !== 0) return whole
  const rowStride = left.lanes === 1 ? batch[0].strides[0] : left.laneStride
  if (batch[0].strides[0] !== rowStride * left.lanes) return whole
  return { ...whole, batch: [], left: { ...left, lanes: left.lanes * batch[0].extent, laneStride: rowStride } }
}

/** The same product as resultᵀ = bᵀ aᵀ. */
function swap(whole: Product): Product {
  return {
    ...whole,
    left: whole.right,
    right: whole.left,
    batch: whole.batch.map(({ extent, strides }) => ({ extent, strides: [strides[1], strides[0]] })),
    resultRow: whole.resultColumn,
    resultColumn: whole.resultRow,
  }
}

/** The right operand is the one that is packed as a whole: the smaller one, or the one that needs no packing. */
function prefersSwap({ left, right, batch }: Product): boolean {
  if (isDirectRight(right) && left.lanes <= SMALL_ROWS) return false
  const asRight = { ...left }
  if (isDirectRight(asRight) && right.lanes <= SMALL_ROWS) return true
  const leftSize = left.lanes * product(batch.filter((axis) => axis.strides[0] !== 0).map((axis) => axis.extent))
  const rightSize = right.lanes * product(batch.filter((axis) => axis.strides[1] !== 0).map((axis) => axis.extent))
  return rightSize > 2 * leftSize
}

/** Rows up to which packing the right operand does not pay. */
const SMALL_ROWS = 64
/** Above, items pack the right operand for themselves: a copy of it would cost more memory than time. */
const MOST_SHARED_BYTES = 1 << 27
const DIRECT = 0
const PACKED_BY_ITEM = 1
const PACKED_IN_SHARED = 2

function isDirectRight(side: Side): boolean {
  return side.view.dtype === 'f32' && side.laneStride === 1
}

/** The left operand is read in place when its four rows are four streams. */
function isDirectLeft(side: Side): boolean {
  return side.view.dtype === 'f32' && (side.depthStride === 1 || side.laneStride === 1)
}

interface Blocks {
  readonly leftMode: number
  readonly rightMode: number
  readonly rowBlock: number
  readonly columnBlock: number
}

/** Words of assembly/matmul.ts, in its order. */
function matmulWords(whole: Product, blocks: Blocks): Int32Array {
  const { left, right } = whole
  let packed = 1
  const batch = [...whole.batch].reverse().map((axis) => {
    const packedStride = axis.strides[1] === 0 ? 0 : packed
    if (packedStride !== 0) packed *= axis.extent
    return { extent: axis.extent, strides: [...axis.strides, packedStride] }
  })
  return Int32Array.from([
    left.lanes,
    right.lanes,
    whole.depth,
    left.operand,
    right.operand,
    dtypeCode(left.view.dtype),
    dtypeCode(right.view.dtype),
    dtypeCode(whole.resultType),
    left.laneStride,
    left.depthStride,
    right.depthStride,
    right.laneStride,
    whole.resultRow,
    whole.resultColumn,
    blocks.leftMode,
    blocks.rightMode,
    blocks.rowBlock,
    blocks.columnBlock,
    ceilDiv(left.lanes, blocks.rowBlock),
    ceilDiv(right.lanes, blocks.columnBlock),
    batch.length,
    ...axisWords(batch.reverse()),
  ])
}

function matrices(whole: Product): number {
  return product(whole.batch.map((axis) => axis.extent))
}

function planInteger(whole: Product): RoutinePlan {
  const blocks = { leftMode: DIRECT, rightMode: DIRECT, rowBlock: 1, columnBlock: whole.right.lanes }
  const itemNanoseconds = (whole.depth * whole.right.lanes) / 2 + 20
  const items = matrices(whole) * whole.left.lanes
  return {
    stages: [{ fn: 'matmulI32', items, itemNanoseconds }],
    words: matmulWords(whole, blocks),
    sharedBytes: 0,
    threadBytes: 0,
  }
}

/** One row times a matrix: bound by reading the matrix once. */
function planVector(whole: Product): RoutinePlan {
  const { right, depth } = whole
  const alongColumns = right.laneStride === 1
  const columnBlock = Math.min(roundUp(right.lanes, 8), alongColumns ? 1024 : 64)
  const blocks = { leftMode: DIRECT, rightMode: DIRECT, rowBlock: 1, columnBlock }
  const bytes = columnBlock * depth * 4
  return {
    stages: [
      {
        fn: 'matvec',
        items: matrices(whole) * ceilDiv(right.lanes, columnBlock),
        itemNanoseconds: bytes / READ_BYTES_PER_NANOSECOND + 50,
      },
    ],
    words: matmulWords(whole, blocks),
    sharedBytes: 0,
    threadBytes: 4 * (MATMUL_K_BLOCK + 2 * columnBlock),
  }
}

function planBlocks(whole: Product, options: ProductOptions): RoutinePlan {
  const { left, right, depth } = whole
  const chosen = chooseBlocks(whole)
  const blocks = options.hasEpilogue ? evenBlocks(whole, chosen) : chosen
  const stages: RoutineStage[] = []
  let sharedBytes = 0
  if (blocks.rightMode === PACKED_IN_SHARED) {
    const panels = ceilDiv(right.lanes, 8)
    sharedBytes = packedBytes(whole)
    stages.push({
      fn: 'matmulPack',
      items: packedMatrices(whole) * ceilDiv(panels, 8),
      itemNanoseconds: 64 * depth * 0.8,
    })
  }
  const rowBlocks = ceilDiv(left.lanes, blocks.rowBlock)
  const columnBlocks = ceilDiv(right.lanes, blocks.columnBlock)
  stages.push({
    fn: 'matmulBlock',
    items: matrices(whole) * rowBlocks * columnBlocks,
    itemNanoseconds: (blocks.rowBlock * blocks.columnBlock * depth) / MULTIPLY_ADDS_PER_NANOSECOND + 50,
  })
  const words = matmulWords(whole, blocks)
  const tiles = options.hasEpilogue ? resultTiles(whole, blocks) : undefined
  return { stages, words, sharedBytes, threadBytes: threadBytes(whole, blocks), ...(tiles && { tiles }) }
}

/** Blocks that divide the result evenly, as its epilogue needs them, where there are some not much smaller. */
function evenBlocks(whole: Product, blocks: Blocks): Blocks {
  const columnBlock = evenPart(whole.right.lanes, blocks.columnBlock, 8)
  const rowBlock = isSwapped(whole) ? evenPart(whole.left.lanes, blocks.rowBlock, 4) : blocks.rowBlock
  return { ...blocks, columnBlock, rowBlock }
}

/** The largest multiple of `unit` up to `most` that divides `extent`, unless only small ones do. */
function evenPart(extent: number, most: number, unit: number): number {
  if (extent <= most) return most
  for (let part = most - (most % unit); 3 * part > most; part -= unit) if (extent % part === 0) return part
  return most
}

function isSwapped(whole: Product): boolean {
  return whole.resultColumn !== 1
}

/** The tiles that blocks make of the result, if its epilogue can follow them. */
function resultTiles(whole: Product, { rowBlock, columnBlock }: Blocks): ResultTiles | undefined {
  const leftTile = Math.min(rowBlock, whole.left.lanes)
  const rightTile = Math.min(columnBlock, whole.right.lanes)
  if (whole.right.lanes % rightTile !== 0) return undefined
  if (!isSwapped(whole)) {
    const { left, right } = whole
    return { rows: left.lanes, columns: right.lanes, tileRows: leftTile, tileColumns: rightTile, rowTilesFirst: false }
  }
  if (whole.left.lanes % leftTile !== 0) return undefined
  return {
    rows: whole.right.lanes,
    columns: whole.left.lanes,
    tileRows: rightTile,
    tileColumns: leftTile,
    rowTilesFirst: true,
  }
}

/** Right matrices that differ: those of broadcast batch axes are packed once. */
function packedMatrices({ batch }: Product): number {
  return product(batch.filter((axis) => axis.strides[1] !== 0).map((axis) => axis.extent))
}

/** Bytes of all right matrices in panels. */
function packedBytes(whole: Product): number {
  return packedMatrices(whole) * ceilDiv(whole.right.lanes, 8) * 32 * whole.depth
}

/** Edge block, tail panel, packed blocks, f32 totals: the layout of `runBlock` in assembly/matmul.ts. */
function threadBytes(whole: Product, blocks: Blocks): number {
  const left = blocks.leftMode === PACKED_BY_ITEM ? roundUp(blocks.rowBlock, 4) * MATMUL_K_BLOCK : 0
  const right = blocks.rightMode === PACKED_BY_ITEM ? roundUp(blocks.columnBlock, 8) * MATMUL_K_BLOCK : 0
  const totals = whole.resultType === 'f32' ? 0 : roundUp(blocks.rowBlock, 4) * blocks.columnBlock
  return 128 + 4 * (8 * MATMUL_K_BLOCK + left + right + totals)
}

/** Choices measured on one thread of a 2 MiB second cache; none of them changes a bit of the result. */
function chooseBlocks(whole: Product): Blocks {
  const { left, right, depth } = whole
  const isSmall = left.lanes * right.lanes * depth <= 128 * 128 * 128
  // Reading columns in place touches a page per step when rows are long.
  const isNarrow = right.lanes <= 512
  let rightMode = PACKED_IN_SHARED
  if (isDirectRight(right) && left.lanes <= SMALL_ROWS && isNarrow) rightMode = DIRECT
  else if (isSmall || left.lanes <= 128 || packedBytes(whole) > MOST_SHARED_BYTES) rightMode = PACKED_BY_ITEM
  // Packing the left costs a pass over it and makes every pass over a panel of columns a little faster.
  const isReused = right.lanes >= 64 && left.lanes >= SMALL_ROWS
  const leftMode = isDirectLeft(left) && !isReused ? DIRECT : PACKED_BY_ITEM

  // A depth block of 256 rows and of 512 columns fits the second cache.
  let columnBlock = Math.min(roundUp(right.lanes, 8), rightMode === PACKED_BY_ITEM ? 256 : 512)
  let rowBlock = Math.min(left.lanes, 256)
  const items = () => matrices(whole) * ceilDiv(left.lanes, rowBlock) * ceilDiv(right.lanes, columnBlock)
  // Eight items let two to four threads share evenly. Rows are cut first, as long as panels packed by the item pay for
  // themselves; column blocks under 128 repeat too much packing of the left.
  const fewestRows = rightMode === PACKED_BY_ITEM ? 64 : 32
  while (items() < 8 && rowBlock > fewestRows) rowBlock = Math.max(fewestRows, roundUp(rowBlock / 2, 4))
  while (items() < 8 && columnBlock >= 256) columnBlock = roundUp(columnBlock / 2, 8)
  return { leftMode, rightMode, rowBlock, columnBlock }
}
