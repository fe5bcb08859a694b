/**
 * Widening and narrowing of f16 and bf16, four elements at a time.
 * The type parameter names the storage: f32 is f32, u16 is f16, i16 is bf16.
 */
import { BF16, F16, F32 } from './memory'

/** Four f16 in the low halves of the lanes, widened exactly; subnormals, infinities and NaN included. */
function widenF16(half: v128): v128 {
  const magnitude = i32x4.shl(v128.and(half, i32x4.splat(0x7fff)), 13)
  const sign = i32x4.shl(v128.and(half, i32x4.splat(0x8000)), 16)
  // Moving the exponent by a multiplication normalises subnormals; 2^112 = 2^(127 - 15).
  const scaled = f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33))
  const special = i32x4.gt_s(magnitude, i32x4.splat(0x0f7fffff))
  const fixed = v128.or(scaled, v128.and(special, i32x4.splat(0x7f800000)))
  return v128.or(fixed, sign)
}

/** Rounds to f16, nearest even; the result is in the low halves of the lanes. */
function narrowF16(value: v128): v128 {
  const sign = v128.and(value, i32x4.splat(0x80000000))
  const magnitude = v128.xor(value, sign)
  const isNaN = i32x4.gt_s(magnitude, i32x4.splat(0x7f800000))
  const overflows = i32x4.ge_s(magnitude, i32x4.splat(0x47800000))
  const isSmall = i32x4.lt_s(magnitude, i32x4.splat(0x38800000))
  // Below 2^-14 the spacing is that of 0.5 · 2^-13 …: adding 0.5 lets the hardware round at the last subnormal bit.
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f000000))
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1))
  const rebiased = i32x4.add(magnitude, i32x4.splat(0xc8000fff))
  const normal = i32x4.shr_u(i32x4.add(rebiased, odd), 13)
  let result = v128.bitselect(small, normal, isSmall)
  result = v128.bitselect(i32x4.splat(0x7c00), result, overflows)
  result = v128.bitselect(i32x4.splat(0x7e00), result, isNaN)
  return v128.or(result, i32x4.shr_u(sign, 16))
}

/** Rounds to bf16, nearest even; the result is in the low halves of the lanes. */
function narrowBF16(value: v128): v128 {
  const odd = v128.and(i32x4.shr_u(value, 16), i32x4.splat(1))
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(value, i32x4.splat(0x7fff)), odd), 16)
  const quiet = v128.or(i32x4.shr_u(value, 16), i32x4.splat(0x40))
  return v128.bitselect(rounded, quiet, f32x4.eq(value, value))
}

/** The low halves of four lanes, packed into the low 64 bits. */
function packHalves(lanes: v128): v128 {
  return i8x16.shuffle(lanes, lanes, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13)
}

/** Four consecutive elements. */
export function load4<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load(from)
  const half = v128.load16x4_u(from)
  if (isSigned<T>()) return i32x4.shl(half, 16)
  return widenF16(half)
}

/** One element in every lane. */
export function splat4<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load32_splat(from)
  const half = i32x4.splat(<i32>load<u16>(from))
  if (isSigned<T>()) return i32x4.shl(half, 16)
  return widenF16(half)
}

export function loadOne<T>(from: usize): f32 {
  if (isFloat<T>()) return load<f32>(from)
  if (isSigned<T>()) return reinterpret<f32>((<i32>load<u16>(from)) << 16)
  return f32x4.extract_lane(widenF16(i32x4.splat(<i32>load<u16>(from))), 0)
}

export function store4<T>(to: usize, value: v128): void {
  if (isFloat<T>()) {
    v128.store(to, value)
  } else if (isSigned<T>()) {
    v128.store64_lane(to, packHalves(narrowBF16(value)), 0)
  } else {
    v128.store64_lane(to, packHalves(narrowF16(value)), 0)
  }
}

export function storeOne<T>(to: usize, value: f32): void {
  if (isFloat<T>()) {
    store<f32>(to, value)
  } else if (isSigned<T>()) {
    store<u16>(to, <u16>i32x4.extract_lane(narrowBF16(f32x4.splat(value)), 0))
  } else {
    store<u16>(to, <u16>i32x4.extract_lane(narrowF16(f32x4.splat(value)), 0))
  }
}

function narrowRowOf<T>(from: usize, to: usize, count: i32, toStride: i32): void {
  const step = <usize>toStride * sizeof<T>()
  let done = 0
  if (toStride == 1) {
    for (; done + 4 <= count; done += 4)
      store4<T>(to + <usize>done * sizeof<T>(), v128.load(from + ((<usize>done) << 2)))
  }
  for (; done < count; done++) storeOne<T>(to + <usize>done * step, load<f32>(from + ((<usize>done) << 2)))
}

/** Rounds `count` consecutive f32 into elements of `dtype`, `toStride` elements apart. */
export function narrowRow(dtype: i32, from: usize, to: usize, count: i32, toStride: i32): void {
  if (dtype == F32) narrowRowOf<f32>(from, to, count, toStride)
  else if (dtype == F16) narrowRowOf<u16>(from, to, count, toStride)
  else if (dtype == BF16) narrowRowOf<i16>(from, to, count, toStride)
}

function widenRowOf<T>(from: usize, fromStride: i32, to: usize, count: i32): void {
  const step = <usize>fromStride * sizeof<T>()
  let done = 0
  if (fromStride == 1) {
    for (; done + 4 <= count; done += 4)
      v128.store(to + ((<usize>done) << 2), load4<T>(from + <usize>done * sizeof<T>()))
  }
  for (; done < count; done++) store<f32>(to + ((<usize>done) << 2), loadOne<T>(from + <usize>done * step))
}

/** Widens `count` elements of `dtype`, `fromStride` elements apart, into consecutive f32. */
export function widenRow(dtype: i32, from: usize, fromStride: i32, to: usize, count: i32): void {
  if (dtype == F32) widenRowOf<f32>(from, fromStride, to, count)
  else if (dtype == F16) widenRowOf<u16>(from, fromStride, to, count)
  else if (dtype == BF16) widenRowOf<i16>(from, fromStride, to, count)
}
