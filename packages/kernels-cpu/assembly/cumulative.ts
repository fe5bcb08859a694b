/**
 * Running sums, products, maxima and minima along an axis, in order, held in f32 or 32-bit integers and rounded when
 * stored. Four lines are the lanes of a vector. Items are outer indices × blocks of lines along the last other axis.
 * Thread scratch: one running value for every line of a block.
 */
import { BF16, F16, F32, I32, I8, U32, addressAt, minI32 } from './memory'
import { load4, loadOne, store4, storeOne } from './narrow'

/** Constants of a plan, in the order of `planCumulative` (src/routines/cumulative.ts). Strides are in elements. */
@unmanaged
class CumulativeWords {
  dtype: i32
  kind: i32
  exclusive: i32
  count: i32
  /** Strides along the axis, and offsets of the first element to be taken (the last one when reversed). */
  sourceStride: i32
  resultStride: i32
  sourceStart: i32
  resultStart: i32
  lines: i32
  lineSource: i32
  lineResult: i32
  lineBlock: i32
  outerAxes: i32
}

@unmanaged
class OuterAxis {
  extent: i32
  source: i32
  result: i32
}

const SUM: i32 = 0
const PROD: i32 = 1
const MAX: i32 = 2

/** x, result, shared, then the words. */
const WORDS_OFFSET: usize = 12

export function cumulative(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = changetype<CumulativeWords>(desc + WORDS_OFFSET)
  if (words.dtype == F32) runItems<f32, f32>(desc, words, scratch, begin, end)
  else if (words.dtype == F16) runItems<f32, u16>(desc, words, scratch, begin, end)
  else if (words.dtype == BF16) runItems<f32, i16>(desc, words, scratch, begin, end)
  else if (words.dtype == I32) runItems<i32, i32>(desc, words, scratch, begin, end)
  else if (words.dtype == U32) runItems<u32, u32>(desc, words, scratch, begin, end)
  else if (words.dtype == I8) runItems<i32, i8>(desc, words, scratch, begin, end)
  else runItems<u32, u8>(desc, words, scratch, begin, end)
}

/** A is the type of the running values, T the storage. */
function runItems<A, T>(desc: usize, words: CumulativeWords, scratch: usize, begin: i32, end: i32): void {
  const blocks = (words.lines + words.lineBlock - 1) / words.lineBlock
  for (let item = begin; item < end; item++) {
    const line = (item % blocks) * words.lineBlock
    let outer = item / blocks
    let source = words.sourceStart + line * words.lineSource
    let result = words.resultStart + line * words.lineResult
    for (let axis = words.outerAxes - 1; axis >= 0; axis--) {
      const at = desc + WORDS_OFFSET + offsetof<CumulativeWords>() + <usize>axis * offsetof<OuterAxis>()
      const outerAxis = changetype<OuterAxis>(at)
      const index = outer % outerAxis.extent
      outer /= outerAxis.extent
      source += index * outerAxis.source
      result += index * outerAxis.result
    }
    const from = addressAt(desc, 0) + <usize>source * sizeof<T>()
    const to = addressAt(desc, 1) + <usize>result * sizeof<T>()
    const lines = minI32(words.lineBlock, words.lines - line)
    if (words.lineSource == 1 && words.lineResult == 1) runRows<A, T>(words, from, to, lines, scratch)
    else runLines<A, T>(words, from, to, lines)
  }
}

function identityOf<A, T>(kind: i32): v128 {
  if (kind == SUM) return i32x4.splat(0)
  if (isFloat<A>()) {
    if (kind == PROD) return f32x4.splat(1)
    return f32x4.splat(kind == MAX ? -Infinity : Infinity)
  }
  if (kind == PROD) return i32x4.splat(1)
  if (sizeof<T>() == 1) {
    if (isSigned<T>()) return i32x4.splat(kind == MAX ? -128 : 127)
    return i32x4.splat(kind == MAX ? 0 : 255)
  }
  if (isSigned<T>()) return i32x4.splat(kind == MAX ? i32.MIN_VALUE : i32.MAX_VALUE)
  return i32x4.splat(kind == MAX ? 0 : -1)
}

function combine<A>(kind: i32, a: v128, b: v128): v128 {
  if (isFloat<A>()) {
    if (kind == SUM) return f32x4.add(a, b)
    if (kind == PROD) return f32x4.mul(a, b)
    // These propagate NaN.
    return kind == MAX ? f32x4.max(a, b) : f32x4.min(a, b)
  }
  if (kind == SUM) return i32x4.add(a, b)
  if (kind == PROD) return i32x4.mul(a, b)
  if (isSigned<A>()) return kind == MAX ? i32x4.max_s(a, b) : i32x4.min_s(a, b)
  return kind == MAX ? i32x4.max_u(a, b) : i32x4.min_u(a, b)
}

function loadLanes<A, T>(from: usize): v128 {
  if (isFloat<A>()) return load4<T>(from)
  if (sizeof<T>() == 4) return v128.load(from)
  const bytes = v128.load32_zero(from)
  if (isSigned<T>()) return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes))
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes))
}

function storeLanes<A, T>(to: usize, value: v128): void {
  if (isFloat<A>()) {
    store4<T>(to, value)
  } else if (sizeof<T>() == 4) {
    v128.store(to, value)
  } else {
    const bytes = i8x16.shuffle(value, value, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12)
    v128.store32_lane(to, bytes, 0)
  }
}

function loadLane<A, T>(from: usize): v128 {
  if (isFloat<A>()) return f32x4.splat(loadOne<T>(from))
  return i32x4.splat(<i32>load<T>(from))
}

function storeLane<A, T>(to: usize, value: v128): void {
  if (isFloat<A>()) storeOne<T>(to, f32x4.extract_lane(value, 0))
  else store<T>(to, <T>i32x4.extract_lane(value, 0))
}

/** Lines lie side by side: whole rows are folded into a row of running values. */
function runRows<A, T>(words: CumulativeWords, from: usize, to: usize, lines: i32, running: usize): void {
  const kind = words.kind
  for (let line = 0; line < lines; line += 4) v128.store(running + ((<usize>line) << 2), identityOf<A, T>(kind))
  for (let position = 0; position < words.count; position++) {
    let line = 0
    for (; line + 4 <= lines; line += 4) {
      const at = running + ((<usize>line) << 2)
      const before = v128.load(at)
      const after = combine<A>(kind, before, loadLanes<A, T>(from + <usize>line * sizeof<T>()))
      v128.store(at, after)
      storeLanes<A, T>(to + <usize>line * sizeof<T>(), words.exclusive ? before : after)
    }
    for (; line < lines; line++) {
      const at = running + ((<usize>line) << 2)
      const before = v128.load32_splat(at)
      const after = combine<A>(kind, before, loadLane<A, T>(from + <usize>line * sizeof<T>()))
      v128.store32_lane(at, after, 0)
      storeLane<A, T>(to + <usize>line * sizeof<T>(), words.exclusive ? before : after)
    }
    from += <usize>words.sourceStride * sizeof<T>()
    to += <usize>words.resultStride * sizeof<T>()
  }
}

/** Lines lie apart: four at a time hide the latency of the additions. */
function runLines<A, T>(words: CumulativeWords, from: usize, to: usize, lines: i32): void {
  const lineSource = <usize>words.lineSource * sizeof<T>()
  const lineResult = <usize>words.lineResult * sizeof<T>()
  for (let line = 0; line < lines; line += 4) {
    runFour<A, T>(
      words,
      from + <usize>line * lineSource,
      lineSource,
      to + <usize>line * lineResult,
      lineResult,
      lines - line,
    )
  }
}

function gather<A, T>(s0: usize, s1: usize, s2: usize, s3: usize): v128 {
  if (sizeof<T>() == 4) {
    let lanes = v128.load32_zero(s0)
    lanes = v128.load32_lane(s1, lanes, 1)
    lanes = v128.load32_lane(s2, lanes, 2)
    return v128.load32_lane(s3, lanes, 3)
  }
  let lanes = loadLane<A, T>(s0)
  lanes = v128.shuffle<i32>(lanes, loadLane<A, T>(s1), 0, 4, 0, 0)
  const upper = v128.shuffle<i32>(loadLane<A, T>(s2), loadLane<A, T>(s3), 0, 4, 0, 0)
  return v128.shuffle<i64>(lanes, upper, 0, 2)
}

function runFour<A, T>(
  words: CumulativeWords,
  from: usize,
  lineSource: usize,
  to: usize,
  lineResult: usize,
  lines: i32,
): void {
  const kind = words.kind
  // Lanes past the last line repeat it and are not stored.
  let s0 = from
  let s1 = lines > 1 ? s0 + lineSource : s0
  let s2 = lines > 2 ? s1 + lineSource : s1
  let s3 = lines > 3 ? s2 + lineSource : s2
  const step = <usize>words.sourceStride * sizeof<T>()
  let after = identityOf<A, T>(kind)
  for (let position = 0; position < words.count; position++) {
    const before = after
    after = combine<A>(kind, before, gather<A, T>(s0, s1, s2, s3))
    const value = words.exclusive ? before : after
    storeLane<A, T>(to, value)
    if (lines > 1) storeLane<A, T>(to + lineResult, v128.shuffle<i32>(value, value, 1, 1, 1, 1))
    if (lines > 2) storeLane<A, T>(to + 2 * lineResult, v128.shuffle<i32>(value, value, 2, 2, 2, 2))
    if (lines > 3) storeLane<A, T>(to + 3 * lineResult, v128.shuffle<i32>(value, value, 3, 3, 3, 3))
    s0 += step
    s1 += step
    s2 += step
    s3 += step
    to += <usize>words.resultStride * sizeof<T>()
  }
}
