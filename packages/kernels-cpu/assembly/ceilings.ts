/** What this machine can do at this width: the loops that benches measure everything else against. */
import { addressAt } from './memory'
import { madd } from './microkernel'

/** Multiply-adds of one item of `ceilingMultiplyAdd`. */
const STEPS: i32 = 1024

/**
 * Items are 1,024 turns of twelve independent multiply-adds of four lanes, in registers. Result: one vector. Every factor
 * changes with every turn: a product that does not would be computed once, before the loop.
 */
export function ceilingMultiplyAdd(desc: usize, scratch: usize, begin: i32, end: i32): void {
  const a = v128.load(addressAt(desc, 0))
  const b = v128.load(addressAt(desc, 0), 16)
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let s4 = s0
  let s5 = s0
  let s6 = s0
  let s7 = s0
  let s8 = s0
  let s9 = s0
  let s10 = s0
  let s11 = s0
  for (let turn = (end - begin) * STEPS; turn != 0; turn--) {
    s0 = madd(s0, a, b)
    s1 = madd(s1, a, b)
    s2 = madd(s2, a, b)
    s3 = madd(s3, a, b)
    s4 = madd(s4, a, b)
    s5 = madd(s5, a, b)
    s6 = madd(s6, a, b)
    s7 = madd(s7, a, b)
    s8 = madd(s8, a, b)
    s9 = madd(s9, a, b)
    s10 = madd(s10, a, b)
    s11 = madd(s11, a, b)
  }
  s0 = f32x4.add(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), f32x4.add(s4, s5))
  s6 = f32x4.add(f32x4.add(f32x4.add(s6, s7), f32x4.add(s8, s9)), f32x4.add(s10, s11))
  v128.store(addressAt(desc, 1), f32x4.add(s0, s6))
}

/** Items are 64 KiB copied from the operand to the result. */
export function ceilingCopy(desc: usize, scratch: usize, begin: i32, end: i32): void {
  let from = addressAt(desc, 0) + ((<usize>begin) << 16)
  let to = addressAt(desc, 1) + ((<usize>begin) << 16)
  const last = addressAt(desc, 0) + ((<usize>end) << 16)
  while (from != last) {
    v128.store(to, v128.load(from))
    v128.store(to, v128.load(from, 16), 16)
    v128.store(to, v128.load(from, 32), 32)
    v128.store(to, v128.load(from, 48), 48)
    from += 64
    to += 64
  }
}
