/**
 * Products whose groups are known at run time, in the order of additions that `matmul.ts` promises: the rows of a group have the bits
 * of a product of their own. Operands: a, b, offsets. Thread scratch: a place, then what the blocks need.
 */
import { findPiece, groupLimit, Place } from './groups'
import { addressAt, floatShift, minI32 } from './memory'
import { blockProduct, MatmulWords } from './matmul'
import { rowProduct } from './matvec'

/** Constants of a plan, in the order of `groupedWords` (src/routines/groupedMatmul.ts). Strides are in elements. */
@unmanaged
class GroupedWords {
  rows: i32
  groups: i32
  offsetStride: i32
  /** From one matrix of a stack to the next: of the weights, or of the result. */
  groupStride: i32
  /** Pieces of up to so many rows are done row by row. */
  vectorRows: i32
  /** Pieces of up to so many rows are done as resultᵀ = weightᵀ aᵀ. */
  swappedRows: i32
}

/** a, b, offsets, result, shared */
const WORDS_OFFSET: usize = 20
const PLACE_BYTES: usize = 64

function wordsOf(desc: usize): GroupedWords {
  return changetype<GroupedWords>(desc + WORDS_OFFSET)
}

/** Product `index` of a plan: 0 as it stands, 1 with its sides exchanged. */
function productOf(desc: usize, index: usize): MatmulWords {
  return changetype<MatmulWords>(desc + WORDS_OFFSET + offsetof<GroupedWords>() + index * offsetof<MatmulWords>())
}

/**
 * result[n] = a[n] b[group of n]; rows outside of all groups are zero. Items are pieces of groups × column blocks; there are as many as
 * any offsets can need, and those that these do not need do nothing.
 */
export function groupedRows(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  const product = productOf(desc, 0)
  const place = changetype<Place>(scratch)
  for (let item = begin; item < end; item++) {
    const piece = item / product.columnBlocks
    const column = (item % product.columnBlocks) * product.columnBlock
    if (findPiece(place, addressAt(desc, 2), words.offsetStride, words.groups, words.rows, product.rowBlock, piece)) {
      runPiece(desc, words, place, scratch + PLACE_BYTES, column)
    }
  }
}

function runPiece(desc: usize, words: GroupedWords, place: Place, scratch: usize, column: i32): void {
  const product = productOf(desc, 0)
  const row = place.first + place.piece * product.rowBlock
  const rows = minI32(product.rowBlock, place.first + place.count - row)
  const columns = minI32(product.columnBlock, product.columns - column)
  const resultShift = floatShift(product.resultType)
  const resultBytes = (<usize>product.columns) << resultShift
  const result = addressAt(desc, 3) + <usize>row * resultBytes + ((<usize>column) << resultShift)
  if (place.group < 0 || place.group == words.groups) {
    for (let r = 0; r < rows; r++) memory.fill(result + <usize>r * resultBytes, 0, (<usize>columns) << resultShift)
    return
  }
  const leftRow = (<usize>product.leftRow) << floatShift(product.leftType)
  const left = addressAt(desc, 0) + <usize>row * leftRow
  const weight =
    addressAt(desc, 1) +
    ((<usize>(place.group * words.groupStride + column * product.rightColumn)) << floatShift(product.rightType))
  if (rows <= words.vectorRows) {
    for (let r = 0; r < rows; r++) {
      rowProduct(product, scratch, left + <usize>r * leftRow, weight, result + <usize>r * resultBytes, columns)
    }
  } else if (rows <= words.swappedRows) {
    blockProduct(productOf(desc, 1), scratch, weight, left, 0, result, columns, rows, product.depth)
  } else {
    blockProduct(product, scratch, left, weight, 0, result, rows, columns, product.depth)
  }
}

/**
 * result[e] = Σ over the rows n of group e of a[n]ᵀ b[n]; zeros for an empty group. Items are groups × column blocks × row blocks.
 */
export function groupedDepth(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  const product = productOf(desc, 0)
  const perGroup = product.rowBlocks * product.columnBlocks
  for (let item = begin; item < end; item++) {
    const inGroup = item % perGroup
    const row = (inGroup % product.rowBlocks) * product.rowBlock
    const column = (inGroup / product.rowBlocks) * product.columnBlock
    runGroup(desc, words, item / perGroup, scratch + PLACE_BYTES, row, column)
  }
}

function runGroup(desc: usize, words: GroupedWords, group: i32, scratch: usize, row: i32, column: i32): void {
  const product = productOf(desc, 0)
  let first = 0
  let limit = 0
  for (let index = 0; index <= group + 1; index++) {
    first = limit
    limit = groupLimit(addressAt(desc, 2), words.offsetStride, index, first, words.rows)
  }
  const rows = minI32(product.rowBlock, product.rows - row)
  const columns = minI32(product.columnBlock, product.columns - column)
  const shift = floatShift(product.resultType)
  const element = group * words.groupStride + row * product.columns + column
  const result = addressAt(desc, 3) + ((<usize>element) << shift)
  if (first == limit) {
    const rowBytes = (<usize>product.columns) << shift
    for (let r = 0; r < rows; r++) memory.fill(result + <usize>r * rowBytes, 0, (<usize>columns) << shift)
    return
  }
  const left =
    addressAt(desc, 0) + ((<usize>(row * product.leftRow + first * product.leftDepth)) << floatShift(product.leftType))
  const right =
    addressAt(desc, 1) +
    ((<usize>(column * product.rightColumn + first * product.rightDepth)) << floatShift(product.rightType))
  blockProduct(product, scratch, left, right, 0, result, rows, columns, limit - first)
}
