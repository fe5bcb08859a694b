/** Integer products: i32 that wraps, so order does not matter. Items are rows of all matrices. */
import { addressAt } from './memory'
import { leftOffset, rightOffset, wordsOf } from './matmul'

export function matmulI32(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const words = wordsOf(desc)
  for (let item = begin; item < end; item++) {
    const batch = item / words.rows
    const row = item % words.rows
    const left = addressAt(desc, 0) + ((<usize>(leftOffset(desc, words.batchAxes, batch) + row * words.leftRow)) << 2)
    const right = addressAt(desc, 1) + ((<usize>rightOffset(desc, words.batchAxes, batch)) << 2)
    const result = addressAt(desc, 2) + ((<usize>item * <usize>words.columns) << 2)
    memory.fill(result, 0, (<usize>words.columns) << 2)
    for (let step = 0; step < words.depth; step++) {
      const factor = load<i32>(left + ((<usize>(step * words.leftDepth)) << 2))
      addScaledRow(result, factor, right + ((<usize>(step * words.rightDepth)) << 2), words.rightColumn, words.columns)
    }
  }
}

function addScaledRow(to: usize, factor: i32, from: usize, stride: i32, count: i32): void {
  let column = 0
  if (stride == 1) {
    const factors = i32x4.splat(factor)
    for (; column + 4 <= count; column += 4) {
      const at = (<usize>column) << 2
      v128.store(to + at, i32x4.add(v128.load(to + at), i32x4.mul(factors, v128.load(from + at))))
    }
  }
  for (; column < count; column++) {
    const at = to + ((<usize>column) << 2)
    store<i32>(at, load<i32>(at) + factor * load<i32>(from + ((<usize>(column * stride)) << 2)))
  }
}
