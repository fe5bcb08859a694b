/**
 * f16 and bf16 as bits: conversions from and to f32 that round to nearest even, overflow to infinity and keep
 * subnormals, signed zeros and NaN (payloads are not kept; every NaN becomes the quiet one).
 */

const single = new Float32Array(1)
const singleBits = new Uint32Array(single.buffer)

const F16_NAN = 0x7e00
const F16_INFINITY = 0x7c00
const BF16_NAN = 0x7fc0
/** Adding it to a positive f32 below 2^-14 rounds that to a multiple of 2^-24, the spacing of f16 subnormals. */
const F16_SUBNORMAL_MAGIC = 0.5
const F16_SUBNORMAL_MAGIC_BITS = 0x3f000000

/** A number -> f16 bits. The number is rounded to f32 first, as every backend computes in f32. */
export function f32ToF16Bits(value: number): number {
  single[0] = value
  const bits = singleBits[0]
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | F16_NAN
  // 65520 and above are nearer to 2^16 than to the largest f16
  if (magnitude >= 0x477ff000) return sign | F16_INFINITY
  if (magnitude < 0x38800000) {
    singleBits[0] = magnitude
    single[0] = single[0] + F16_SUBNORMAL_MAGIC
    return sign | (singleBits[0] - F16_SUBNORMAL_MAGIC_BITS)
  }
  const tieToEven = (magnitude >>> 13) & 1
  // rebias the exponent by -112, then round the 13 lost bits; a carry into the exponent is right as it is
  return sign | ((magnitude - 0x38000000 + 0xfff + tieToEven) >>> 13)
}

/** f16 bits -> the number, exactly. */
export function f16BitsToF32(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  singleBits[0] = ((bits & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13)
  return single[0]
}

/** A number -> bf16 bits. The number is rounded to f32 first. */
export function f32ToBf16Bits(value: number): number {
  single[0] = value
  return bf16OfWord(singleBits[0])
}

/** bf16 bits -> the number, exactly. */
export function bf16BitsToF32(bits: number): number {
  singleBits[0] = bits << 16
  return single[0]
}

/** The number (rounded to f32 first) rounded to f16, as a number. */
export function roundToF16(value: number): number {
  return f16BitsToF32(f32ToF16Bits(value))
}

/** The number (rounded to f32 first) rounded to bf16, as a number. */
export function roundToBf16(value: number): number {
  return bf16BitsToF32(f32ToBf16Bits(value))
}

/** f32 numbers -> f16 bits. */
export function f32ToF16BitsArray(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = f32ToF16Bits(values[i])
  return bits
}

/** All 65,536 values, made on first use: a table look-up is several times faster than taking bits apart. */
let f16Values: Float32Array | undefined

/** f16 bits -> numbers. */
export function f16BitsToF32Array(bits: Uint16Array): Float32Array {
  f16Values ??= Float32Array.from({ length: 65536 }, (_, i) => f16BitsToF32(i))
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = f16Values[bits[i]]
  return values
}

/** f32 numbers -> bf16 bits. */
export function f32ToBf16BitsArray(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length)
  if (values instanceof Float32Array) {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
    for (let i = 0; i < bits.length; i++) bits[i] = bf16OfWord(words[i])
  } else {
    for (let i = 0; i < bits.length; i++) bits[i] = f32ToBf16Bits(values[i])
  }
  return bits
}

function bf16OfWord(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return ((word >>> 31) << 15) | BF16_NAN
  const tieToEven = (word >>> 16) & 1
  // the sum stays below 2^32, because NaN is gone
  return (word + 0x7fff + tieToEven) >>> 16
}

/** bf16 bits -> numbers. */
export function bf16BitsToF32Array(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16
  return new Float32Array(words.buffer)
}
