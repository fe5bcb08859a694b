/**
 * Stable sort along an axis. Every element becomes a 64-bit pair: an unsigned key whose order is the wanted one above
 * the element's position, so that equal elements keep their order. NaN gets the largest key, −0 the key of +0.
 * Items are lines. Thread scratch: two arrays of pairs, four histograms.
 */
import { BF16, F16, F32, I32, I8, U32, addressAt } from './memory'

/** Constants of a plan, in the order of `planSort` (src/routines/sort.ts). Strides are in elements. */
@unmanaged
class SortWords {
  dtype: i32
  elementShift: i32
  count: i32
  sourceStride: i32
  resultStride: i32
  descending: i32
  otherAxes: i32
}

@unmanaged
class OtherAxis {
  extent: i32
  source: i32
  result: i32
}

/** x, values, order, shared, then the words. */
const WORDS_OFFSET: usize = 16
/** Lines up to this are merged; longer ones are worth the histograms of a radix sort. */
const MERGE_LIMIT: i32 = 128
const RUN: i32 = 8

export function sort(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = changetype<SortWords>(desc + WORDS_OFFSET)
  for (let item = begin; item < end; item++) {
    let rest = item
    let source = 0
    let result = 0
    for (let axis = words.otherAxes - 1; axis >= 0; axis--) {
      const at = desc + WORDS_OFFSET + offsetof<SortWords>() + <usize>axis * offsetof<OtherAxis>()
      const other = changetype<OtherAxis>(at)
      const index = rest % other.extent
      rest /= other.extent
      source += index * other.source
      result += index * other.result
    }
    const shift = words.elementShift
    const from = addressAt(desc, 0) + ((<usize>source) << shift)
    const values = addressAt(desc, 1) + ((<usize>result) << shift)
    const order = addressAt(desc, 2) + ((<usize>result) << 2)
    makePairs(words, from, scratch)
    const sorted = sortPairs(scratch, words.count)
    writeLine(words, from, sorted, values, order)
  }
}

/** Orders signed magnitudes of 16 bits; `infinity` tells f16 from bf16. */
function halfKey(bits: u32, infinity: u32): u32 {
  if ((bits & 0x7fff) > infinity) return 0xffffffff
  if ((bits & 0x7fff) == 0) return 0x80000000
  return (bits & 0x8000 ? bits ^ 0xffff : bits | 0x8000) << 16
}

function floatKey(bits: u32): u32 {
  if ((bits & 0x7fffffff) > 0x7f800000) return 0xffffffff
  if ((bits & 0x7fffffff) == 0) return 0x80000000
  return bits & 0x80000000 ? ~bits : bits | 0x80000000
}

function keyOf(dtype: i32, from: usize): u32 {
  if (dtype == F32) return floatKey(load<u32>(from))
  if (dtype == F16) return halfKey(load<u16>(from), 0x7c00)
  if (dtype == BF16) return halfKey(load<u16>(from), 0x7f80)
  if (dtype == I32) return load<u32>(from) ^ 0x80000000
  if (dtype == U32) return load<u32>(from)
  if (dtype == I8) return ((<u32>load<u8>(from)) ^ 0x80) << 24
  return (<u32>load<u8>(from)) << 24
}

function makePairs(words: SortWords, from: usize, pairs: usize): void {
  const step = (<usize>words.sourceStride) << words.elementShift
  const flip: u32 = words.descending ? 0xffffffff : 0
  for (let position = 0; position < words.count; position++) {
    const key = keyOf(words.dtype, from) ^ flip
    store<u64>(pairs + ((<usize>position) << 3), ((<u64>key) << 32) | (<u64>position))
    from += step
  }
}

function writeLine(words: SortWords, from: usize, sorted: usize, values: usize, order: usize): void {
  const shift = words.elementShift
  const step = (<usize>words.resultStride) << shift
  for (let position = 0; position < words.count; position++) {
    const source = load<i32>(sorted + ((<usize>position) << 3))
    const element = from + ((<usize>(source * words.sourceStride)) << shift)
    if (shift == 2) store<u32>(values, load<u32>(element))
    else if (shift == 1) store<u16>(values, load<u16>(element))
    else store<u8>(values, load<u8>(element))
    store<i32>(order, source)
    values += step
    order += (<usize>words.resultStride) << 2
  }
}

/** Sorts `count` pairs; returns where the sorted ones are: at `pairs` or in the second array. */
function sortPairs(pairs: usize, count: i32): usize {
  const other = pairs + ((<usize>count) << 3)
  if (count <= MERGE_LIMIT) return mergeSort(pairs, other, count)
  return radixSort(pairs, other, other + ((<usize>count) << 3), count)
}

function insertionSort(pairs: usize, count: i32): void {
  for (let at = 1; at < count; at++) {
    const pair = load<u64>(pairs + ((<usize>at) << 3))
    let hole = pairs + ((<usize>at) << 3)
    while (hole != pairs && load<u64>(hole - 8) > pair) {
      store<u64>(hole, load<u64>(hole - 8))
      hole -= 8
    }
    store<u64>(hole, pair)
  }
}

function mergeSort(pairs: usize, other: usize, count: i32): usize {
  for (let first = 0; first < count; first += RUN) {
    insertionSort(pairs + ((<usize>first) << 3), min(RUN, count - first))
  }
  let from = pairs
  let to = other
  for (let width = RUN; width < count; width <<= 1) {
    for (let first = 0; first < count; first += 2 * width) {
      const middle = min(first + width, count)
      const last = min(first + 2 * width, count)
      merge(
        from + ((<usize>first) << 3),
        from + ((<usize>middle) << 3),
        from + ((<usize>last) << 3),
        to + ((<usize>first) << 3),
      )
    }
    const swap = from
    from = to
    to = swap
  }
  return from
}

function merge(left: usize, right: usize, end: usize, to: usize): void {
  const middle = right
  while (left != middle && right != end) {
    const a = load<u64>(left)
    const b = load<u64>(right)
    const takeLeft = a < b
    store<u64>(to, takeLeft ? a : b)
    left += takeLeft ? 8 : 0
    right += takeLeft ? 0 : 8
    to += 8
  }
  if (left != middle) memory.copy(to, left, middle - left)
  else if (right != end) memory.copy(to, right, end - right)
}

/** Least significant byte of the key first; bytes that are equal everywhere cost nothing. */
function radixSort(pairs: usize, other: usize, histograms: usize, count: i32): usize {
  memory.fill(histograms, 0, 4096)
  for (let at = pairs, end = pairs + ((<usize>count) << 3); at != end; at += 8) {
    const key = load<u32>(at, 4)
    countDigit(histograms, key & 255)
    countDigit(histograms + 1024, (key >> 8) & 255)
    countDigit(histograms + 2048, (key >> 16) & 255)
    countDigit(histograms + 3072, key >> 24)
  }
  let from = pairs
  let to = other
  for (let digit = 0; digit < 4; digit++) {
    const histogram = histograms + ((<usize>digit) << 10)
    const shift = digit << 3
    const first = (load<u32>(from, 4) >> shift) & 255
    if (load<i32>(histogram + ((<usize>first) << 2)) == count) continue
    makeOffsets(histogram)
    for (let at = from, end = from + ((<usize>count) << 3); at != end; at += 8) {
      const bucket = histogram + ((<usize>((load<u32>(at, 4) >> shift) & 255)) << 2)
      const position = load<u32>(bucket)
      store<u64>(to + ((<usize>position) << 3), load<u64>(at))
      store<u32>(bucket, position + 1)
    }
    const swap = from
    from = to
    to = swap
  }
  return from
}

function countDigit(histogram: usize, digit: u32): void {
  const at = histogram + ((<usize>digit) << 2)
  store<u32>(at, load<u32>(at) + 1)
}

function makeOffsets(histogram: usize): void {
  let total: u32 = 0
  for (let digit = 0; digit < 256; digit++) {
    const at = histogram + ((<usize>digit) << 2)
    const here = load<u32>(at)
    store<u32>(at, total)
    total += here
  }
}
