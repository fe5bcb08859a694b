/**
 * Products with block-quantised weights [N, K] (layout: packages/tensor/src/program/quant.ts).
 *
 * Few rows of x: weights are read once and never stored as floats. Activations are f32, or integers per block of at
 * most 128 elements inside a group (`int8` and 15-bit `int16`): x ≈ xq · step. Sums of a block are exact integers, so
 * Σ (q − zero) x = step · scale · (Σ q xq − zero Σ xq).
 * Many rows: weights are widened panel by panel and multiplied like any f32 matrix.
 */
import { F32, addressAt, floatShift, minI32 } from './memory'
import { EDGE_BYTES, blockPacked, madd } from './microkernel'
import { narrowRow, widenRow } from './narrow'
import { packPanel } from './pack'

/** Constants of a plan, in the order of `quantWords` (src/routines/quantMatmul.ts). */
@unmanaged
export class QuantWords {
  rows: i32
  columns: i32
  depth: i32
  xType: i32
  xRow: i32
  xColumn: i32
  /** 0 int8, 1 int4, 2 int4sym, 3 nf4 */
  format: i32
  group: i32
  groups: i32
  /** 0 f32, 1 i16, 2 i8 */
  activations: i32
  blocksPerGroup: i32
  /** Bytes of one row of prepared activations in shared scratch. */
  preparedBytes: i32
  columnBlock: i32
}

const INT8: i32 = 0
const INT4: i32 = 1
const NF4: i32 = 3
const AS_F32: i32 = 0
const AS_I16: i32 = 1

/** Elements of an activation block. */
const BLOCK: i32 = 128
const DEPTH_BLOCK: i32 = 256

/** x, packed, scale, zero, result, shared: without a zero operand the rest moves up by one. */
export function quantPrepare3(desc: usize, scratch: usize, begin: i32, end: i32): void {
  prepareRows(desc, 3, scratch, begin, end)
}
export function quantPrepare4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  prepareRows(desc, 4, scratch, begin, end)
}
export function quantVector3(desc: usize, scratch: usize, begin: i32, end: i32): void {
  vectorItems(desc, 3, scratch, begin, end)
}
export function quantVector4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  vectorItems(desc, 4, scratch, begin, end)
}
export function quantPack3(desc: usize, scratch: usize, begin: i32, end: i32): void {
  packItems(desc, 3, begin, end)
}
export function quantPack4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  packItems(desc, 4, begin, end)
}
export function quantPanels3(desc: usize, scratch: usize, begin: i32, end: i32): void {
  panelItems(desc, 3, scratch, begin, end)
}
export function quantPanels4(desc: usize, scratch: usize, begin: i32, end: i32): void {
  panelItems(desc, 4, scratch, begin, end)
}

function wordsOf(desc: usize, operands: i32): QuantWords {
  return changetype<QuantWords>(desc + ((<usize>(operands + 2)) << 2))
}

// Prepared activations of a row. f32: the row. Integers: step of every block, step · Σ xq of every block, then xq:
// as two planes of bytes (xq = 128 · high + low) for 4-bit weights where a dot product of bytes exists, else as i16.

function usesPlanes(words: QuantWords): bool {
  return ASC_FEATURE_RELAXED_SIMD && words.format != INT8 && words.format != NF4
}

function blocksOf(words: QuantWords): i32 {
  return words.groups * words.blocksPerGroup
}

/** Items are rows of x. Thread scratch: one row. */
function prepareRows(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const shift = floatShift(words.xType)
  for (let row = begin; row < end; row++) {
    const from = addressAt(desc, 0) + ((<usize>(row * words.xRow)) << shift)
    prepareRow(words, scratch, from, addressAt(desc, operands + 1) + <usize>row * <usize>words.preparedBytes)
  }
}

export function prepareRow(words: QuantWords, scratch: usize, from: usize, to: usize): void {
  if (words.activations == AS_F32) {
    widenRow(words.xType, from, words.xColumn, to, words.depth)
    return
  }
  widenRow(words.xType, from, words.xColumn, scratch, words.depth)
  const blocks = blocksOf(words)
  for (let block = 0; block < blocks; block++) {
    const inGroup = (block % words.blocksPerGroup) * BLOCK
    const first = (block / words.blocksPerGroup) * words.group + inGroup
    quantizeBlock(words, scratch, to, block, first, minI32(BLOCK, words.group - inGroup))
  }
}

function quantizeBlock(words: QuantWords, row: usize, to: usize, block: i32, first: i32, count: i32): void {
  let largest: f32 = 0
  for (let at = first; at < first + count; at++) {
    // NaN reaches the step, and through it the result.
    largest = max<f32>(largest, abs<f32>(load<f32>(row + ((<usize>at) << 2))))
  }
  const step = largest / (words.activations == AS_I16 ? <f32>16256 : <f32>127)
  const inverse: f32 = step == 0 ? 0 : 1 / step
  const values = to + ((<usize>blocksOf(words)) << 3)
  let sum = 0
  for (let at = first; at < first + count; at++) {
    const ratio = nearest<f32>(load<f32>(row + ((<usize>at) << 2)) * inverse)
    // Saturating, because a plain conversion traps on NaN.
    const q = i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(f32x4.splat(ratio)), 0)
    sum += q
    if (usesPlanes(words)) {
      const high = words.activations == AS_I16 ? (q + 64) >> 7 : q
      store<i8>(values + <usize>at, <i8>high)
      store<i8>(values + <usize>(words.depth + at), <i8>(q - (high << 7)))
    } else {
      store<i16>(values + ((<usize>at) << 1), <i16>q)
    }
  }
  store<f32>(to + ((<usize>block) << 2), step)
  store<f32>(to + ((<usize>(blocksOf(words) + block)) << 2), step * <f32>sum)
}

/** Items are blocks of output columns; every row of x is done while the weights are in the cache. */
function vectorItems(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const x = addressAt(desc, operands + 1)
  for (let item = begin; item < end; item++) {
    const first = item * words.columnBlock
    const count = minI32(words.columnBlock, words.columns - first)
    const result = addressAt(desc, operands) + ((<usize>first) << floatShift(words.xType))
    vectorBlock(desc, words, scratch, x, words.rows, first, count, result)
  }
}

/**
 * `rows` prepared rows from x times `count` rows of the weight from `first` on; `result` is the address of the first element. Thread
 * scratch: one block of results.
 */
export function vectorBlock(
  desc: usize,
  words: QuantWords,
  scratch: usize,
  x: usize,
  rows: i32,
  first: i32,
  count: i32,
  result: usize,
): void {
  const packedBytes = <usize>(words.format == INT8 ? words.depth : words.depth >> 1)
  const rowBytes = (<usize>words.columns) << floatShift(words.xType)
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < count; at++) {
      const column = first + at
      const packed = addressAt(desc, 1) + <usize>column * packedBytes
      const scales = addressAt(desc, 2) + ((<usize>(column * words.groups)) << 2)
      const zeros = words.format == INT4 ? addressAt(desc, 3) + <usize>(column * words.groups) : 0
      store<f32>(scratch + ((<usize>at) << 2), columnProduct(words, x, packed, scales, zeros))
    }
    narrowRow(words.xType, scratch, result, count, 1)
    x += <usize>words.preparedBytes
    result += rowBytes
  }
}

function columnProduct(words: QuantWords, x: usize, packed: usize, scales: usize, zeros: usize): f32 {
  if (words.activations == AS_F32) return productF32(words, x, packed, scales, zeros)
  if (words.format == INT8) return productInt8(words, x, packed, scales)
  if (words.format == NF4) return productNF4(words, x, packed, scales)
  if (words.activations == AS_I16) return productInt4<i16>(words, x, packed, scales, zeros)
  return productInt4<i8>(words, x, packed, scales, zeros)
}

function sumLanes(lanes: v128): f32 {
  const low = f32x4.extract_lane(lanes, 0) + f32x4.extract_lane(lanes, 2)
  return low + (f32x4.extract_lane(lanes, 1) + f32x4.extract_lane(lanes, 3))
}

/**
 * i16 lanes + two products of neighbours each: 32 signed bytes of activations times the 32 halves in `bytes`.
 * A product is at most 127 · 15, so four calls (eight pairs of products a lane) stay below 2¹⁵.
 */
function addHalves(x: usize, bytes: v128, sum: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return sum
  const low4 = i8x16.splat(15)
  const first = v128.and(bytes, low4)
  const second = v128.and(i16x8.shr_u(bytes, 4), low4)
  sum = i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(x), first))
  return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(v128.load(x, 16), second))
}

/** Σ q xq of a block as i32 lanes. `x` is the plane of high bytes; `depth` bytes further is the low one. */
function blockOfHalves<T>(x: usize, depth: usize, packed: usize, bytes: usize): v128 {
  let high = i16x8.splat(0)
  let low = high
  for (const end = packed + bytes; packed != end; packed += 16) {
    const weights = v128.load(packed)
    high = addHalves(x, weights, high)
    if (sizeof<T>() == 2) low = addHalves(x + depth, weights, low)
    x += 32
  }
  const sum = i32x4.extadd_pairwise_i16x8_s(high)
  if (sizeof<T>() == 1) return sum
  return i32x4.add(i32x4.shl(sum, 7), i32x4.extadd_pairwise_i16x8_s(low))
}

/** The same for the usual block of 128, without a loop. */
function wholeBlock<T>(x: usize, depth: usize, packed: usize): v128 {
  const w0 = v128.load(packed)
  const w1 = v128.load(packed, 16)
  const w2 = v128.load(packed, 32)
  const w3 = v128.load(packed, 48)
  let high = addHalves(x, w0, i16x8.splat(0))
  high = addHalves(x + 32, w1, high)
  high = addHalves(x + 64, w2, high)
  high = addHalves(x + 96, w3, high)
  const sum = i32x4.extadd_pairwise_i16x8_s(high)
  if (sizeof<T>() == 1) return sum
  x += depth
  let low = addHalves(x, w0, i16x8.splat(0))
  low = addHalves(x + 32, w1, low)
  low = addHalves(x + 64, w2, low)
  low = addHalves(x + 96, w3, low)
  return i32x4.add(i32x4.shl(sum, 7), i32x4.extadd_pairwise_i16x8_s(low))
}

/** Lane k: the sum of the lanes of sₖ. */
function sumsOfLanes(s0: v128, s1: v128, s2: v128, s3: v128): v128 {
  const s01 = i32x4.add(v128.shuffle<i32>(s0, s1, 0, 4, 1, 5), v128.shuffle<i32>(s0, s1, 2, 6, 3, 7))
  const s23 = i32x4.add(v128.shuffle<i32>(s2, s3, 0, 4, 1, 5), v128.shuffle<i32>(s2, s3, 2, 6, 3, 7))
  return i32x4.add(v128.shuffle<i64>(s01, s23, 0, 2), v128.shuffle<i64>(s01, s23, 1, 3))
}

/** i32 lanes + 16 products of activations kept as i16. */
function dotHalves(x: usize, halves: v128, sum: v128): v128 {
  const low = i32x4.dot_i16x8_s(v128.load(x), i16x8.extend_low_i8x16_s(halves))
  const high = i32x4.dot_i16x8_s(v128.load(x, 16), i16x8.extend_high_i8x16_s(halves))
  return i32x4.add(sum, i32x4.add(low, high))
}

/** T is the width of the activations. */
function productInt4<T>(words: QuantWords, x: usize, packed: usize, scales: usize, zeros: usize): f32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return productOfPairs(words, x, packed, scales, zeros)
  const blocks = blocksOf(words)
  const offsets = x + ((<usize>blocks) << 2)
  let values = offsets + ((<usize>blocks) << 2)
  const depth = <usize>words.depth
  let total = f32x4.splat(0)
  let correction = f32x4.splat(0)
  let group = 0
  if (words.group == BLOCK) {
    // Four groups at a time share the arithmetic that turns sums into floats.
    for (; group + 4 <= words.groups; group += 4) {
      const sums = sumsOfLanes(
        wholeBlock<T>(values, depth, packed),
        wholeBlock<T>(values + 128, depth, packed + 64),
        wholeBlock<T>(values + 256, depth, packed + 128),
        wholeBlock<T>(values + 384, depth, packed + 192),
      )
      const at = (<usize>group) << 2
      const scale = v128.load(scales + at)
      const zero = zeros == 0 ? f32x4.splat(8) : fourBytes(zeros + <usize>group)
      total = madd(f32x4.convert_i32x4_s(sums), f32x4.mul(scale, v128.load(x + at)), total)
      correction = madd(f32x4.mul(scale, zero), v128.load(offsets + at), correction)
      values += 512
      packed += 256
    }
  }
  let rest: f32 = 0
  for (; group < words.groups; group++) {
    const scale = load<f32>(scales + ((<usize>group) << 2))
    const zero = zeros == 0 ? <f32>8 : <f32>load<u8>(zeros + <usize>group)
    for (let part = 0; part < words.blocksPerGroup; part++) {
      const block = group * words.blocksPerGroup + part
      const bytes = (<usize>minI32(BLOCK, words.group - part * BLOCK)) >> 1
      const sum = blockOfHalves<T>(values, depth, packed, bytes)
      const factor = scale * load<f32>(x + ((<usize>block) << 2))
      total = madd(f32x4.convert_i32x4_s(sum), f32x4.splat(factor), total)
      rest += scale * zero * load<f32>(offsets + ((<usize>block) << 2))
      values += bytes << 1
      packed += bytes
    }
  }
  return sumLanes(f32x4.sub(total, correction)) - rest
}

function fourBytes(from: usize): v128 {
  const halves = i16x8.extend_low_i8x16_u(v128.load32_zero(from))
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(halves))
}

/** Without a dot product of bytes: activations are i16. */
function productOfPairs(words: QuantWords, x: usize, packed: usize, scales: usize, zeros: usize): f32 {
  const blocks = blocksOf(words)
  const offsets = x + ((<usize>blocks) << 2)
  let values = offsets + ((<usize>blocks) << 2)
  const low4 = i8x16.splat(15)
  let total = f32x4.splat(0)
  let correction: f32 = 0
  for (let group = 0; group < words.groups; group++) {
    const scale = load<f32>(scales + ((<usize>group) << 2))
    const zero = zeros == 0 ? <f32>8 : <f32>load<u8>(zeros + <usize>group)
    for (let part = 0; part < words.blocksPerGroup; part++) {
      const block = group * words.blocksPerGroup + part
      const end = packed + ((<usize>minI32(BLOCK, words.group - part * BLOCK)) >> 1)
      let first = i32x4.splat(0)
      let second = first
      for (; packed != end; packed += 16) {
        const bytes = v128.load(packed)
        first = dotHalves(values, v128.and(bytes, low4), first)
        second = dotHalves(values + 32, v128.and(i16x8.shr_u(bytes, 4), low4), second)
        values += 64
      }
      const factor = scale * load<f32>(x + ((<usize>block) << 2))
      total = madd(f32x4.convert_i32x4_s(i32x4.add(first, second)), f32x4.splat(factor), total)
      correction += scale * zero * load<f32>(offsets + ((<usize>block) << 2))
    }
  }
  return sumLanes(total) - correction
}

function productInt8(words: QuantWords, x: usize, packed: usize, scales: usize): f32 {
  const blocks = blocksOf(words)
  let values = x + ((<usize>blocks) << 3)
  let total = f32x4.splat(0)
  for (let group = 0; group < words.groups; group++) {
    const scale = load<f32>(scales + ((<usize>group) << 2))
    for (let part = 0; part < words.blocksPerGroup; part++) {
      const block = group * words.blocksPerGroup + part
      const count = minI32(BLOCK, words.group - part * BLOCK)
      let sum = i32x4.splat(0)
      let at = 0
      for (; at + 16 <= count; at += 16) {
        sum = dotHalves(values, v128.load(packed), sum)
        values += 32
        packed += 16
      }
      let rest = 0
      for (; at < count; at++) {
        rest += <i32>load<i8>(packed) * <i32>load<i16>(values)
        values += 2
        packed++
      }
      sum = i32x4.add(sum, i32x4.replace_lane(i32x4.splat(0), 0, rest))
      const factor = scale * load<f32>(x + ((<usize>block) << 2))
      total = f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(factor)))
    }
  }
  return sumLanes(total)
}

/** Sixteen bytes of a table chosen by sixteen indices in 0 … 15. */
function choose(table: v128, indices: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, indices)
  return i8x16.swizzle(table, indices)
}

/** Σ over 16 elements of the levels, as integers of 1/2047, times xq. */
function dotLevels(x: usize, indices: v128, sum: v128): v128 {
  // round(level · 2047), low and high bytes.
  const lowTable = i8x16(1, 111, -51, -40, -70, -122, 70, 0, -93, 73, -8, -76, -122, -128, -56, -1)
  const highTable = i8x16(-8, -6, -5, -4, -3, -2, -1, 0, 0, 1, 1, 2, 3, 4, 5, 7)
  const low = choose(lowTable, indices)
  const high = choose(highTable, indices)
  const first = i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
  const second = i8x16.shuffle(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
  const products = i32x4.add(i32x4.dot_i16x8_s(v128.load(x), first), i32x4.dot_i16x8_s(v128.load(x, 16), second))
  return i32x4.add(sum, products)
}

function productNF4(words: QuantWords, x: usize, packed: usize, scales: usize): f32 {
  const blocks = blocksOf(words)
  let values = x + ((<usize>blocks) << 3)
  const low4 = i8x16.splat(15)
  let total = f32x4.splat(0)
  for (let group = 0; group < words.groups; group++) {
    const scale = load<f32>(scales + ((<usize>group) << 2)) * (<f32>1 / 2047)
    for (let part = 0; part < words.blocksPerGroup; part++) {
      const block = group * words.blocksPerGroup + part
      const end = packed + ((<usize>minI32(BLOCK, words.group - part * BLOCK)) >> 1)
      let sum = i32x4.splat(0)
      while (packed != end) {
        const bytes = v128.load(packed)
        sum = dotLevels(values, v128.and(bytes, low4), sum)
        sum = dotLevels(values + 32, v128.and(i16x8.shr_u(bytes, 4), low4), sum)
        values += 64
        packed += 16
      }
      const factor = scale * load<f32>(x + ((<usize>block) << 2))
      total = f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.splat(factor)))
    }
  }
  return sumLanes(total)
}

/** f32 of lanes 0–3, 4–7, 8–11 or 12–15 of signed bytes. */
function bytesToF32(bytes: v128, quarter: i32): v128 {
  const half = quarter < 2 ? i16x8.extend_low_i8x16_s(bytes) : i16x8.extend_high_i8x16_s(bytes)
  const quad = quarter & 1 ? i32x4.extend_high_i16x8_s(half) : i32x4.extend_low_i16x8_s(half)
  return f32x4.convert_i32x4_s(quad)
}

/** Exact NF4 levels of four of sixteen indices: the bytes of the floats are looked up one by one and put together. */
function levelsToF32(indices: v128, quarter: i32): v128 {
  const b0 = choose(i8x16(0, -79, 48, -96, 77, 63, 113, 0, -1, -29, -35, 58, -72, -85, -77, 0), indices)
  const b1 = choose(i8x16(0, 57, 107, 50, -94, 53, 120, 0, -6, -54, 4, 3, -92, 7, 19, 0), indices)
  const b2 = choose(i8x16(-128, 50, 6, -54, -111, 61, -70, 0, -94, 36, 124, -83, -31, 16, 57, -128), indices)
  const b3 = choose(i8x16(-65, -65, -65, -66, -66, -66, -67, 0, 61, 62, 62, 62, 62, 63, 63, 63), indices)
  let low: v128
  let high: v128
  if (quarter < 2) {
    low = i8x16.shuffle(b0, b1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    high = i8x16.shuffle(b2, b3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
  } else {
    low = i8x16.shuffle(b0, b1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    high = i8x16.shuffle(b2, b3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
  }
  if (quarter & 1) return i16x8.shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15)
  return i16x8.shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11)
}

function productF32(words: QuantWords, x: usize, packed: usize, scales: usize, zeros: usize): f32 {
  let total = f32x4.splat(0)
  for (let group = 0; group < words.groups; group++) {
    const scale = f32x4.splat(load<f32>(scales + ((<usize>group) << 2)))
    let sum: v128
    if (words.format == INT8) {
      sum = groupOfBytes(x, packed, words.group)
      packed += <usize>words.group
    } else {
      if (words.format == NF4) sum = groupOfLevels(x, packed, words.group)
      else sum = groupOfHalves(x, packed, words.group, zeros == 0 ? 8 : <i32>load<u8>(zeros + <usize>group))
      packed += (<usize>words.group) >> 1
    }
    total = madd(sum, scale, total)
    x += (<usize>words.group) << 2
  }
  return sumLanes(total)
}

function groupOfBytes(x: usize, packed: usize, count: i32): v128 {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let at = 0
  for (; at + 16 <= count; at += 16) {
    const bytes = v128.load(packed)
    s0 = madd(v128.load(x), bytesToF32(bytes, 0), s0)
    s1 = madd(v128.load(x, 16), bytesToF32(bytes, 1), s1)
    s0 = madd(v128.load(x, 32), bytesToF32(bytes, 2), s0)
    s1 = madd(v128.load(x, 48), bytesToF32(bytes, 3), s1)
    x += 64
    packed += 16
  }
  let rest: f32 = 0
  for (; at < count; at++) {
    rest += load<f32>(x) * <f32>load<i8>(packed)
    x += 4
    packed++
  }
  return f32x4.add(f32x4.add(s0, s1), f32x4.replace_lane(f32x4.splat(0), 0, rest))
}

function groupOfHalves(x: usize, packed: usize, count: i32, zero: i32): v128 {
  const zeros = i8x16.splat(<i8>zero)
  const low4 = i8x16.splat(15)
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (const end = packed + ((<usize>count) >> 1); packed != end; packed += 16) {
    const bytes = v128.load(packed)
    const first = i8x16.sub(v128.and(bytes, low4), zeros)
    const second = i8x16.sub(v128.and(i16x8.shr_u(bytes, 4), low4), zeros)
    s0 = madd(v128.load(x), bytesToF32(first, 0), s0)
    s1 = madd(v128.load(x, 16), bytesToF32(first, 1), s1)
    s2 = madd(v128.load(x, 32), bytesToF32(first, 2), s2)
    s3 = madd(v128.load(x, 48), bytesToF32(first, 3), s3)
    s0 = madd(v128.load(x, 64), bytesToF32(second, 0), s0)
    s1 = madd(v128.load(x, 80), bytesToF32(second, 1), s1)
    s2 = madd(v128.load(x, 96), bytesToF32(second, 2), s2)
    s3 = madd(v128.load(x, 112), bytesToF32(second, 3), s3)
    x += 128
  }
  return f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))
}

function groupOfLevels(x: usize, packed: usize, count: i32): v128 {
  const low4 = i8x16.splat(15)
  let s0 = f32x4.splat(0)
  let s1 = s0
  for (const end = packed + ((<usize>count) >> 1); packed != end; packed += 16) {
    const bytes = v128.load(packed)
    const first = v128.and(bytes, low4)
    s0 = madd(v128.load(x), levelsToF32(first, 0), s0)
    s1 = madd(v128.load(x, 16), levelsToF32(first, 1), s1)
    s0 = madd(v128.load(x, 32), levelsToF32(first, 2), s0)
    s1 = madd(v128.load(x, 48), levelsToF32(first, 3), s1)
    const second = v128.and(i16x8.shr_u(bytes, 4), low4)
    s0 = madd(v128.load(x, 64), levelsToF32(second, 0), s0)
    s1 = madd(v128.load(x, 80), levelsToF32(second, 1), s1)
    s0 = madd(v128.load(x, 96), levelsToF32(second, 2), s0)
    s1 = madd(v128.load(x, 112), levelsToF32(second, 3), s1)
    x += 128
  }
  return f32x4.add(s0, s1)
}

/** Packs x into shared scratch: [panel of 4 rows][depth][4]. Items are panels. */
function packItems(desc: usize, operands: i32, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const shift = floatShift(words.xType)
  for (let item = begin; item < end; item++) {
    const row = item << 2
    const from = addressAt(desc, 0) + ((<usize>(row * words.xRow)) << shift)
    const to = addressAt(desc, operands + 1) + <usize>item * ((<usize>words.depth) << 4)
    packPanel(words.xType, from, words.xRow, words.xColumn, words.rows - row, words.depth, to, 4)
  }
}

/**
 * Items are blocks of output columns, a multiple of eight. Thread scratch: edge block, eight widened rows of a depth
 * block, their panel, and f32 totals of all rows.
 */
function panelItems(desc: usize, operands: i32, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc, operands)
  const x = addressAt(desc, operands + 1)
  for (let item = begin; item < end; item++) {
    const first = item * words.columnBlock
    const count = minI32(words.columnBlock, words.columns - first)
    const result = addressAt(desc, operands) + ((<usize>first) << floatShift(words.xType))
    panelBlock(desc, words, scratch, x, words.rows, first, count, result)
  }
}

/** The same as `vectorBlock` for rows packed in panels of four; thread scratch as above. */
export function panelBlock(
  desc: usize,
  words: QuantWords,
  scratch: usize,
  x: usize,
  rows: i32,
  first: i32,
  count: i32,
  result: usize,
): void {
  const wide = scratch + EDGE_BYTES
  const panel = wide + ((<usize>DEPTH_BLOCK) << 5)
  const totals = panel + ((<usize>DEPTH_BLOCK) << 5)
  const shift = floatShift(words.xType)
  for (let column = 0; column < count; column += 8) {
    const width = minI32(8, count - column)
    runPanel(desc, words, x, rows, wide, panel, totals, first + column, width)
    for (let row = 0; row < rows; row++) {
      const to = result + ((<usize>row * <usize>words.columns + <usize>column) << shift)
      narrowRow(words.xType, totals + ((<usize>row) << 5), to, width, 1)
    }
  }
}

/** totals[row][8] for eight output columns, by blocks of the depth as in `matmul.ts`. */
function runPanel(
  desc: usize,
  words: QuantWords,
  x: usize,
  rows: i32,
  wide: usize,
  panel: usize,
  totals: usize,
  column: i32,
  width: i32,
): void {
  for (let depth0 = 0; depth0 < words.depth; depth0 += DEPTH_BLOCK) {
    const depth = minI32(DEPTH_BLOCK, words.depth - depth0)
    for (let lane = 0; lane < width; lane++) {
      widenWeights(desc, words, column + lane, depth0, depth, wide + ((<usize>(lane * depth)) << 2))
    }
    packPanel(F32, wide, depth, 1, width, depth, panel, 8)
    for (let row = 0; row < rows; row += 4) {
      const a = x + <usize>(row >> 2) * ((<usize>words.depth) << 4) + ((<usize>depth0) << 4)
      // Totals have room for whole fours of rows.
      blockPacked(depth, a, panel, totals + ((<usize>row) << 5), 32, depth0 != 0)
    }
  }
}

/** f32 weights first … first+count-1 of one output column; `first` is a multiple of 32. */
function widenWeights(desc: usize, words: QuantWords, column: i32, first: i32, count: i32, to: usize): void {
  const scales = addressAt(desc, 2) + ((<usize>(column * words.groups)) << 2)
  let at = 0
  while (at < count) {
    const group = (first + at) / words.group
    const here = minI32(count - at, (group + 1) * words.group - (first + at))
    const scale = load<f32>(scales + ((<usize>group) << 2))
    const target = to + ((<usize>at) << 2)
    const element = <usize>column * <usize>words.depth + <usize>(first + at)
    if (words.format == INT8) {
      widenBytes(addressAt(desc, 1) + element, here, scale, target)
    } else {
      let zero = 8
      if (words.format == INT4) zero = <i32>load<u8>(addressAt(desc, 3) + <usize>(column * words.groups + group))
      widenHalves(words.format == NF4, addressAt(desc, 1) + (element >> 1), here, scale, zero, target)
    }
    at += here
  }
}

function widenBytes(from: usize, count: i32, scale: f32, to: usize): void {
  const scales = f32x4.splat(scale)
  let at = 0
  for (; at + 16 <= count; at += 16) {
    const bytes = v128.load(from)
    v128.store(to, f32x4.mul(bytesToF32(bytes, 0), scales))
    v128.store(to, f32x4.mul(bytesToF32(bytes, 1), scales), 16)
    v128.store(to, f32x4.mul(bytesToF32(bytes, 2), scales), 32)
    v128.store(to, f32x4.mul(bytesToF32(bytes, 3), scales), 48)
    from += 16
    to += 64
  }
  for (; at < count; at++) {
    store<f32>(to, <f32>load<i8>(from) * scale)
    from++
    to += 4
  }
}

function widenHalves(isLevels: bool, from: usize, count: i32, scale: f32, zero: i32, to: usize): void {
  const scales = f32x4.splat(scale)
  const zeros = i8x16.splat(<i8>zero)
  const low4 = i8x16.splat(15)
  for (const end = from + ((<usize>count) >> 1); from != end; from += 16) {
    const bytes = v128.load(from)
    let indices = v128.and(bytes, low4)
    for (let half = 0; half < 2; half++) {
      if (isLevels) {
        v128.store(to, f32x4.mul(levelsToF32(indices, 0), scales))
        v128.store(to, f32x4.mul(levelsToF32(indices, 1), scales), 16)
        v128.store(to, f32x4.mul(levelsToF32(indices, 2), scales), 32)
        v128.store(to, f32x4.mul(levelsToF32(indices, 3), scales), 48)
      } else {
        const signed = i8x16.sub(indices, zeros)
        v128.store(to, f32x4.mul(bytesToF32(signed, 0), scales))
        v128.store(to, f32x4.mul(bytesToF32(signed, 1), scales), 16)
        v128.store(to, f32x4.mul(bytesToF32(signed, 2), scales), 32)
        v128.store(to, f32x4.mul(bytesToF32(signed, 3), scales), 48)
      }
      indices = v128.and(i16x8.shr_u(bytes, 4), low4)
      to += 64
    }
  }
}
