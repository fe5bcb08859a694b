/** exp and log in f32, within 2 ulp, for routines. */
import { madd } from './microkernel'

/**
 * exp of four values: 2ⁿ · p(r) with x = n·ln 2 + r and |r| ≤ ln 2 / 2, ln 2 in two parts so that n·ln 2 is exact.
 * The power of two is 2 · 2ⁿ⁻¹, so that n = 128 does not overflow early. Results under 2⁻¹²⁵ are 0: arithmetic with
 * subnormals costs a hundred cycles, and masked scores would meet it all the time. NaN stays NaN.
 */
export function exp4(value: v128): v128 {
  // pmin and pmax are one instruction each, and keep a NaN that comes first.
  const x = f32x4.pmax(f32x4.pmin(value, f32x4.splat(89)), f32x4.splat(-87))
  // Adding 1.5 · 2²³ rounds to an integer, which is then in the low bits.
  const shifted = madd(x, f32x4.splat(1.44269504), f32x4.splat(12582912))
  const n = f32x4.sub(shifted, f32x4.splat(12582912))
  let r = madd(n, f32x4.splat(-0.693359375), x)
  r = madd(n, f32x4.splat(2.1219444e-4), r)
  let p = f32x4.splat(1.98756915e-4)
  p = madd(p, r, f32x4.splat(1.3981999507e-3))
  p = madd(p, r, f32x4.splat(8.3334519073e-3))
  p = madd(p, r, f32x4.splat(4.1665795894e-2))
  p = madd(p, r, f32x4.splat(1.6666665459e-1))
  p = madd(p, r, f32x4.splat(5.0000001201e-1))
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1))
  const half = i32x4.shl(i32x4.add(shifted, i32x4.splat(126)), 23)
  const scaled = f32x4.mul(p, half)
  return v128.andnot(f32x4.add(scaled, scaled), f32x4.lt(value, f32x4.splat(-86.6)))
}

/** Natural logarithm: x = 2ᵏ(1 + f), log(1 + f) by the series in s = f / (2 + f). For x > 0 and NaN. */
export function log1(x: f32): f32 {
  if (!(x < Infinity)) return x
  let bits = reinterpret<u32>(x)
  let k = 0
  if (bits < 0x00800000) {
    bits = reinterpret<u32>(x * 33554432)
    k = -25
  }
  // Moves the split of exponent and fraction to √½, so that f is small on both sides of 1.
  bits += 0x3f800000 - 0x3f3504f3
  k += <i32>(bits >> 23) - 127
  const fraction = reinterpret<f32>((bits & 0x007fffff) + 0x3f3504f3)
  const f = fraction - 1
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const even = w * (<f32>0.40000972152 + w * <f32>0.24279078841)
  const odd = z * (<f32>0.66666662693 + w * <f32>0.28498786688)
  const halfSquare = <f32>0.5 * f * f
  const high = <f32>k * <f32>6.9313812256e-1
  return high - (halfSquare - (s * (halfSquare + odd + even) + <f32>k * <f32>9.0580006145e-6) - f)
}
