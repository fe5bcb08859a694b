/**
 * Products with block-quantised weights [E, N, K] by groups of rows that are known at run time; formats and kernels are those of
 * `quantMatmul.ts`. A group of few rows reads its weights packed, one of many widens them panel by panel.
 *
 * Shared scratch: four prepared rows for every group, then panels of four rows [panel][depth][4]; the panels of group e begin at
 * ⌊first row / 4⌋ + e, where no other group's can lie.
 */
import { findPiece, groupLimit, Place } from './groups'
import { addressAt, floatShift, minI32 } from './memory'
import { packPanel } from './pack'
import { panelBlock, prepareRow, QuantWords, vectorBlock } from './quantMatmul'

/** Constants of a plan after `QuantWords`, in the order of src/routines/groupedQuant.ts. `QuantWords.columns` are those of one group. */
@unmanaged
class GroupedQuantWords {
  experts: i32
  offsetStride: i32
  /** Groups of up to so many rows are prepared row by row; at most 4. */
  fewRows: i32
  columnBlocks: i32
}

const PLACE_BYTES: usize = 64
const PANEL: i32 = 4

/** x, packed, scale, zero, offsets, result, shared: without a zero operand the rest moves up by one. */
export function groupedQuantPrepare4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  preparePieces(desc, 4, scratch, begin, end)
}
export function groupedQuantPrepare5(desc: usize, scratch: usize, begin: i32, end: i32): void {
  preparePieces(desc, 5, scratch, begin, end)
}
export function groupedQuantBlocks4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  runBlocks(desc, 4, scratch, begin, end)
}
export function groupedQuantBlocks5(desc: usize, scratch: usize, begin: i32, end: i32): void {
  runBlocks(desc, 5, scratch, begin, end)
}

function wordsOf(desc: usize, operands: i32): QuantWords {
  return changetype<QuantWords>(desc + ((<usize>(operands + 2)) << 2))
}

function groupWordsOf(desc: usize, operands: i32): GroupedQuantWords {
  return changetype<GroupedQuantWords>(desc + ((<usize>(operands + 2)) << 2) + offsetof<QuantWords>())
}

function preparedOf(desc: usize, operands: i32, words: QuantWords, group: i32): usize {
  return addressAt(desc, operands + 1) + <usize>(group * PANEL) * <usize>words.preparedBytes
}

function panelOf(desc: usize, operands: i32, words: QuantWords, group: i32, first: i32): usize {
  const panels = preparedOf(desc, operands, words, groupWordsOf(desc, operands).experts)
  return panels + <usize>((first >> 2) + group) * ((<usize>words.depth) << 4)
}

/** Items are pieces of four rows: prepared, packed, or outside of all groups, where the result is zero. */
function preparePieces(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const groups = groupWordsOf(desc, operands)
  const place = changetype<Place>(scratch)
  const offsets = addressAt(desc, operands - 1)
  const shift = floatShift(words.xType)
  for (let item = begin; item < end; item++) {
    if (!findPiece(place, offsets, groups.offsetStride, groups.experts, words.rows, PANEL, item)) continue
    const row = place.first + place.piece * PANEL
    const rows = minI32(PANEL, place.first + place.count - row)
    const from = addressAt(desc, 0) + ((<usize>(row * words.xRow)) << shift)
    if (place.group < 0 || place.group == groups.experts) {
      const rowBytes = (<usize>words.columns) << shift
      memory.fill(addressAt(desc, operands) + <usize>row * rowBytes, 0, <usize>rows * rowBytes)
    } else if (place.count <= groups.fewRows) {
      for (let r = 0; r < rows; r++) {
        const to = preparedOf(desc, operands, words, place.group) + <usize>r * <usize>words.preparedBytes
        prepareRow(words, scratch + PLACE_BYTES, from + ((<usize>(r * words.xRow)) << shift), to)
      }
    } else {
      const panels = panelOf(desc, operands, words, place.group, place.first)
      const to = panels + <usize>place.piece * ((<usize>words.depth) << 4)
      packPanel(words.xType, from, words.xRow, words.xColumn, rows, words.depth, to, PANEL)
    }
  }
}

/** Items are groups × blocks of output columns. */
function runBlocks(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const groups = groupWordsOf(desc, operands)
  const offsets = addressAt(desc, operands - 1)
  for (let item = begin; item < end; item++) {
    const group = item / groups.columnBlocks
    const column = (item % groups.columnBlocks) * words.columnBlock
    const count = minI32(words.columnBlock, words.columns - column)
    let first = 0
    let limit = 0
    for (let index = 0; index <= group + 1; index++) {
      first = limit
      limit = groupLimit(offsets, groups.offsetStride, index, first, words.rows)
    }
    const rows = limit - first
    if (rows == 0) continue
    const element = <usize>first * <usize>words.columns + <usize>column
    const result = addressAt(desc, operands) + (element << floatShift(words.xType))
    const weight = group * words.columns + column
    if (rows <= groups.fewRows) {
      vectorBlock(desc, words, scratch, preparedOf(desc, operands, words, group), rows, weight, count, result)
    } else {
      panelBlock(desc, words, scratch, panelOf(desc, operands, words, group, first), rows, weight, count, result)
    }
  }
}
