/**
 * Products whose left side is one row: the right matrix is read once, where it lies, in the order of additions that
 * `matmul.ts` promises. Items are matrices × blocks of columns; the words are those of `matmul.ts`.
 * Thread scratch: one depth block of the row, sums of the block, totals (`columnBlock` f32 each, rounded up to 8).
 */
import { BF16, F16, F32, addressAt, floatShift, minI32 } from './memory'
import { DEPTH_BLOCK, MatmulWords, leftOffset, rightOffset, wordsOf } from './matmul'
import { madd } from './microkernel'
import { load4, loadOne, narrowRow, widenRow } from './narrow'

export function matvec(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  for (let item = begin; item < end; item++) {
    const batch = item / words.columnBlocks
    const column = (item % words.columnBlocks) * words.columnBlock
    runColumns(desc, words, scratch, batch, column)
  }
}

function runColumns(desc: usize, words: MatmulWords, scratch: usize, batch: i32, column: i32): void {
  const columns = minI32(words.columnBlock, words.columns - column)
  const left = addressAt(desc, words.leftOperand)
  const leftShift = floatShift(words.leftType)
  const leftAt = left + ((<usize>leftOffset(desc, words.batchAxes, batch)) << leftShift)
  const right = addressAt(desc, words.rightOperand)
  const rightShift = floatShift(words.rightType)
  const rightAt =
    right + ((<usize>(rightOffset(desc, words.batchAxes, batch) + column * words.rightColumn)) << rightShift)
  const element = <usize>batch * <usize>words.columns + <usize>column
  const result = addressAt(desc, 2) + (element << floatShift(words.resultType))
  rowProduct(words, scratch, leftAt, rightAt, result, columns)
}

/** `columns` elements of one row of a result, at the addresses of the row, of the first column and of the first result. */
export function rowProduct(
  words: MatmulWords,
  scratch: usize,
  leftAt: usize,
  rightAt: usize,
  result: usize,
  columns: i32,
): void {
  const row = scratch
  const sums = row + ((<usize>DEPTH_BLOCK) << 2)
  const totals = sums + ((<usize>((words.columnBlock + 7) & ~7)) << 2)
  const leftShift = floatShift(words.leftType)
  const rightShift = floatShift(words.rightType)
  let depth0 = 0
  do {
    const depth = minI32(DEPTH_BLOCK, words.depth - depth0)
    widenRow(words.leftType, leftAt + ((<usize>(depth0 * words.leftDepth)) << leftShift), words.leftDepth, row, depth)
    const rightHere = rightAt + ((<usize>(depth0 * words.rightDepth)) << rightShift)
    const target = depth0 == 0 ? totals : sums
    if (words.rightType == F32) productOf<f32>(words, row, rightHere, target, columns, depth)
    else if (words.rightType == F16) productOf<u16>(words, row, rightHere, target, columns, depth)
    else if (words.rightType == BF16) productOf<i16>(words, row, rightHere, target, columns, depth)
    if (depth0 != 0) {
      for (let at: usize = 0; at < (<usize>columns) << 2; at += 16) {
        v128.store(totals + at, f32x4.add(v128.load(totals + at), v128.load(sums + at)))
      }
    }
    depth0 += DEPTH_BLOCK
  } while (depth0 < words.depth)

  narrowRow(words.resultType, totals, result, columns, 1)
}

function productOf<T>(words: MatmulWords, row: usize, right: usize, to: usize, columns: i32, depth: i32): void {
  if (words.rightColumn == 1) alongColumns<T>(row, right, <usize>words.rightDepth * sizeof<T>(), to, columns, depth)
  else alongDepth<T>(row, right, words.rightColumn, words.rightDepth, to, columns, depth)
}

/** Rows of the right matrix are contiguous: four of them are folded into the sums at a time. */
function alongColumns<T>(row: usize, right: usize, rowBytes: usize, sums: usize, columns: i32, depth: i32): void {
  memory.fill(sums, 0, (<usize>((columns + 7) & ~7)) << 2)
  let step = 0
  for (; step + 4 <= depth; step += 4) {
    const x0 = v128.load32_splat(row)
    const x1 = v128.load32_splat(row, 4)
    const x2 = v128.load32_splat(row, 8)
    const x3 = v128.load32_splat(row, 12)
    const r1 = right + rowBytes
    const r2 = r1 + rowBytes
    const r3 = r2 + rowBytes
    let column = 0
    for (; column + 4 <= columns; column += 4) {
      const at = <usize>column * sizeof<T>()
      const to = sums + ((<usize>column) << 2)
      let sum = madd(x0, load4<T>(right + at), v128.load(to))
      sum = madd(x1, load4<T>(r1 + at), sum)
      sum = madd(x2, load4<T>(r2 + at), sum)
      v128.store(to, madd(x3, load4<T>(r3 + at), sum))
    }
    for (; column < columns; column++) {
      const at = <usize>column * sizeof<T>()
      const to = sums + ((<usize>column) << 2)
      let sum = madd(x0, f32x4.splat(loadOne<T>(right + at)), v128.load32_splat(to))
      sum = madd(x1, f32x4.splat(loadOne<T>(r1 + at)), sum)
      sum = madd(x2, f32x4.splat(loadOne<T>(r2 + at)), sum)
      v128.store32_lane(to, madd(x3, f32x4.splat(loadOne<T>(r3 + at)), sum), 0)
    }
    row += 16
    right = r3 + rowBytes
  }
  for (; step < depth; step++) {
    addRow<T>(v128.load32_splat(row), right, sums, columns)
    row += 4
    right += rowBytes
  }
}

function addRow<T>(x: v128, right: usize, sums: usize, columns: i32): void {
  let column = 0
  for (; column + 4 <= columns; column += 4) {
    const to = sums + ((<usize>column) << 2)
    v128.store(to, madd(x, load4<T>(right + <usize>column * sizeof<T>()), v128.load(to)))
  }
  for (; column < columns; column++) {
    const to = sums + ((<usize>column) << 2)
    const value = f32x4.splat(loadOne<T>(right + <usize>column * sizeof<T>()))
    v128.store32_lane(to, madd(x, value, v128.load32_splat(to)), 0)
  }
}

/** Four products of one step: the columns are lanes. */
function stepOf<T>(x: v128, c0: usize, c1: usize, c2: usize, c3: usize, sum: v128): v128 {
  let values = f32x4.splat(loadOne<T>(c0))
  values = f32x4.replace_lane(values, 1, loadOne<T>(c1))
  values = f32x4.replace_lane(values, 2, loadOne<T>(c2))
  values = f32x4.replace_lane(values, 3, loadOne<T>(c3))
  return madd(x, values, sum)
}

/** Columns of the right matrix are contiguous (or nothing is): four columns are the lanes of a sum. */
function alongDepth<T>(
  row: usize,
  right: usize,
  columnStride: i32,
  depthStride: i32,
  sums: usize,
  columns: i32,
  depth: i32,
): void {
  const columnBytes = <usize>columnStride * sizeof<T>()
  const depthBytes = <usize>depthStride * sizeof<T>()
  const whole = depthStride == 1 ? depth & ~3 : 0
  let column = 0
  for (; column + 8 <= columns; column += 8) {
    const from = right + <usize>column * columnBytes
    eightColumns<T>(row, from, columnBytes, depthBytes, whole, depth, sums + ((<usize>column) << 2))
  }
  for (; column < columns; column += 4) {
    const from = right + <usize>column * columnBytes
    fourColumns<T>(row, from, columnBytes, depthBytes, whole, depth, columns - column, sums + ((<usize>column) << 2))
  }
}

/** Two sums, because one would wait for its own latency; `whole` steps are contiguous fours. */
function eightColumns<T>(
  row: usize,
  c0: usize,
  columnBytes: usize,
  depthBytes: usize,
  whole: i32,
  depth: i32,
  sums: usize,
): void {
  let c1 = c0 + columnBytes
  let c2 = c1 + columnBytes
  let c3 = c2 + columnBytes
  let c4 = c3 + columnBytes
  let c5 = c4 + columnBytes
  let c6 = c5 + columnBytes
  let c7 = c6 + columnBytes
  let low = f32x4.splat(0)
  let high = low
  let x = row
  const end = x + ((<usize>whole) << 2)
  while (x != end) {
    const v0 = load4<T>(c0)
    const v1 = load4<T>(c1)
    const v2 = load4<T>(c2)
    const v3 = load4<T>(c3)
    const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5)
    const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7)
    const high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7)
    const x0 = v128.load32_splat(x)
    const x1 = v128.load32_splat(x, 4)
    const x2 = v128.load32_splat(x, 8)
    const x3 = v128.load32_splat(x, 12)
    low = madd(x0, v128.shuffle<i64>(low01, low23, 0, 2), low)
    low = madd(x1, v128.shuffle<i64>(low01, low23, 1, 3), low)
    low = madd(x2, v128.shuffle<i64>(high01, high23, 0, 2), low)
    low = madd(x3, v128.shuffle<i64>(high01, high23, 1, 3), low)
    const v4 = load4<T>(c4)
    const v5 = load4<T>(c5)
    const v6 = load4<T>(c6)
    const v7 = load4<T>(c7)
    const low45 = v128.shuffle<i32>(v4, v5, 0, 4, 1, 5)
    const low67 = v128.shuffle<i32>(v6, v7, 0, 4, 1, 5)
    const high45 = v128.shuffle<i32>(v4, v5, 2, 6, 3, 7)
    const high67 = v128.shuffle<i32>(v6, v7, 2, 6, 3, 7)
    high = madd(x0, v128.shuffle<i64>(low45, low67, 0, 2), high)
    high = madd(x1, v128.shuffle<i64>(low45, low67, 1, 3), high)
    high = madd(x2, v128.shuffle<i64>(high45, high67, 0, 2), high)
    high = madd(x3, v128.shuffle<i64>(high45, high67, 1, 3), high)
    c0 += 4 * sizeof<T>()
    c1 += 4 * sizeof<T>()
    c2 += 4 * sizeof<T>()
    c3 += 4 * sizeof<T>()
    c4 += 4 * sizeof<T>()
    c5 += 4 * sizeof<T>()
    c6 += 4 * sizeof<T>()
    c7 += 4 * sizeof<T>()
    x += 16
  }
  for (let step = whole; step < depth; step++) {
    const factor = v128.load32_splat(x)
    low = stepOf<T>(factor, c0, c1, c2, c3, low)
    high = stepOf<T>(factor, c4, c5, c6, c7, high)
    c0 += depthBytes
    c1 += depthBytes
    c2 += depthBytes
    c3 += depthBytes
    c4 += depthBytes
    c5 += depthBytes
    c6 += depthBytes
    c7 += depthBytes
    x += 4
  }
  v128.store(sums, low)
  v128.store(sums, high, 16)
}

function fourColumns<T>(
  row: usize,
  c0: usize,
  columnBytes: usize,
  depthBytes: usize,
  whole: i32,
  depth: i32,
  columns: i32,
  sums: usize,
): void {
  // Lanes past the last column repeat it; their sums land in the padding.
  let c1 = columns > 1 ? c0 + columnBytes : c0
  let c2 = columns > 2 ? c1 + columnBytes : c1
  let c3 = columns > 3 ? c2 + columnBytes : c2
  let x = row
  let sum = f32x4.splat(0)
  const end = x + ((<usize>whole) << 2)
  while (x != end) {
    const v0 = load4<T>(c0)
    const v1 = load4<T>(c1)
    const v2 = load4<T>(c2)
    const v3 = load4<T>(c3)
    const low01 = v128.shuffle<i32>(v0, v1, 0, 4, 1, 5)
    const low23 = v128.shuffle<i32>(v2, v3, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(v0, v1, 2, 6, 3, 7)
    const high23 = v128.shuffle<i32>(v2, v3, 2, 6, 3, 7)
    sum = madd(v128.load32_splat(x), v128.shuffle<i64>(low01, low23, 0, 2), sum)
    sum = madd(v128.load32_splat(x, 4), v128.shuffle<i64>(low01, low23, 1, 3), sum)
    sum = madd(v128.load32_splat(x, 8), v128.shuffle<i64>(high01, high23, 0, 2), sum)
    sum = madd(v128.load32_splat(x, 12), v128.shuffle<i64>(high01, high23, 1, 3), sum)
    c0 += 4 * sizeof<T>()
    c1 += 4 * sizeof<T>()
    c2 += 4 * sizeof<T>()
    c3 += 4 * sizeof<T>()
    x += 16
  }
  for (let step = whole; step < depth; step++) {
    sum = stepOf<T>(v128.load32_splat(x), c0, c1, c2, c3, sum)
    c0 += depthBytes
    c1 += depthBytes
    c2 += depthBytes
    c3 += depthBytes
    x += 4
  }
  v128.store(sums, sum)
}
