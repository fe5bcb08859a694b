/**
 * Cross-correlation as a product: result[o, column] = Σ over depth of w[o, depth] · window[depth, column], where a column
 * is a sample and an output position, and depth runs over (channel, kernel position) in row-major order.
 * Windows are never stored as a whole: a block of columns × 256 steps is gathered into thread scratch.
 * The order of additions is that of `matmul.ts`. One and two spatial axes come as three with leading extents of 1.
 */
import { F32, addressAt, floatShift, minI32 } from './memory'
import { DEPTH_BLOCK } from './matmul'
import { EDGE_BYTES, blockLongRow, blockRow, blockStrided, storeEdge } from './microkernel'
import { narrowRow, widenRow } from './narrow'
import { packPanel } from './pack'

/** Constants of a plan, in the order of `convWords` (src/routines/conv.ts). Strides are in elements. */
@unmanaged
class ConvWords {
  dtype: i32
  groups: i32
  /** Of one group. */
  outChannels: i32
  channels: i32
  depth: i32
  /** Samples × output positions. */
  columns: i32
  rowBlock: i32
  columnBlock: i32
  rowBlocks: i32
  columnBlocks: i32
  xSample: i32
  xChannel: i32
  wOut: i32
  /** Axes of w's depth after joining, outermost first: extent, stride. Missing ones have extent 1. */
  wExtent0: i32
  wStride0: i32
  wExtent1: i32
  wStride1: i32
  wExtent2: i32
  wStride2: i32
  wRun: i32
  wRunStride: i32
}

/** One spatial axis; three of them follow the words. */
@unmanaged
class SpatialAxis {
  input: i32
  kernel: i32
  output: i32
  stride: i32
  padLow: i32
  lhsDilation: i32
  rhsDilation: i32
  xStride: i32
}

/** A stretch of columns inside one output row. */
@unmanaged
class Run {
  first: i32
  length: i32
  /** Offset of the sample in x. */
  sample: i32
  /** Input coordinates (dilated, before adding the kernel's) of the first column. */
  input0: i32
  input1: i32
  input2: i32
}

/** x, w, result, shared, then the words. */
const WORDS_OFFSET: usize = 16

function axisOf(desc: usize, axis: i32): SpatialAxis {
  return changetype<SpatialAxis>(desc + WORDS_OFFSET + offsetof<ConvWords>() + <usize>axis * offsetof<SpatialAxis>())
}

function panelBytes(words: ConvWords): usize {
  return (<usize>words.depth) << 4
}

function panelsOf(words: ConvWords): i32 {
  return (words.outChannels + 3) >> 2
}

/** Packs w into shared scratch: [group][panel of 4 output channels][depth][4]. Items are groups × panels. */
export function convPack(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = changetype<ConvWords>(desc + WORDS_OFFSET)
  const panels = panelsOf(words)
  const shift = floatShift(words.dtype)
  for (let item = begin; item < end; item++) {
    const row = (item % panels) << 2
    const first = ((item / panels) * words.outChannels + row) * words.wOut
    const lanes = words.outChannels - row
    let to = addressAt(desc, 3) + <usize>item * panelBytes(words)
    for (let i0 = 0; i0 < words.wExtent0; i0++) {
      for (let i1 = 0; i1 < words.wExtent1; i1++) {
        for (let i2 = 0; i2 < words.wExtent2; i2++) {
          const at = first + i0 * words.wStride0 + i1 * words.wStride1 + i2 * words.wStride2
          const from = addressAt(desc, 1) + ((<usize>at) << shift)
          packPanel(words.dtype, from, words.wOut, words.wRunStride, lanes, words.wRun, to, 4)
          to += (<usize>words.wRun) << 4
        }
      }
    }
  }
}

/** Bytes between rows of gathered windows: a line more than the columns, or all rows would fall into the same sets of the cache. */
function pitchOf(words: ConvWords): usize {
  return ((<usize>words.columnBlock) << 2) + 64
}

/** Items are groups × column blocks × row blocks. Thread scratch: edge block, runs, windows, f32 totals. */
export function convBlock(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = changetype<ConvWords>(desc + WORDS_OFFSET)
  const perGroup = words.columnBlocks * words.rowBlocks
  for (let item = begin; item < end; item++) {
    const inGroup = item % perGroup
    const column = (inGroup / words.rowBlocks) * words.columnBlock
    const row = (inGroup % words.rowBlocks) * words.rowBlock
    runBlock(desc, words, scratch, item / perGroup, row, column)
  }
}

function runBlock(desc: usize, words: ConvWords, scratch: usize, group: i32, row: i32, column: i32): void {
  const rows = minI32(words.rowBlock, words.outChannels - row)
  const columns = minI32(words.columnBlock, words.columns - column)
  const runs = scratch + EDGE_BYTES
  const windows = runs + <usize>words.columnBlock * offsetof<Run>()
  const totals = windows + <usize>DEPTH_BLOCK * pitchOf(words)
  const runCount = makeRuns(desc, words, runs, column, columns)
  const panels = addressAt(desc, 3) + <usize>(group * panelsOf(words) + (row >> 2)) * panelBytes(words)

  const positions = axisOf(desc, 0).output * axisOf(desc, 1).output * axisOf(desc, 2).output
  const sample = column / positions
  const isDirect = words.dtype == F32 && (column + columns - 1) / positions == sample
  const out = group * words.outChannels + row
  const allOut = words.groups * words.outChannels
  const direct =
    addressAt(desc, 2) +
    ((<usize>(sample * allOut + out) * <usize>positions + <usize>(column - sample * positions)) << 2)
  const c = isDirect ? direct : totals
  const rowBytes = (<usize>(isDirect ? positions : words.columnBlock)) << 2

  let depth0 = 0
  do {
    const depth = minI32(DEPTH_BLOCK, words.depth - depth0)
    gatherWindows(desc, words, group, windows, runs, runCount, columns, depth0, depth)
    multiply(words, scratch, panels + ((<usize>depth0) << 4), windows, c, rowBytes, rows, columns, depth, depth0 != 0)
    depth0 += DEPTH_BLOCK
  } while (depth0 < words.depth)

  if (!isDirect) writeTotals(desc, words, totals, out, rows, column, columns, positions)
}

function multiply(
  words: ConvWords,
  edge: usize,
  panels: usize,
  windows: usize,
  c: usize,
  rowBytes: usize,
  rows: i32,
  columns: i32,
  depth: i32,
  add: bool,
): void {
  const pitch = pitchOf(words)
  let done = 0
  if (rows == 1) {
    for (; done + 32 <= columns; done += 32) {
      blockLongRow(depth, panels, 16, windows + ((<usize>done) << 2), pitch, c + ((<usize>done) << 2), add)
    }
  }
  for (let column = done; column < columns; column += 8) {
    const width = minI32(8, columns - column)
    const b = windows + ((<usize>column) << 2)
    for (let row = 0; row < rows; row += 4) {
      const height = minI32(4, rows - row)
      const a = panels + <usize>(row >> 2) * panelBytes(words)
      const to = c + <usize>row * rowBytes + ((<usize>column) << 2)
      const isWhole = width == 8 && height == 4
      if (isWhole) {
        blockStrided(depth, a, a + 4, a + 8, a + 12, 16, b, pitch, to, rowBytes, add)
      } else if (height == 1) {
        blockRow(depth, a, 16, b, pitch, edge)
        storeEdge(edge, to, rowBytes, 4, 1, width, add)
      } else {
        blockStrided(depth, a, a + 4, a + 8, a + 12, 16, b, pitch, edge, 32, false)
        storeEdge(edge, to, rowBytes, 4, height, width, add)
      }
    }
  }
}

/** Rounds or moves totals of columns that may belong to several samples. */
function writeTotals(
  desc: usize,
  words: ConvWords,
  totals: usize,
  out: i32,
  rows: i32,
  column: i32,
  columns: i32,
  positions: i32,
): void {
  const shift = floatShift(words.dtype)
  const allOut = words.groups * words.outChannels
  let done = 0
  while (done < columns) {
    const sample = (column + done) / positions
    const position = column + done - sample * positions
    const count = minI32(columns - done, positions - position)
    for (let row = 0; row < rows; row++) {
      const element = <usize>(sample * allOut + out + row) * <usize>positions + <usize>position
      const from = totals + ((<usize>(row * words.columnBlock + done)) << 2)
      narrowRow(words.dtype, from, addressAt(desc, 2) + (element << shift), count, 1)
    }
    done += count
  }
}

/** Cuts columns into runs; returns how many. */
function makeRuns(desc: usize, words: ConvWords, runs: usize, column: i32, columns: i32): i32 {
  const axis0 = axisOf(desc, 0)
  const axis1 = axisOf(desc, 1)
  const axis2 = axisOf(desc, 2)
  let count = 0
  let done = 0
  while (done < columns) {
    let rest = column + done
    const p2 = rest % axis2.output
    rest /= axis2.output
    const p1 = rest % axis1.output
    rest /= axis1.output
    const p0 = rest % axis0.output
    const run = changetype<Run>(runs + <usize>count * offsetof<Run>())
    run.first = done
    run.length = minI32(columns - done, axis2.output - p2)
    run.sample = (rest / axis0.output) * words.xSample
    run.input0 = p0 * axis0.stride - axis0.padLow
    run.input1 = p1 * axis1.stride - axis1.padLow
    run.input2 = p2 * axis2.stride - axis2.padLow
    done += run.length
    count++
  }
  return count
}

/** Undilated coordinate, or −1 where the window sees padding or a gap. */
function inputAt(axis: SpatialAxis, dilated: i32): i32 {
  if (dilated < 0) return -1
  if (axis.lhsDilation == 1) return dilated < axis.input ? dilated : -1
  const at = dilated / axis.lhsDilation
  return at < axis.input && at * axis.lhsDilation == dilated ? at : -1
}

/** windows[step][column] for steps depth0 … depth0+depth-1; columns up to a multiple of eight are zero. */
function gatherWindows(
  desc: usize,
  words: ConvWords,
  group: i32,
  windows: usize,
  runs: usize,
  runCount: i32,
  columns: i32,
  depth0: i32,
  depth: i32,
): void {
  const axis0 = axisOf(desc, 0)
  const axis1 = axisOf(desc, 1)
  const axis2 = axisOf(desc, 2)
  const shift = floatShift(words.dtype)
  let rest = depth0
  let k2 = rest % axis2.kernel
  rest /= axis2.kernel
  let k1 = rest % axis1.kernel
  rest /= axis1.kernel
  let k0 = rest % axis0.kernel
  let channel = rest / axis0.kernel
  const pad = (<usize>(((columns + 7) & ~7) - columns)) << 2
  for (let step = 0; step < depth; step++) {
    const to = windows + <usize>step * pitchOf(words)
    const x = addressAt(desc, 0) + ((<usize>((group * words.channels + channel) * words.xChannel)) << shift)
    for (let at = 0; at < runCount; at++) {
      const run = changetype<Run>(runs + <usize>at * offsetof<Run>())
      const target = to + ((<usize>run.first) << 2)
      const i0 = inputAt(axis0, run.input0 + k0 * axis0.rhsDilation)
      const i1 = inputAt(axis1, run.input1 + k1 * axis1.rhsDilation)
      if (i0 < 0 || i1 < 0) {
        memory.fill(target, 0, (<usize>run.length) << 2)
      } else {
        const row = x + ((<usize>(run.sample + i0 * axis0.xStride + i1 * axis1.xStride)) << shift)
        gatherRun(words.dtype, axis2, row, run.input2 + k2 * axis2.rhsDilation, run.length, target)
      }
    }
    if (pad != 0) memory.fill(to + ((<usize>columns) << 2), 0, pad)
    if (++k2 < axis2.kernel) continue
    k2 = 0
    if (++k1 < axis1.kernel) continue
    k1 = 0
    if (++k0 < axis0.kernel) continue
    k0 = 0
    channel++
  }
}

/** to[j] = row[first + j · stride], zero outside; `first` is a dilated coordinate. */
function gatherRun(dtype: i32, axis: SpatialAxis, row: usize, first: i32, length: i32, to: usize): void {
  const shift = floatShift(dtype)
  if (axis.lhsDilation != 1) {
    for (let j = 0; j < length; j++) {
      const at = inputAt(axis, first + j * axis.stride)
      if (at < 0) store<f32>(to, 0)
      else widenRow(dtype, row + ((<usize>(at * axis.xStride)) << shift), 1, to, 1)
      to += 4
    }
    return
  }
  let low = 0
  let high = 0
  if (axis.stride == 1) {
    // The usual case, without two divisions for every short run.
    low = minI32(length, max(0, -first))
    high = max(low, minI32(length, axis.input - first))
  } else {
    low = minI32(length, first < 0 ? (axis.stride - 1 - first) / axis.stride : 0)
    const room = axis.input - 1 - first
    high = room < 0 ? low : max(low, minI32(length, room / axis.stride + 1))
  }
  for (let j = 0; j < low; j++) store<f32>(to + ((<usize>j) << 2), 0)
  const from = row + ((<usize>((first + low * axis.stride) * axis.xStride)) << shift)
  if (low < high) widenRow(dtype, from, axis.stride * axis.xStride, to + ((<usize>low) << 2), high - low)
  for (let j = high; j < length; j++) store<f32>(to + ((<usize>j) << 2), 0)
}
