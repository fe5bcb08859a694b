/**
 * Strided to dense. The result is seen as [outer…, i, j]: j is its last axis, i the axis along which the source is
 * contiguous when that is not j (a transpose), else of extent 1. Items are outer indices × blocks of i × blocks of j.
 */
import { addressAt, minI32, wordAt } from './memory'

/** Constants of a plan, in the order of `copyWords` (src/routines/copy.ts). Strides are in elements. */
@unmanaged
class CopyWords {
  elementBytes: i32
  iExtent: i32
  iSource: i32
  iResult: i32
  jExtent: i32
  jSource: i32
  iBlock: i32
  jBlock: i32
  outerAxes: i32
}

/** Axes outside of i and j, outermost first. */
@unmanaged
class OuterAxis {
  extent: i32
  source: i32
  result: i32
}

export function copy(desc: usize, scratch: usize, begin: i32, end: i32): void {
  copyItems(addressAt(desc, 0), addressAt(desc, 1), desc + 12, scratch, begin, end)
}

/** Does items of a copy whose plan words begin at `wordsAt`. `scratch` holds one tile of a transpose. */
export function copyItems(source: usize, result: usize, wordsAt: usize, scratch: usize, begin: i32, end: i32): void {
  const words = changetype<CopyWords>(wordsAt)
  const iBlocks = (words.iExtent + words.iBlock - 1) / words.iBlock
  const jBlocks = (words.jExtent + words.jBlock - 1) / words.jBlock
  for (let item = begin; item < end; item++) {
    const j = (item % jBlocks) * words.jBlock
    const i = ((item / jBlocks) % iBlocks) * words.iBlock
    let outer = item / (iBlocks * jBlocks)
    let from = i * words.iSource + j * words.jSource
    let to = i * words.iResult + j
    for (let axis = words.outerAxes - 1; axis >= 0; axis--) {
      const outerAxis = changetype<OuterAxis>(wordsAt + offsetof<CopyWords>() + <usize>axis * offsetof<OuterAxis>())
      const index = outer % outerAxis.extent
      outer /= outerAxis.extent
      from += index * outerAxis.source
      to += index * outerAxis.result
    }
    const rows = minI32(words.iBlock, words.iExtent - i)
    const columns = minI32(words.jBlock, words.jExtent - j)
    if (words.elementBytes == 4)
      copyBlock<u32>(words, source + ((<usize>from) << 2), result + ((<usize>to) << 2), rows, columns, scratch)
    else if (words.elementBytes == 2)
      copyBlock<u16>(words, source + ((<usize>from) << 1), result + ((<usize>to) << 1), rows, columns, scratch)
    else copyBlock<u8>(words, source + <usize>from, result + <usize>to, rows, columns, scratch)
  }
}

function copyBlock<T>(words: CopyWords, from: usize, to: usize, rows: i32, columns: i32, scratch: usize): void {
  const iSource = <usize>words.iSource * sizeof<T>()
  const iResult = <usize>words.iResult * sizeof<T>()
  const jSource = <usize>words.jSource * sizeof<T>()
  if (words.jSource == 1) {
    for (let row = 0; row < rows; row++) {
      memory.copy(to, from, <usize>columns * sizeof<T>())
      from += iSource
      to += iResult
    }
  } else if (words.jSource == 0) {
    for (let row = 0; row < rows; row++) {
      fillRow<T>(to, load<T>(from), columns)
      from += iSource
      to += iResult
    }
  } else if (words.iSource == 1 && rows > 1) {
    transposeBlock<T>(from, jSource, to, iResult, rows, columns, scratch)
  } else {
    for (let row = 0; row < rows; row++) {
      copyColumns<T>(from, jSource, to, columns)
      from += iSource
      to += iResult
    }
  }
}

function fillRow<T>(to: usize, value: T, count: i32): void {
  let lanes: v128
  if (sizeof<T>() == 4) lanes = i32x4.splat(<i32>value)
  else if (sizeof<T>() == 2) lanes = i16x8.splat(<i16>value)
  else lanes = i8x16.splat(<i8>value)
  let left = <usize>count * sizeof<T>()
  for (; left >= 16; left -= 16) {
    v128.store(to, lanes)
    to += 16
  }
  for (; left != 0; left -= sizeof<T>()) {
    store<T>(to, value)
    to += sizeof<T>()
  }
}

function copyColumns<T>(from: usize, stride: usize, to: usize, count: i32): void {
  for (; count != 0; count--) {
    store<T>(to, load<T>(from))
    from += stride
    to += sizeof<T>()
  }
}

/** Side of the tiles of a transpose: a cache line of four-byte elements. */
const TILE: i32 = 16

/**
 * to[i, j] = from[j, i]: rows of the source are `jSource` bytes apart and contiguous along i. Whole tiles go through
 * scratch, so that every line of memory is touched once: with rows a power of two apart, the lines of a tile share a
 * set of the first cache and would push each other out.
 */
function transposeBlock<T>(
  from: usize,
  jSource: usize,
  to: usize,
  iResult: usize,
  rows: i32,
  columns: i32,
  scratch: usize,
): void {
  const isWide = sizeof<T>() == 4
  const wholeRows = isWide ? rows & ~(TILE - 1) : 0
  const wholeColumns = isWide ? columns & ~(TILE - 1) : 0
  for (let i = 0; i < wholeRows; i += TILE) {
    for (let j = 0; j < wholeColumns; j += TILE) {
      const source = from + ((<usize>i) << 2) + <usize>j * jSource
      transposeTile(source, jSource, to + <usize>i * iResult + ((<usize>j) << 2), iResult, scratch)
    }
  }
  const width = <usize>wholeColumns * sizeof<T>()
  transposeEdge<T>(
    from + <usize>wholeColumns * jSource,
    jSource,
    to + width,
    iResult,
    wholeRows,
    columns - wholeColumns,
  )
  const below = from + <usize>wholeRows * sizeof<T>()
  transposeEdge<T>(below, jSource, to + <usize>wholeRows * iResult, iResult, rows - wholeRows, columns)
}

function transposeTile(from: usize, jSource: usize, to: usize, iResult: usize, scratch: usize): void {
  for (let j = 0; j < TILE; j += 4) {
    transposeFour(from + <usize>j * jSource, jSource, scratch + ((<usize>j) << 2), (<usize>TILE) << 2, TILE)
  }
  for (let i = 0; i < TILE; i++) {
    v128.store(to, v128.load(scratch))
    v128.store(to, v128.load(scratch, 16), 16)
    v128.store(to, v128.load(scratch, 32), 32)
    v128.store(to, v128.load(scratch, 48), 48)
    scratch += (<usize>TILE) << 2
    to += iResult
  }
}

/** What is left of a block beside and below its whole tiles. */
function transposeEdge<T>(from: usize, jSource: usize, to: usize, iResult: usize, rows: i32, columns: i32): void {
  let j = 0
  if (sizeof<T>() == 4) {
    for (; j + 4 <= columns; j += 4) {
      transposeFour(from + <usize>j * jSource, jSource, to + ((<usize>j) << 2), iResult, rows)
    }
  }
  for (let i = 0; i < rows; i++) {
    const source = from + <usize>i * sizeof<T>() + <usize>j * jSource
    copyColumns<T>(source, jSource, to + <usize>i * iResult + <usize>j * sizeof<T>(), columns - j)
  }
}

/** Four rows of the source become four columns of the result. */
function transposeFour(from: usize, jSource: usize, to: usize, iResult: usize, rows: i32): void {
  let s0 = from
  let s1 = from + jSource
  let s2 = s1 + jSource
  let s3 = s2 + jSource
  let i = 0
  for (; i + 4 <= rows; i += 4) {
    const r0 = v128.load(s0)
    const r1 = v128.load(s1)
    const r2 = v128.load(s2)
    const r3 = v128.load(s3)
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
    const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
    const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
    v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
    v128.store(to + iResult, v128.shuffle<i64>(low01, low23, 1, 3))
    v128.store(to + 2 * iResult, v128.shuffle<i64>(high01, high23, 0, 2))
    v128.store(to + 3 * iResult, v128.shuffle<i64>(high01, high23, 1, 3))
    s0 += 16
    s1 += 16
    s2 += 16
    s3 += 16
    to += 4 * iResult
  }
  for (; i < rows; i++) {
    store<u32>(to, load<u32>(s0))
    store<u32>(to, load<u32>(s1), 4)
    store<u32>(to, load<u32>(s2), 8)
    store<u32>(to, load<u32>(s3), 12)
    s0 += 4
    s1 += 4
    s2 += 4
    s3 += 4
    to += iResult
  }
}
