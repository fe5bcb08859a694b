/** What attention and its gradient share: the words of a plan, tiles of rows, and masked scores. */
import { F16, F32, floatShift, minI32, addressAt } from './memory'
import { blockStrided } from './microkernel'
import { loadOne, widenRow } from './narrow'
import { packPanel } from './pack'

/** Constants of a plan, in the order of `attentionWords` (src/routines/attention.ts). Strides are in elements. */
@unmanaged
export class AttentionWords {
  dtype: i32
  heads: i32
  keyHeads: i32
  queries: i32
  keys: i32
  /** Head sizes of q, k and of v, and the same rounded up to 8. */
  queryWidth: i32
  valueWidth: i32
  queryPitch: i32
  valuePitch: i32
  scale: f32
  /** 0 none, 1 topLeft, 2 bottomRight */
  causal: i32
  /** 0 none, 1 bool, 2 float */
  maskKind: i32
  maskType: i32
  /** Place in the descriptor; −1: all keys are in use. */
  maskOperand: i32
  lengthOperand: i32
  rowBlock: i32
  keyBlock: i32
  rowBlocks: i32
  keyBlocks: i32
  batches: i32
  qBatch: i32
  qHead: i32
  qRow: i32
  qColumn: i32
  kBatch: i32
  kHead: i32
  kRow: i32
  kColumn: i32
  vBatch: i32
  vHead: i32
  vRow: i32
  vColumn: i32
  maskBatch: i32
  maskHead: i32
  maskRow: i32
  maskColumn: i32
  /** Of the gradient only: strides of out, dout and lse. */
  outBatch: i32
  outHead: i32
  outRow: i32
  outColumn: i32
  doutBatch: i32
  doutHead: i32
  doutRow: i32
  doutColumn: i32
  lseBatch: i32
  lseHead: i32
  lseRow: i32
}

/** Query heads that share one key head. */
export function sharingHeads(words: AttentionWords): i32 {
  return words.heads / words.keyHeads
}

/** Rows of a key head: (sharing head, query) pairs. */
export function rowsOf(words: AttentionWords): i32 {
  return sharingHeads(words) * words.queries
}

/** Keys in use. */
export function lengthOf(desc: usize, words: AttentionWords): i32 {
  if (words.lengthOperand < 0) return words.keys
  const length = load<i32>(addressAt(desc, words.lengthOperand))
  return max(0, minI32(length, words.keys))
}

/** How many leading keys query t may see. */
export function visibleKeys(words: AttentionWords, length: i32, t: i32): i32 {
  if (words.causal == 0) return length
  const last = words.causal == 1 ? t : t + length - words.queries
  return max(0, minI32(length, last + 1))
}

/** The most keys that any of the rows first … first+rows-1 may see. */
export function mostVisibleKeys(words: AttentionWords, length: i32, first: i32, rows: i32): i32 {
  const lastQuery = (first % words.queries) + rows - 1
  return visibleKeys(words, length, minI32(lastQuery, words.queries - 1))
}

/**
 * Rows of q, out or dout as f32: tile[row][0 … pitch-1], zero past `width` and past `rows` up to a multiple of four.
 */
export function loadQueryRows(
  words: AttentionWords,
  base: usize,
  batchStride: i32,
  headStride: i32,
  rowStride: i32,
  columnStride: i32,
  batch: i32,
  keyHead: i32,
  first: i32,
  rows: i32,
  width: i32,
  pitch: i32,
  tile: usize,
): void {
  const shift = floatShift(words.dtype)
  const firstHead = keyHead * sharingHeads(words)
  for (let row = 0; row < rows; row++) {
    const head = firstHead + (first + row) / words.queries
    const query = (first + row) % words.queries
    const at = batch * batchStride + head * headStride + query * rowStride
    const to = tile + ((<usize>(row * pitch)) << 2)
    widenRow(words.dtype, base + ((<usize>at) << shift), columnStride, to, width)
    zeroRest(to, width, pitch)
  }
  zeroRows(tile, rows, pitch)
}

function zeroRest(row: usize, width: i32, pitch: i32): void {
  if (width < pitch) memory.fill(row + ((<usize>width) << 2), 0, (<usize>(pitch - width)) << 2)
}

function zeroRows(tile: usize, rows: i32, pitch: i32): void {
  const padded = (rows + 3) & ~3
  if (rows < padded) memory.fill(tile + ((<usize>(rows * pitch)) << 2), 0, (<usize>((padded - rows) * pitch)) << 2)
}

/** Rows of k or v as f32, zero past `width` and past `rows` up to a multiple of four. */
export function loadKeyRows(
  words: AttentionWords,
  from: usize,
  rowStride: i32,
  columnStride: i32,
  rows: i32,
  width: i32,
  pitch: i32,
  tile: usize,
): void {
  const shift = floatShift(words.dtype)
  for (let row = 0; row < rows; row++) {
    const to = tile + ((<usize>(row * pitch)) << 2)
    widenRow(words.dtype, from + ((<usize>(row * rowStride)) << shift), columnStride, to, width)
    zeroRest(to, width, pitch)
  }
  zeroRows(tile, rows, pitch)
}

/** Panels of eight keys: [panel][width][8]. */
export function packKeys(
  dtype: i32,
  from: usize,
  rowStride: i32,
  columnStride: i32,
  rows: i32,
  width: i32,
  to: usize,
): void {
  const shift = floatShift(dtype)
  for (let row = 0; row < rows; row += 8) {
    const panel = to + ((<usize>(row * width)) << 2)
    packPanel(dtype, from + ((<usize>(row * rowStride)) << shift), rowStride, columnStride, rows - row, width, panel, 8)
  }
}

/**
 * c[keys, columns] += weights[rows, keys]ᵀ × b[rows, columns]; b and c have rows of `columns` floats. Rows before the first
 * that may see any key of a four have weights of zero and are passed over.
 */
export function addTransposed(
  keys: i32,
  columns: i32,
  rows: i32,
  weights: usize,
  weightRow: usize,
  b: usize,
  c: usize,
  open: usize,
): void {
  const pitch = (<usize>columns) << 2
  for (let key = 0; key < keys; key += 4) {
    let first = 0
    while (first < rows && load<i32>(open + <usize>first) <= key) first += 4
    if (first >= rows) continue
    const w0 = weights + ((<usize>key) << 2) + <usize>first * weightRow
    const from = b + <usize>first * pitch
    const to = c + <usize>key * pitch
    for (let column: usize = 0; column < pitch; column += 32) {
      blockStrided(rows - first, w0, w0 + 4, w0 + 8, w0 + 12, weightRow, from + column, pitch, to + column, pitch, true)
    }
  }
}

/**
 * For every four rows, how many of the keys firstKey … firstKey+count-1 any of them may see (i32 each). Products are
 * cut there, which halves the work of causal attention inside a tile.
 */
export function findOpenKeys(
  words: AttentionWords,
  length: i32,
  first: i32,
  rows: i32,
  firstKey: i32,
  count: i32,
  open: usize,
): void {
  for (let row = 0; row < rows; row += 4) {
    const most = mostVisibleKeys(words, length, first + row, minI32(4, rows - row))
    store<i32>(open + <usize>row, max(0, minI32(count, most - firstKey)))
  }
}

/** c[rows, keys] = a[rows, depth] × packed keys; cells of keys that no row of a four may see are left as they are. */
export function scoreProduct(
  rows: i32,
  count: i32,
  depth: i32,
  a: usize,
  aRow: usize,
  packed: usize,
  c: usize,
  cRow: usize,
  open: usize,
): void {
  for (let column = 0; column < count; column += 8) {
    for (let row = 0; row < rows; row += 4) {
      if (load<i32>(open + <usize>row) <= column) continue
      const a0 = a + <usize>row * aRow
      const to = c + <usize>row * cRow + ((<usize>column) << 2)
      blockStrided(depth, a0, a0 + aRow, a0 + 2 * aRow, a0 + 3 * aRow, 4, packed, 32, to, cRow, false)
    }
    packed += (<usize>depth) << 5
  }
}

/** c[rows, columns] += weights[rows, keys] × b[keys, columns], over the keys that some row of a four may see. */
export function addWeighted(
  rows: i32,
  columns: i32,
  weights: usize,
  weightRow: usize,
  b: usize,
  bRow: usize,
  c: usize,
  cRow: usize,
  open: usize,
): void {
  for (let column = 0; column < columns; column += 8) {
    for (let row = 0; row < rows; row += 4) {
      const w0 = weights + <usize>row * weightRow
      const to = c + <usize>row * cRow + ((<usize>column) << 2)
      const depth = load<i32>(open + <usize>row)
      blockStrided(depth, w0, w0 + weightRow, w0 + 2 * weightRow, w0 + 3 * weightRow, 4, b, bRow, to, cRow, true)
    }
    b += 32
  }
}

/**
 * Scales the products of one query row with keys firstKey …, adds its mask, and hides what it may not see.
 *
 * @returns how many leading scores are to be read, a multiple of four: those it may see, then −Infinity. Later ones up
 * to `padded` are set to 0, the weight that they will have.
 */
export function finishScores(
  desc: usize,
  words: AttentionWords,
  scores: usize,
  batch: i32,
  head: i32,
  query: i32,
  firstKey: i32,
  count: i32,
  padded: i32,
  visible: i32,
): i32 {
  const open = max(0, minI32(count, visible - firstKey))
  const rounded = (open + 3) & ~3
  const scale = f32x4.splat(words.scale)
  for (let at = 0; at < rounded; at += 4) {
    const to = scores + ((<usize>at) << 2)
    v128.store(to, f32x4.mul(v128.load(to), scale))
  }
  for (let at = open; at < rounded; at++) store<f32>(scores + ((<usize>at) << 2), -Infinity)
  for (let at = rounded; at < padded; at += 4) v128.store(scores + ((<usize>at) << 2), f32x4.splat(0))
  if (words.maskKind != 0) {
    const offset = batch * words.maskBatch + head * words.maskHead + query * words.maskRow + firstKey * words.maskColumn
    applyMask(words, addressAt(desc, words.maskOperand), offset, scores, open)
  }
  return rounded
}

function applyMask(words: AttentionWords, mask: usize, offset: i32, scores: usize, count: i32): void {
  if (words.maskKind == 1) {
    const from = mask + <usize>offset
    for (let at = 0; at < count; at++) {
      if (load<u8>(from + <usize>(at * words.maskColumn)) == 0) store<f32>(scores + ((<usize>at) << 2), -Infinity)
    }
  } else if (words.maskType == F32) {
    addMask<f32>(mask + ((<usize>offset) << 2), words.maskColumn, scores, count)
  } else if (words.maskType == F16) {
    addMask<u16>(mask + ((<usize>offset) << 1), words.maskColumn, scores, count)
  } else {
    addMask<i16>(mask + ((<usize>offset) << 1), words.maskColumn, scores, count)
  }
}

function addMask<T>(mask: usize, stride: i32, scores: usize, count: i32): void {
  for (let at = 0; at < count; at++) {
    const to = scores + ((<usize>at) << 2)
    store<f32>(to, load<f32>(to) + loadOne<T>(mask + <usize>(at * stride) * sizeof<T>()))
  }
}
