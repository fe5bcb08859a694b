/**
 * Attention without the T×S matrix: keys are walked in blocks; every query row keeps its maximum, the sum of its
 * exponentials and an unnormalised output, which are rescaled when the maximum grows (FlashAttention, arXiv 2205.14135).
 * The query heads of one key head are rows of one problem, so that keys are read once for all of them.
 * Items are batches × key heads × row blocks.
 *
 * Thread scratch: q rows, packed keys, value rows, scores, output rows, maximum and sum of every row,
 * keys open to every four rows.
 */
import {
  AttentionWords,
  addWeighted,
  findOpenKeys,
  finishScores,
  lengthOf,
  loadKeyRows,
  loadQueryRows,
  mostVisibleKeys,
  packKeys,
  rowsOf,
  scoreProduct,
  sharingHeads,
  visibleKeys,
} from './attentionTiles'
import { exp4, log1 } from './exponential'
import { F32, addressAt, floatShift, minI32 } from './memory'
import { narrowRow } from './narrow'

/** q, k, v, then mask and length where the step has them, then out, lse, shared, words: one export for each count. */
export function attention3(desc: usize, scratch: usize, begin: i32, end: i32): void {
  runItems(desc, 3, scratch, begin, end)
}
export function attention4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  runItems(desc, 4, scratch, begin, end)
}
export function attention5(desc: usize, scratch: usize, begin: i32, end: i32): void {
  runItems(desc, 5, scratch, begin, end)
}

function runItems(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = changetype<AttentionWords>(desc + ((<usize>(operands + 3)) << 2))
  for (let item = begin; item < end; item++) {
    const block = item % words.rowBlocks
    const keyHead = (item / words.rowBlocks) % words.keyHeads
    const batch = item / words.rowBlocks / words.keyHeads
    runRows(desc, words, operands, scratch, batch, keyHead, block * words.rowBlock)
  }
}

function runRows(
  desc: usize,
  words: AttentionWords,
  operands: i32,
  scratch: usize,
  batch: i32,
  keyHead: i32,
  first: i32,
): void {
  const rows = minI32(words.rowBlock, rowsOf(words) - first)
  const rowRoom = <usize>((words.rowBlock + 3) & ~3)
  const queryRows = scratch
  const packedKeys = queryRows + ((rowRoom * <usize>words.queryPitch) << 2)
  const valueRows = packedKeys + ((<usize>(words.keyBlock * words.queryPitch)) << 2)
  const scores = valueRows + ((<usize>(words.keyBlock * words.valuePitch)) << 2)
  const outRows = scores + ((rowRoom * <usize>words.keyBlock) << 2)
  const maxima = outRows + ((rowRoom * <usize>words.valuePitch) << 2)
  const sums = maxima + (rowRoom << 2)
  const open = sums + (rowRoom << 2)

  loadQueryRows(
    words,
    addressAt(desc, 0),
    words.qBatch,
    words.qHead,
    words.qRow,
    words.qColumn,
    batch,
    keyHead,
    first,
    rows,
    words.queryWidth,
    words.queryPitch,
    queryRows,
  )
  memory.fill(outRows, 0, (rowRoom * <usize>words.valuePitch) << 2)
  for (let row = 0; row < rows; row++) {
    store<f32>(maxima + ((<usize>row) << 2), -Infinity)
    store<f32>(sums + ((<usize>row) << 2), 0)
  }

  const length = lengthOf(desc, words)
  const limit = mostVisibleKeys(words, length, first, rows)
  const shift = floatShift(words.dtype)
  const keys = addressAt(desc, 1) + ((<usize>(batch * words.kBatch + keyHead * words.kHead)) << shift)
  const values = addressAt(desc, 2) + ((<usize>(batch * words.vBatch + keyHead * words.vHead)) << shift)
  const readsInPlace = words.dtype == F32 && words.vColumn == 1 && words.valueWidth == words.valuePitch
  for (let firstKey = 0; firstKey < limit; firstKey += words.keyBlock) {
    const count = minI32(words.keyBlock, limit - firstKey)
    const padded = (count + 7) & ~7
    const scorePitch = (<usize>words.keyBlock) << 2
    packKeys(
      words.dtype,
      keys + ((<usize>(firstKey * words.kRow)) << shift),
      words.kRow,
      words.kColumn,
      count,
      words.queryWidth,
      packedKeys,
    )
    findOpenKeys(words, length, first, rows, firstKey, count, open)
    const queryPitch = (<usize>words.queryPitch) << 2
    scoreProduct(rows, count, words.queryWidth, queryRows, queryPitch, packedKeys, scores, scorePitch, open)
    for (let row = 0; row < rows; row++) {
      const head = keyHead * sharingHeads(words) + (first + row) / words.queries
      const query = (first + row) % words.queries
      const visible = visibleKeys(words, length, query)
      const here = scores + <usize>row * scorePitch
      const seen = finishScores(desc, words, here, batch, head, query, firstKey, count, padded, visible)
      if (seen == 0) continue
      const out = outRows + ((<usize>(row * words.valuePitch)) << 2)
      foldRow(here, seen, out, words.valuePitch, maxima + ((<usize>row) << 2), sums + ((<usize>row) << 2))
    }
    let source = values + ((<usize>(firstKey * words.vRow)) << shift)
    let step = (<usize>words.vRow) << 2
    if (!readsInPlace) {
      loadKeyRows(words, source, words.vRow, words.vColumn, count, words.valueWidth, words.valuePitch, valueRows)
      source = valueRows
      step = (<usize>words.valuePitch) << 2
    }
    const outPitch = (<usize>words.valuePitch) << 2
    addWeighted(rows, words.valuePitch, scores, scorePitch, source, step, outRows, outPitch, open)
  }

  const outElement = (batch * words.heads + keyHead * sharingHeads(words)) * words.queries + first
  const out = addressAt(desc, operands) + ((<usize>outElement * <usize>words.valueWidth) << shift)
  const lse = addressAt(desc, operands + 1) + ((<usize>outElement) << 2)
  for (let row = 0; row < rows; row++) {
    const sum = load<f32>(sums + ((<usize>row) << 2))
    const from = outRows + ((<usize>(row * words.valuePitch)) << 2)
    scaleRow(from, words.valuePitch, sum == 0 ? 0 : 1 / sum)
    narrowRow(words.dtype, from, out + ((<usize>(row * words.valueWidth)) << shift), words.valueWidth, 1)
    const top = load<f32>(maxima + ((<usize>row) << 2))
    store<f32>(lse + ((<usize>row) << 2), sum == 0 ? -Infinity : top + log1(sum))
  }
}

function scaleRow(row: usize, count: i32, factor: f32): void {
  const factors = f32x4.splat(factor)
  for (let at: usize = 0; at < (<usize>count) << 2; at += 16) {
    v128.store(row + at, f32x4.mul(v128.load(row + at), factors))
  }
}

function largest(lanes: v128): f32 {
  return max<f32>(
    max<f32>(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 2)),
    max<f32>(f32x4.extract_lane(lanes, 1), f32x4.extract_lane(lanes, 3)),
  )
}

function sumOf(lanes: v128): f32 {
  return (
    f32x4.extract_lane(lanes, 0) +
    f32x4.extract_lane(lanes, 2) +
    (f32x4.extract_lane(lanes, 1) + f32x4.extract_lane(lanes, 3))
  )
}

/** Turns a row of scores into exponentials and brings what the row has gathered so far to the new maximum. */
function foldRow(scores: usize, count: i32, out: usize, width: i32, maximum: usize, sum: usize): void {
  const end = scores + ((<usize>count) << 2)
  let tops = f32x4.splat(-Infinity)
  // pmax passes over NaN, which reaches the sum, and through it everything, by its exponential.
  for (let at = scores; at != end; at += 16) tops = f32x4.pmax(tops, v128.load(at))
  const before = load<f32>(maximum)
  const top = max<f32>(before, largest(tops))
  // A row that has seen nothing yet keeps a finite shift, so that exp(−∞ − shift) is 0 and not NaN.
  const shift: f32 = top == -Infinity ? 0 : top
  const shifts = f32x4.splat(shift)
  let total = f32x4.splat(0)
  for (let at = scores; at != end; at += 16) {
    const weight = exp4(f32x4.sub(v128.load(at), shifts))
    v128.store(at, weight)
    total = f32x4.add(total, weight)
  }
  store<f32>(maximum, top)
  if (before == -Infinity) {
    // The first keys of a row: there is nothing to bring to the new maximum.
    store<f32>(sum, sumOf(total))
    return
  }
  const rescale = f32x4.extract_lane(exp4(f32x4.splat(before - shift)), 0)
  store<f32>(sum, load<f32>(sum) * rescale + sumOf(total))
  if (rescale != 1) scaleRow(out, width, rescale)
}
