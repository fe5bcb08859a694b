/** Storage dtypes: vectors of packed narrow elements to 32-bit lanes and back. All act on the value on the stack. */
import type { DType } from '@tarazed/tensor'
import { V128, type Code } from '../wasm/code.js'
import { withLocal } from './context.js'

/** Packed elements in the low bytes → one 32-bit lane each. */
export function widen(code: Code, dtype: DType): void {
  switch (dtype) {
    case 'f32':
    case 'i32':
    case 'u32':
      return
    case 'i8':
      code.simd('i16ExtendLow8S')
      return code.simd('i32ExtendLow16S')
    case 'u8':
      return widenBytes(code)
    case 'bool':
      widenBytes(code)
      code.splatBits(0)
      return code.simd('i32Ne')
    case 'bf16':
      code.simd('i32ExtendLow16U')
      code.i32(16)
      return code.simd('i32Shl')
    case 'f16':
      code.simd('i32ExtendLow16U')
      return halfToFloat(code)
    default:
      dtype satisfies never
  }
}

function widenBytes(code: Code): void {
  code.simd('i16ExtendLow8U')
  code.simd('i32ExtendLow16U')
}

/**
 * f16 bits in 32-bit lanes → f32. The exponent is moved by a multiplication with 2^112, which is exact and also
 * normalises subnormals; infinities and NaN get the largest exponent afterwards.
 */
export function halfToFloat(code: Code): void {
  withLocal(code, V128, (half) => {
    code.tee(half)
    code.splatBits(0x7fff)
    code.simd('and')
    code.i32(13)
    code.simd('i32Shl')
    code.splatBits(0x77800000)
    code.simd('f32Mul')
    code.get(half)
    code.splatBits(0x7c00)
    code.simd('and')
    code.splatBits(0x7c00)
    code.simd('i32Eq')
    code.splatBits(0x7f800000)
    code.simd('and')
    code.simd('or')
    code.get(half)
    code.splatBits(0x8000)
    code.simd('and')
    code.i32(16)
    code.simd('i32Shl')
    code.simd('or')
  })
}

/** f32 → f16 bits in 32-bit lanes: nearest even, subnormals kept, overflow to infinity, NaN stays NaN. */
export function floatToHalf(code: Code): void {
  const value = code.allocate(V128)
  const size = code.allocate(V128)
  const half = code.allocate(V128)
  code.tee(value)
  code.splatBits(0x7fffffff)
  code.simd('and')
  code.tee(size)
  // Normal numbers: new exponent bias, and half a unit (less one when even) added before the cut.
  code.splatBits(0xc8000fff)
  code.simd('i32Add')
  code.get(size)
  code.i32(13)
  code.simd('i32ShrU')
  code.splatBits(1)
  code.simd('and')
  code.simd('i32Add')
  code.i32(13)
  code.simd('i32ShrU')
  // Below 2^-14: adding 0.5 makes the float unit cut at 2^-24, to nearest even.
  code.get(size)
  code.splatFloat(0.5)
  code.simd('f32Add')
  code.splatFloat(0.5)
  code.simd('i32Sub')
  code.get(size)
  code.splatBits(0x38800000)
  code.simd('i32GeU')
  code.simd('bitselect')
  code.set(half)
  code.splatBits(0x7c00)
  code.get(half)
  code.get(size)
  code.splatBits(0x477ff000)
  code.simd('i32GeU')
  code.simd('bitselect')
  code.get(size)
  code.splatBits(0x7f800000)
  code.simd('i32GtU')
  code.splatBits(0x0200)
  code.simd('and')
  code.simd('or')
  code.get(value)
  code.i32(16)
  code.simd('i32ShrU')
  code.splatBits(0x8000)
  code.simd('and')
  code.simd('or')
  for (const local of [value, size, half]) code.release(local)
}

/** f32 → the nearest bf16 (even on ties, NaN quiet), still as f32. */
export function roundToBfloat(code: Code): void {
  withLocal(code, V128, (value) => {
    code.tee(value)
    code.splatBits(0x7fff)
    code.simd('i32Add')
    code.get(value)
    code.i32(16)
    code.simd('i32ShrU')
    code.splatBits(1)
    code.simd('and')
    code.simd('i32Add')
    // Rounding could carry a NaN into the sign, so NaN lanes keep their bits with the quiet bit set.
    code.get(value)
    code.splatBits(0x00400000)
    code.simd('or')
    code.get(value)
    code.get(value)
    code.simd('f32Eq')
    code.simd('bitselect')
    code.splatBits(0xffff0000)
    code.simd('and')
  })
}

const LOW_BYTES = [0, 4, 8, 12]
const LOW_HALVES = [0, 1, 4, 5, 8, 9, 12, 13]
const HIGH_HALVES = [2, 3, 6, 7, 10, 11, 14, 15]

/** 32-bit lanes → packed elements in the low bytes. */
export function narrow(code: Code, dtype: DType): void {
  switch (dtype) {
    case 'f32':
    case 'i32':
    case 'u32':
      return
    case 'i8':
    case 'u8':
      return pack(code, LOW_BYTES)
    case 'bool':
      code.splatBits(1)
      code.simd('and')
      return pack(code, LOW_BYTES)
    case 'bf16':
      return pack(code, HIGH_HALVES)
    case 'f16':
      floatToHalf(code)
      return pack(code, LOW_HALVES)
    default:
      dtype satisfies never
  }
}

function pack(code: Code, bytes: readonly number[]): void {
  withLocal(code, V128, (value) => {
    code.tee(value)
    code.get(value)
    code.shuffle([...bytes, ...new Array<number>(16 - bytes.length).fill(0)])
  })
}
