/**
 * Batched matrix products. Every element is Σ over blocks of 256 steps; a block starts at zero and folds its steps in
 * order. All paths here keep that order, so the bits do not depend on the path, on tiles, threads or strides.
 *
 * `left` and `right` name the roles in the kernel: left gives the four rows of a register block, right its eight
 * columns. A plan may swap them (cᵀ = bᵀ aᵀ) when the other operand is the cheaper one to pack.
 */
import { F32, addressAt, floatShift, minI32 } from './memory'
import { addBlock, blockPacked, blockStrided, EDGE_BYTES, storeEdge, storeTransposed } from './microkernel'
import { narrowRow } from './narrow'
import { packPanel } from './pack'

export const DEPTH_BLOCK: i32 = 256

/** Rows of the left that stay in the first cache (32 KiB packed) while all panels of the right pass by. */
const ROWS_AT_ONCE: i32 = 32

const DIRECT: i32 = 0
const PACKED_BY_ITEM: i32 = 1
const PACKED_IN_SHARED: i32 = 2

/** Constants of a plan, in the order of `matmulWords` (src/routines/matmul.ts). Strides are in elements. */
@unmanaged
export class MatmulWords {
  rows: i32
  columns: i32
  depth: i32
  leftOperand: i32
  rightOperand: i32
  leftType: i32
  rightType: i32
  resultType: i32
  leftRow: i32
  leftDepth: i32
  rightDepth: i32
  rightColumn: i32
  resultRow: i32
  resultColumn: i32
  leftMode: i32
  rightMode: i32
  rowBlock: i32
  columnBlock: i32
  rowBlocks: i32
  columnBlocks: i32
  batchAxes: i32
}

/** One batch axis; they follow the words, outermost first. */
@unmanaged
class BatchAxis {
  extent: i32
  left: i32
  right: i32
  /** Stride in packed right matrices: 0 where the right operand is broadcast. */
  packedRight: i32
}

const WORDS_OFFSET: usize = 16

export function wordsOf(desc: usize): MatmulWords {
  return changetype<MatmulWords>(desc + WORDS_OFFSET)
}

function batchAxisOf(desc: usize, axis: i32): BatchAxis {
  return changetype<BatchAxis>(desc + WORDS_OFFSET + offsetof<MatmulWords>() + <usize>axis * offsetof<BatchAxis>())
}

export function leftOffset(desc: usize, axes: i32, batch: i32): i32 {
  let offset = 0
  for (let axis = axes - 1; axis >= 0; axis--) {
    const words = batchAxisOf(desc, axis)
    offset += (batch % words.extent) * words.left
    batch /= words.extent
  }
  return offset
}

export function rightOffset(desc: usize, axes: i32, batch: i32): i32 {
  let offset = 0
  for (let axis = axes - 1; axis >= 0; axis--) {
    const words = batchAxisOf(desc, axis)
    offset += (batch % words.extent) * words.right
    batch /= words.extent
  }
  return offset
}

function packedRightIndex(desc: usize, axes: i32, batch: i32): i32 {
  let index = 0
  for (let axis = axes - 1; axis >= 0; axis--) {
    const words = batchAxisOf(desc, axis)
    index += (batch % words.extent) * words.packedRight
    batch /= words.extent
  }
  return index
}

/** Offset of packed right matrix `index`: the same walk over the axes that are not broadcast. */
function packedRightSource(desc: usize, axes: i32, index: i32): i32 {
  let offset = 0
  for (let axis = axes - 1; axis >= 0; axis--) {
    const words = batchAxisOf(desc, axis)
    if (words.packedRight == 0) continue
    offset += (index % words.extent) * words.right
    index /= words.extent
  }
  return offset
}

/** Panels that one item of `matmulPack` packs. */
const PACK_PANELS: i32 = 8

/**
 * Packs the right operand into shared scratch: [matrix][panel of 8 columns][depth][8].
 * Items are matrices × groups of panels.
 */
export function matmulPack(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  const right = addressAt(desc, words.rightOperand)
  const shared = addressAt(desc, 3)
  const panels = (words.columns + 7) >> 3
  const groups = (panels + PACK_PANELS - 1) / PACK_PANELS
  for (let item = begin; item < end; item++) {
    const matrix = item / groups
    const firstPanel = (item % groups) * PACK_PANELS
    const lastPanel = minI32(firstPanel + PACK_PANELS, panels)
    const source = right + ((<usize>packedRightSource(desc, words.batchAxes, matrix)) << floatShift(words.rightType))
    const target = shared + <usize>matrix * <usize>panels * ((<usize>words.depth) << 5)
    packColumns(words, source, target, firstPanel, lastPanel, 0, words.depth, words.depth)
  }
}

/**
 * Packs steps depth0 … depth0+depth-1 of some panels. Blocks of the depth are the outer loop: the columns of
 * neighbouring panels share cache lines and pages.
 */
function packColumns(
  words: MatmulWords,
  right: usize,
  target: usize,
  firstPanel: i32,
  lastPanel: i32,
  depth0: i32,
  depth: i32,
  pitch: i32,
): void {
  const shift = floatShift(words.rightType)
  for (let step = 0; step < depth; step += 64) {
    const steps = minI32(64, depth - step)
    for (let panel = firstPanel; panel < lastPanel; panel++) {
      const first = (depth0 + step) * words.rightDepth + (panel << 3) * words.rightColumn
      packPanel(
        words.rightType,
        right + ((<usize>first) << shift),
        words.rightColumn,
        words.rightDepth,
        words.columns - (panel << 3),
        steps,
        target + ((<usize>panel * <usize>pitch + <usize>step) << 5),
        8,
      )
    }
  }
}

/**
 * Computes blocks of the result. Items are matrices × column blocks × row blocks.
 * Thread scratch: one edge block, a tail panel, the packed left block, the packed right block, f32 totals.
 */
export function matmulBlock(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  const perMatrix = words.rowBlocks * words.columnBlocks
  for (let item = begin; item < end; item++) {
    const inMatrix = item % perMatrix
    // Neighbouring items share columns, whose panels then stay in the second cache.
    const row = (inMatrix % words.rowBlocks) * words.rowBlock
    const column = (inMatrix / words.rowBlocks) * words.columnBlock
    runBlock(desc, words, scratch, item / perMatrix, row, column)
  }
}

function runBlock(desc: usize, words: MatmulWords, scratch: usize, batch: i32, row: i32, column: i32): void {
  const rows = minI32(words.rowBlock, words.rows - row)
  const columns = minI32(words.columnBlock, words.columns - column)
  const leftShift = floatShift(words.leftType)
  const left =
    addressAt(desc, words.leftOperand) +
    ((<usize>(leftOffset(desc, words.batchAxes, batch) + row * words.leftRow)) << leftShift)
  const rightShift = floatShift(words.rightType)
  const right =
    addressAt(desc, words.rightOperand) +
    ((<usize>(rightOffset(desc, words.batchAxes, batch) + column * words.rightColumn)) << rightShift)
  const panels = (words.columns + 7) >> 3
  const sharedRight =
    addressAt(desc, 3) +
    (<usize>packedRightIndex(desc, words.batchAxes, batch) * <usize>panels + <usize>(column >> 3)) *
      ((<usize>words.depth) << 5)

  const resultShift = floatShift(words.resultType)
  const resultElement =
    <usize>batch * <usize>words.rows * <usize>words.columns +
    <usize>row * <usize>words.resultRow +
    <usize>column * <usize>words.resultColumn
  const result = addressAt(desc, 2) + (resultElement << resultShift)
  blockProduct(words, scratch, left, right, sharedRight, result, rows, columns, words.depth)
}

/**
 * One block of a result: `rows` × `columns` at the addresses of its first elements, over `fullDepth` steps. Scratch as above.
 * `sharedRight` is read with PACKED_IN_SHARED only.
 */
export function blockProduct(
  words: MatmulWords,
  scratch: usize,
  left: usize,
  right: usize,
  sharedRight: usize,
  result: usize,
  rows: i32,
  columns: i32,
  fullDepth: i32,
): void {
  const leftShift = floatShift(words.leftType)
  const rightShift = floatShift(words.rightType)
  const resultShift = floatShift(words.resultType)
  const tail = scratch + EDGE_BYTES
  const leftPanels = tail + ((<usize>DEPTH_BLOCK) << 5)
  const leftBytes = words.leftMode == PACKED_BY_ITEM ? <usize>((words.rowBlock + 3) & ~3) * <usize>DEPTH_BLOCK * 4 : 0
  const rightPanels = leftPanels + leftBytes
  const rightBytes =
    words.rightMode == PACKED_BY_ITEM ? <usize>((words.columnBlock + 7) & ~7) * <usize>DEPTH_BLOCK * 4 : 0

  // A narrow result is summed in f32 and rounded once.
  const isNarrow = words.resultType != F32
  const totals = isNarrow ? rightPanels + rightBytes : result
  const rowBytes = (<usize>(isNarrow ? words.columnBlock : words.resultRow)) << 2
  const columnBytes: usize = isNarrow ? 4 : (<usize>words.resultColumn) << 2

  let depth0 = 0
  do {
    const depth = minI32(DEPTH_BLOCK, fullDepth - depth0)
    const leftHere = left + ((<usize>(depth0 * words.leftDepth)) << leftShift)
    const rightHere = right + ((<usize>(depth0 * words.rightDepth)) << rightShift)
    if (words.leftMode == PACKED_BY_ITEM) packRows(words, leftHere, leftPanels, rows, depth)
    if (words.rightMode == PACKED_BY_ITEM) {
      for (let panel = 0; panel << 3 < columns; panel++) {
        packPanel(
          words.rightType,
          rightHere + ((<usize>((panel << 3) * words.rightColumn)) << rightShift),
          words.rightColumn,
          words.rightDepth,
          columns - (panel << 3),
          depth,
          rightPanels + ((<usize>panel * <usize>depth) << 5),
          8,
        )
      }
    }
    for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
      const last = minI32(first + ROWS_AT_ONCE, rows)
      for (let panel = 0; panel << 3 < columns; panel++) {
        const width = minI32(8, columns - (panel << 3))
        let b: usize
        let bStep: usize = 32
        if (words.rightMode == PACKED_IN_SHARED) {
          b = sharedRight + ((<usize>panel * <usize>words.depth + <usize>depth0) << 5)
        } else if (words.rightMode == PACKED_BY_ITEM) {
          b = rightPanels + ((<usize>panel * <usize>depth) << 5)
        } else if (width == 8) {
          b = rightHere + ((<usize>panel) << 5)
          bStep = (<usize>words.rightDepth) << 2
        } else {
          // Reading eight columns would pass the end of the operand.
          packPanel(F32, rightHere + ((<usize>panel) << 5), 1, words.rightDepth, width, depth, tail, 8)
          b = tail
        }
        const c = totals + <usize>(panel << 3) * columnBytes
        const a = words.leftMode == PACKED_BY_ITEM ? leftPanels : leftHere
        runPanel(words, scratch, a, b, bStep, c, rowBytes, columnBytes, first, last, width, depth, depth0 != 0)
      }
    }
    depth0 += DEPTH_BLOCK
  } while (depth0 < fullDepth)

  if (isNarrow) {
    for (let r = 0; r < rows; r++) {
      const to = result + ((<usize>r * <usize>words.resultRow) << resultShift)
      narrowRow(words.resultType, totals + <usize>r * rowBytes, to, columns, words.resultColumn)
    }
  }
}

function packRows(words: MatmulWords, left: usize, target: usize, rows: i32, depth: i32): void {
  const shift = floatShift(words.leftType)
  for (let row = 0; row < rows; row += 4) {
    packPanel(
      words.leftType,
      left + ((<usize>(row * words.leftRow)) << shift),
      words.leftRow,
      words.leftDepth,
      rows - row,
      depth,
      target + ((<usize>row * <usize>depth) << 2),
      4,
    )
  }
}

/** Rows first … last-1 of a block against one panel of eight columns. */
function runPanel(
  words: MatmulWords,
  edge: usize,
  a: usize,
  b: usize,
  bStep: usize,
  c: usize,
  rowBytes: usize,
  columnBytes: usize,
  first: i32,
  last: i32,
  width: i32,
  depth: i32,
  add: bool,
): void {
  const isPacked = words.leftMode == PACKED_BY_ITEM
  const isPlain = columnBytes == 4 && width == 8
  const aRow = (<usize>words.leftRow) << 2
  const aStep = (<usize>words.leftDepth) << 2
  for (let row = first; row < last; row += 4) {
    const height = minI32(4, last - row)
    const isWhole = isPlain && height == 4
    const to = c + <usize>row * rowBytes
    const target = isWhole ? to : edge
    const pitch: usize = isWhole ? rowBytes : 32
    if (isPacked && bStep == 32) {
      const isAdded = isWhole && add
      blockPacked(
        depth,
        a + ((<usize>row * <usize>depth) << 2),
        b,
        isAdded ? edge : target,
        isAdded ? 32 : pitch,
        false,
      )
      if (isAdded) addBlock(edge, to, rowBytes)
    } else if (isPacked) {
      const a0 = a + ((<usize>row * <usize>depth) << 2)
      blockStrided(depth, a0, a0 + 4, a0 + 8, a0 + 12, 16, b, bStep, target, pitch, isWhole && add)
    } else {
      const a0 = a + <usize>row * aRow
      const a1 = height > 1 ? a0 + aRow : a0
      const a2 = height > 2 ? a1 + aRow : a1
      const a3 = height > 3 ? a2 + aRow : a2
      blockStrided(depth, a0, a1, a2, a3, aStep, b, bStep, target, pitch, isWhole && add)
    }
    if (isWhole) continue
    if (height == 4 && width == 8 && rowBytes == 4) storeTransposed(edge, to, columnBytes, add)
    else storeEdge(edge, to, rowBytes, columnBytes, height, width, add)
  }
}
