/**
 * result = x, then result[…, index, …] += updates along one axis. An element's updates are added in row-major order,
 * which along the axis is ascending order, so every split over the other axes and over the destination gives the same bits.
 *
 * Stages: copy x into the result; for f16 and bf16 widen it into shared scratch; add; round once.
 */
import { copyItems } from './copy'
import { F32, addressAt, floatShift, minI32 } from './memory'
import { loadOne, narrowRow, widenRow } from './narrow'

/** Constants of a plan, in the order of `scatterWords` (src/routines/scatterAdd.ts). Strides are in elements. */
@unmanaged
class ScatterWords {
  dtype: i32
  /** Elements of the result. */
  total: i32
  /** Extent of the axis in the result and in the updates. */
  target: i32
  count: i32
  targetStride: i32
  indexStride: i32
  updateStride: i32
  /** The last of the other axes. */
  inner: i32
  innerTarget: i32
  innerIndex: i32
  innerUpdate: i32
  innerBlock: i32
  /** The destinations are cut into ranges; an item adds only what falls into its own. */
  targetBlock: i32
  outerAxes: i32
}

@unmanaged
class OuterAxis {
  extent: i32
  target: i32
  index: i32
  update: i32
}

/** x, index, updates, result, shared, then the words: outer axes, then the words of the copy. */
const WORDS_OFFSET: usize = 20
const WIDEN_BLOCK: i32 = 4096

function wordsOf(desc: usize): ScatterWords {
  return changetype<ScatterWords>(desc + WORDS_OFFSET)
}

function outerAxisOf(desc: usize, axis: i32): OuterAxis {
  return changetype<OuterAxis>(desc + WORDS_OFFSET + offsetof<ScatterWords>() + <usize>axis * offsetof<OuterAxis>())
}

export function scatterCopy(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const axes = <usize>wordsOf(desc).outerAxes
  const copyWords = desc + WORDS_OFFSET + offsetof<ScatterWords>() + axes * offsetof<OuterAxis>()
  copyItems(addressAt(desc, 0), addressAt(desc, 3), copyWords, scratch, begin, end)
}

/** Items are blocks of 4,096 elements. */
export function scatterWiden(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  for (let item = begin; item < end; item++) {
    const first = item * WIDEN_BLOCK
    const count = minI32(WIDEN_BLOCK, words.total - first)
    widenRow(
      words.dtype,
      addressAt(desc, 3) + ((<usize>first) << 1),
      1,
      addressAt(desc, 4) + ((<usize>first) << 2),
      count,
    )
  }
}

export function scatterNarrow(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  for (let item = begin; item < end; item++) {
    const first = item * WIDEN_BLOCK
    const count = minI32(WIDEN_BLOCK, words.total - first)
    narrowRow(
      words.dtype,
      addressAt(desc, 4) + ((<usize>first) << 2),
      addressAt(desc, 3) + ((<usize>first) << 1),
      count,
      1,
    )
  }
}

/** Adds f32 or narrow floats. Items are outer indices × blocks of inner × ranges of the destination. */
export function scatterFloat(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const dtype = wordsOf(desc).dtype
  if (dtype == F32) addItems<f32, f32>(desc, addressAt(desc, 3), begin, end)
  else if (dtype == 1) addItems<f32, u16>(desc, addressAt(desc, 4), begin, end)
  else addItems<f32, i16>(desc, addressAt(desc, 4), begin, end)
}

export function scatterInteger(desc: usize, scratch: usize, begin: i32, end: i32): void {
  addItems<i32, i32>(desc, addressAt(desc, 3), begin, end)
}

/** A is the type of the sums, T the storage of the updates. */
function addItems<A, T>(desc: usize, result: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  const ranges = (words.target + words.targetBlock - 1) / words.targetBlock
  const blocks = (words.inner + words.innerBlock - 1) / words.innerBlock
  for (let item = begin; item < end; item++) {
    const low = (item % ranges) * words.targetBlock
    const column = ((item / ranges) % blocks) * words.innerBlock
    let outer = item / (ranges * blocks)
    let target = column * words.innerTarget
    let index = column * words.innerIndex
    let update = column * words.innerUpdate
    for (let axis = words.outerAxes - 1; axis >= 0; axis--) {
      const outerAxis = outerAxisOf(desc, axis)
      const at = outer % outerAxis.extent
      outer /= outerAxis.extent
      target += at * outerAxis.target
      index += at * outerAxis.index
      update += at * outerAxis.update
    }
    const high = minI32(low + words.targetBlock, words.target)
    addColumns<A, T>(
      words,
      result + ((<usize>target) << 2),
      addressAt(desc, 1) + ((<usize>index) << 2),
      addressAt(desc, 2) + <usize>update * sizeof<T>(),
      minI32(words.innerBlock, words.inner - column),
      low,
      high,
    )
  }
}

function addColumns<A, T>(
  words: ScatterWords,
  result: usize,
  index: usize,
  update: usize,
  columns: i32,
  low: i32,
  high: i32,
): void {
  const isRow = words.innerIndex == 0 && words.innerTarget == 1
  const range = <u32>(high - low)
  for (let at = 0; at < words.count; at++) {
    if (isRow) {
      const destination = load<i32>(index)
      if (<u32>(destination - low) < range) {
        addRow<A, T>(result + ((<usize>(destination * words.targetStride)) << 2), update, words.innerUpdate, columns)
      }
    } else {
      addElements<A, T>(words, result, index, update, columns, low, range)
    }
    index += (<usize>words.indexStride) << 2
    update += <usize>words.updateStride * sizeof<T>()
  }
}

/** Every element has an index of its own. */
function addElements<A, T>(
  words: ScatterWords,
  result: usize,
  index: usize,
  update: usize,
  columns: i32,
  low: i32,
  range: u32,
): void {
  for (let column = 0; column < columns; column++) {
    const destination = load<i32>(index)
    if (<u32>(destination - low) < range) {
      const to = result + ((<usize>(destination * words.targetStride + column * words.innerTarget)) << 2)
      store<A>(to, <A>(load<A>(to) + valueOf<A, T>(update)))
    }
    index += (<usize>words.innerIndex) << 2
    update += <usize>words.innerUpdate * sizeof<T>()
  }
}

function valueOf<A, T>(from: usize): A {
  if (isFloat<A>()) return <A>loadOne<T>(from)
  return load<A>(from)
}

function addRow<A, T>(to: usize, update: usize, stride: i32, columns: i32): void {
  let column = 0
  if (stride == 1 && sizeof<T>() == 4) {
    for (; column + 4 <= columns; column += 4) {
      if (isFloat<A>()) v128.store(to, f32x4.add(v128.load(to), v128.load(update)))
      else v128.store(to, i32x4.add(v128.load(to), v128.load(update)))
      to += 16
      update += 16
    }
  }
  for (; column < columns; column++) {
    store<A>(to, <A>(load<A>(to) + valueOf<A, T>(update)))
    to += 4
    update += <usize>stride * sizeof<T>()
  }
}
