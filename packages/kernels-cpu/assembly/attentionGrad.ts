/**
 * Gradients of attention. Weights are recomputed from lse, tile by tile, so memory stays linear in T and S.
 * Stages: delta = Σ dout · out per query; then dq, an item per row block; then dk and dv, an item per key block, which
 * adds up its query heads and rows in order. When there are enough (batch, key head) pairs one stage does it all and
 * recomputes the weights once instead of twice; the order of additions is the same.
 *
 * Operands: q, k, v, out, lse, dout, mask?, length?; results: dq, dk, dv. Shared scratch: delta [B, H, T].
 * Thread scratch: q rows, dout rows, k rows, packed k, packed v, weights, score gradients, and sums of dq, dk, dv.
 */
import {
  AttentionWords,
  addTransposed,
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
import { exp4 } from './exponential'
import { F32, addressAt, floatShift, minI32 } from './memory'
import { madd } from './microkernel'
import { load4, loadOne, narrowRow } from './narrow'

/** Exports carry the number of operands, which the plan's words follow. */
export function attentionDelta6(desc: usize, scratch: usize, begin: i32, end: i32): void {
  deltaItems(desc, 6, begin, end)
}
export function attentionDelta7(desc: usize, scratch: usize, begin: i32, end: i32): void {
  deltaItems(desc, 7, begin, end)
}
export function attentionDelta8(desc: usize, scratch: usize, begin: i32, end: i32): void {
  deltaItems(desc, 8, begin, end)
}
export function attentionQueryGrad6(desc: usize, scratch: usize, begin: i32, end: i32): void {
  queryItems(desc, 6, scratch, begin, end)
}
export function attentionQueryGrad7(desc: usize, scratch: usize, begin: i32, end: i32): void {
  queryItems(desc, 7, scratch, begin, end)
}
export function attentionQueryGrad8(desc: usize, scratch: usize, begin: i32, end: i32): void {
  queryItems(desc, 8, scratch, begin, end)
}
export function attentionKeyGrad6(desc: usize, scratch: usize, begin: i32, end: i32): void {
  keyItems(desc, 6, scratch, begin, end)
}
export function attentionKeyGrad7(desc: usize, scratch: usize, begin: i32, end: i32): void {
  keyItems(desc, 7, scratch, begin, end)
}
export function attentionKeyGrad8(desc: usize, scratch: usize, begin: i32, end: i32): void {
  keyItems(desc, 8, scratch, begin, end)
}
export function attentionAllGrads6(desc: usize, scratch: usize, begin: i32, end: i32): void {
  allItems(desc, 6, scratch, begin, end)
}
export function attentionAllGrads7(desc: usize, scratch: usize, begin: i32, end: i32): void {
  allItems(desc, 7, scratch, begin, end)
}
export function attentionAllGrads8(desc: usize, scratch: usize, begin: i32, end: i32): void {
  allItems(desc, 8, scratch, begin, end)
}

function wordsOf(desc: usize, operands: i32): AttentionWords {
  return changetype<AttentionWords>(desc + ((<usize>(operands + 4)) << 2))
}

/** Items are (batch, head) pairs. */
function deltaItems(desc: usize, operands: i32, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  if (words.dtype == F32) deltaOf<f32>(desc, operands, words, begin, end)
  else if (words.dtype == 1) deltaOf<u16>(desc, operands, words, begin, end)
  else deltaOf<i16>(desc, operands, words, begin, end)
}

function deltaOf<T>(desc: usize, operands: i32, words: AttentionWords, begin: i32, end: i32): void {
  const delta = addressAt(desc, operands + 3)
  for (let item = begin; item < end; item++) {
    const batch = item / words.heads
    const head = item % words.heads
    for (let query = 0; query < words.queries; query++) {
      const outAt = batch * words.outBatch + head * words.outHead + query * words.outRow
      const doutAt = batch * words.doutBatch + head * words.doutHead + query * words.doutRow
      const out = addressAt(desc, 3) + <usize>outAt * sizeof<T>()
      const dout = addressAt(desc, 5) + <usize>doutAt * sizeof<T>()
      const sum = dotOf<T>(words.valueWidth, out, words.outColumn, dout, words.doutColumn)
      store<f32>(delta + ((<usize>(item * words.queries + query)) << 2), sum)
    }
  }
}

/** Four elements `stride` apart. */
function fourOf<T>(from: usize, stride: usize): v128 {
  if (stride == sizeof<T>()) return load4<T>(from)
  let lanes = f32x4.splat(loadOne<T>(from))
  lanes = f32x4.replace_lane(lanes, 1, loadOne<T>(from + stride))
  lanes = f32x4.replace_lane(lanes, 2, loadOne<T>(from + 2 * stride))
  return f32x4.replace_lane(lanes, 3, loadOne<T>(from + 3 * stride))
}

/** Σ a b, in four lanes whatever the strides, so that they do not change a bit. */
function dotOf<T>(count: i32, a: usize, aStride: i32, b: usize, bStride: i32): f32 {
  const aStep = <usize>aStride * sizeof<T>()
  const bStep = <usize>bStride * sizeof<T>()
  let lanes = f32x4.splat(0)
  let at = 0
  for (; at + 4 <= count; at += 4) {
    lanes = madd(fourOf<T>(a, aStep), fourOf<T>(b, bStep), lanes)
    a += 4 * aStep
    b += 4 * bStep
  }
  let sum: f32 = f32x4.extract_lane(lanes, 0) + f32x4.extract_lane(lanes, 2)
  sum += f32x4.extract_lane(lanes, 1) + f32x4.extract_lane(lanes, 3)
  for (; at < count; at++) {
    sum += loadOne<T>(a) * loadOne<T>(b)
    a += aStep
    b += bStep
  }
  return sum
}

/** Where the tiles of an item lie in its thread scratch. */
class Tiles {
  static queryRows(scratch: usize, words: AttentionWords): usize {
    return scratch
  }
  static doutRows(scratch: usize, words: AttentionWords): usize {
    return scratch + bytes(words.rowBlock, words.queryPitch)
  }
  static keyRows(scratch: usize, words: AttentionWords): usize {
    return Tiles.doutRows(scratch, words) + bytes(words.rowBlock, words.valuePitch)
  }
  static packedKeys(scratch: usize, words: AttentionWords): usize {
    return Tiles.keyRows(scratch, words) + bytes(words.keyBlock, words.queryPitch)
  }
  static packedValues(scratch: usize, words: AttentionWords): usize {
    return Tiles.packedKeys(scratch, words) + bytes(words.keyBlock, words.queryPitch)
  }
  static weights(scratch: usize, words: AttentionWords): usize {
    return Tiles.packedValues(scratch, words) + bytes(words.keyBlock, words.valuePitch)
  }
  static gradients(scratch: usize, words: AttentionWords): usize {
    return Tiles.weights(scratch, words) + bytes(words.rowBlock, words.keyBlock)
  }
  static queryGrad(scratch: usize, words: AttentionWords): usize {
    return Tiles.gradients(scratch, words) + bytes(words.rowBlock, words.keyBlock)
  }
  static keyGrad(scratch: usize, words: AttentionWords): usize {
    return Tiles.queryGrad(scratch, words) + bytes(words.rowBlock, words.queryPitch)
  }
  static valueGrad(scratch: usize, words: AttentionWords): usize {
    return Tiles.keyGrad(scratch, words) + bytes(words.keyBlock, words.queryPitch)
  }
  /** Keys open to every four rows. */
  static open(scratch: usize, words: AttentionWords): usize {
    return Tiles.valueGrad(scratch, words) + bytes(words.keyBlock, words.valuePitch)
  }
}

function bytes(rows: i32, pitch: i32): usize {
  return (<usize>(rows * pitch)) << 2
}

function loadRows(
  desc: usize,
  words: AttentionWords,
  scratch: usize,
  batch: i32,
  keyHead: i32,
  first: i32,
  rows: i32,
): void {
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
    Tiles.queryRows(scratch, words),
  )
  loadQueryRows(
    words,
    addressAt(desc, 5),
    words.doutBatch,
    words.doutHead,
    words.doutRow,
    words.doutColumn,
    batch,
    keyHead,
    first,
    rows,
    words.valueWidth,
    words.valuePitch,
    Tiles.doutRows(scratch, words),
  )
}

function loadKeys(
  desc: usize,
  words: AttentionWords,
  scratch: usize,
  batch: i32,
  keyHead: i32,
  firstKey: i32,
  count: i32,
): void {
  const shift = floatShift(words.dtype)
  const keyAt = batch * words.kBatch + keyHead * words.kHead + firstKey * words.kRow
  const valueAt = batch * words.vBatch + keyHead * words.vHead + firstKey * words.vRow
  const keys = addressAt(desc, 1) + ((<usize>keyAt) << shift)
  const values = addressAt(desc, 2) + ((<usize>valueAt) << shift)
  const keyRows = Tiles.keyRows(scratch, words)
  loadKeyRows(words, keys, words.kRow, words.kColumn, count, words.queryWidth, words.queryPitch, keyRows)
  packKeys(words.dtype, keys, words.kRow, words.kColumn, count, words.queryWidth, Tiles.packedKeys(scratch, words))
  packKeys(words.dtype, values, words.vRow, words.vColumn, count, words.valueWidth, Tiles.packedValues(scratch, words))
}

/** Weights and score gradients of a tile, from the loaded rows and keys. Rows up to a multiple of four are zero. */
function fillTile(
  desc: usize,
  operands: i32,
  words: AttentionWords,
  scratch: usize,
  batch: i32,
  keyHead: i32,
  first: i32,
  rows: i32,
  firstKey: i32,
  count: i32,
  length: i32,
): void {
  const padded = (count + 7) & ~7
  const pitch = (<usize>words.keyBlock) << 2
  const weights = Tiles.weights(scratch, words)
  const gradients = Tiles.gradients(scratch, words)
  const open = Tiles.open(scratch, words)
  findOpenKeys(words, length, first, rows, firstKey, count, open)
  const queryRows = Tiles.queryRows(scratch, words)
  const doutRows = Tiles.doutRows(scratch, words)
  const queryPitch = (<usize>words.queryPitch) << 2
  const valuePitch = (<usize>words.valuePitch) << 2
  const packedKeys = Tiles.packedKeys(scratch, words)
  const packedValues = Tiles.packedValues(scratch, words)
  scoreProduct(rows, count, words.queryWidth, queryRows, queryPitch, packedKeys, weights, pitch, open)
  scoreProduct(rows, count, words.valueWidth, doutRows, valuePitch, packedValues, gradients, pitch, open)
  const scale = f32x4.splat(words.scale)
  for (let row = 0; row < rows; row++) {
    const head = keyHead * sharingHeads(words) + (first + row) / words.queries
    const query = (first + row) % words.queries
    const scores = weights + <usize>row * pitch
    const visible = visibleKeys(words, length, query)
    const seen = finishScores(desc, words, scores, batch, head, query, firstKey, count, padded, visible)
    const lseAt = batch * words.lseBatch + head * words.lseHead + query * words.lseRow
    const lse = load<f32>(addressAt(desc, 4) + ((<usize>lseAt) << 2))
    const deltaAt = (batch * words.heads + head) * words.queries + query
    const delta = f32x4.splat(load<f32>(addressAt(desc, operands + 3) + ((<usize>deltaAt) << 2)))
    // A row that saw nothing has only −∞ scores; a finite shift gives them weight 0.
    const shift = f32x4.splat(lse == -Infinity ? 0 : lse)
    for (let at: usize = 0; at < (<usize>seen) << 2; at += 16) {
      const weight = exp4(f32x4.sub(v128.load(scores + at), shift))
      const gradient = gradients + <usize>row * pitch + at
      v128.store(scores + at, weight)
      v128.store(gradient, f32x4.mul(f32x4.mul(weight, f32x4.sub(v128.load(gradient), delta)), scale))
    }
    memory.fill(gradients + <usize>row * pitch + ((<usize>seen) << 2), 0, (<usize>(padded - seen)) << 2)
  }
}

/** Adds score gradients × keys to dq of a row block. */
function addQueryGrad(words: AttentionWords, scratch: usize, rows: i32, to: usize): void {
  const queryPitch = (<usize>words.queryPitch) << 2
  addWeighted(
    rows,
    words.queryPitch,
    Tiles.gradients(scratch, words),
    (<usize>words.keyBlock) << 2,
    Tiles.keyRows(scratch, words),
    queryPitch,
    to,
    queryPitch,
    Tiles.open(scratch, words),
  )
}

/** Adds score gradientsᵀ × q rows to dk and weightsᵀ × dout rows to dv. */
function addKeyGrads(words: AttentionWords, scratch: usize, rows: i32, count: i32): void {
  const pitch = (<usize>words.keyBlock) << 2
  const keyGrad = Tiles.keyGrad(scratch, words)
  const valueGrad = Tiles.valueGrad(scratch, words)
  const open = Tiles.open(scratch, words)
  const gradients = Tiles.gradients(scratch, words)
  addTransposed(count, words.queryPitch, rows, gradients, pitch, Tiles.queryRows(scratch, words), keyGrad, open)
  addTransposed(
    count,
    words.valuePitch,
    rows,
    Tiles.weights(scratch, words),
    pitch,
    Tiles.doutRows(scratch, words),
    valueGrad,
    open,
  )
}

function clear(tile: usize, rows: i32, pitch: i32): void {
  memory.fill(tile, 0, bytes(rows, pitch))
}

/** Writes the rows of a tile into a dense result. */
function writeTile(
  words: AttentionWords,
  tile: usize,
  pitch: i32,
  result: usize,
  firstRow: i32,
  rows: i32,
  width: i32,
): void {
  const shift = floatShift(words.dtype)
  for (let row = 0; row < rows; row++) {
    const to = result + ((<usize>(firstRow + row) * <usize>width) << shift)
    narrowRow(words.dtype, tile + ((<usize>(row * pitch)) << 2), to, width, 1)
  }
}

/** Items are batches × key heads × row blocks. */
function queryItems(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const length = lengthOf(desc, words)
  for (let item = begin; item < end; item++) {
    const first = (item % words.rowBlocks) * words.rowBlock
    const pair = item / words.rowBlocks
    const batch = pair / words.keyHeads
    const keyHead = pair % words.keyHeads
    const rows = minI32(words.rowBlock, rowsOf(words) - first)
    loadRows(desc, words, scratch, batch, keyHead, first, rows)
    clear(Tiles.queryGrad(scratch, words), words.rowBlock, words.queryPitch)
    const limit = mostVisibleKeys(words, length, first, rows)
    for (let firstKey = 0; firstKey < limit; firstKey += words.keyBlock) {
      // The same blocks as in keyItems, for the same bits: cut at the length, not at the limit.
      const count = minI32(words.keyBlock, length - firstKey)
      loadKeys(desc, words, scratch, batch, keyHead, firstKey, count)
      fillTile(desc, operands, words, scratch, batch, keyHead, first, rows, firstKey, count, length)
      addQueryGrad(words, scratch, rows, Tiles.queryGrad(scratch, words))
    }
    const firstRow = pair * rowsOf(words) + first
    writeTile(
      words,
      Tiles.queryGrad(scratch, words),
      words.queryPitch,
      addressAt(desc, operands),
      firstRow,
      rows,
      words.queryWidth,
    )
  }
}

/** Items are batches × key heads × key blocks. */
function keyItems(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  for (let item = begin; item < end; item++) {
    const firstKey = (item % words.keyBlocks) * words.keyBlock
    runKeyBlock(desc, operands, words, scratch, item / words.keyBlocks, firstKey, 0)
  }
}

/** Items are batches × key heads. dq is summed in shared scratch behind delta, in f32. */
function allItems(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const rows = rowsOf(words)
  const deltaBytes = (<usize>(words.batches * words.heads * words.queries) * 4 + 63) & ~63
  for (let pair = begin; pair < end; pair++) {
    // Rows are computed in fours: without the rounding the last ones would touch the sums of another item.
    const sums = addressAt(desc, operands + 3) + deltaBytes + bytes(pair * ((rows + 3) & ~3), words.queryPitch)
    clear(sums, (rows + 3) & ~3, words.queryPitch)
    for (let block = 0; block < words.keyBlocks; block++) {
      runKeyBlock(desc, operands, words, scratch, pair, block * words.keyBlock, sums)
    }
    writeTile(words, sums, words.queryPitch, addressAt(desc, operands), pair * rows, rows, words.queryWidth)
  }
}

/** dk and dv of one key block; adds its part to dq where `querySums` is not 0. */
function runKeyBlock(
  desc: usize,
  operands: i32,
  words: AttentionWords,
  scratch: usize,
  pair: i32,
  firstKey: i32,
  querySums: usize,
): void {
  const batch = pair / words.keyHeads
  const keyHead = pair % words.keyHeads
  const length = lengthOf(desc, words)
  const keys = minI32(words.keyBlock, words.keys - firstKey)
  const count = max(0, minI32(keys, length - firstKey))
  clear(Tiles.keyGrad(scratch, words), words.keyBlock, words.queryPitch)
  clear(Tiles.valueGrad(scratch, words), words.keyBlock, words.valuePitch)
  if (count > 0) {
    loadKeys(desc, words, scratch, batch, keyHead, firstKey, count)
    const allRows = rowsOf(words)
    for (let first = 0; first < allRows; first += words.rowBlock) {
      const rows = minI32(words.rowBlock, allRows - first)
      if (mostVisibleKeys(words, length, first, rows) <= firstKey) continue
      loadRows(desc, words, scratch, batch, keyHead, first, rows)
      fillTile(desc, operands, words, scratch, batch, keyHead, first, rows, firstKey, count, length)
      addKeyGrads(words, scratch, rows, count)
      if (querySums != 0) {
        addQueryGrad(words, scratch, rows, querySums + <usize>first * ((<usize>words.queryPitch) << 2))
      }
    }
  }
  const firstRow = pair * words.keys + firstKey
  writeTile(
    words,
    Tiles.keyGrad(scratch, words),
    words.queryPitch,
    addressAt(desc, operands + 1),
    firstRow,
    keys,
    words.queryWidth,
  )
  writeTile(
    words,
    Tiles.valueGrad(scratch, words),
    words.valuePitch,
    addressAt(desc, operands + 2),
    firstRow,
    keys,
    words.valueWidth,
  )
}
