/** Conversions between f32 and the two 16-bit floats. Round to nearest even; subnormals, infinities and NaN are kept. */

const f32 = new Float32Array(1)
const u32 = new Uint32Array(f32.buffer)

/** Bits of the nearest f16. */
export function f32ToF16Bits(value: number): number {
  f32[0] = value
  const bits = u32[0]
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) return sign | subnormalF16(magnitude)
  const rebased = magnitude - 0x38000000
  return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13)
}

/** |x| < 2^-14 in units of 2^-24: adding 0.5 aligns the mantissa so that the float unit itself rounds. */
function subnormalF16(magnitude: number): number {
  u32[0] = magnitude
  f32[0] += 0.5
  return u32[0] - 0x3f000000
}

export function f16BitsToF32(bits: number): number {
  const sign = (bits & 0x8000) !== 0 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Bits of the nearest bf16. */
export function f32ToBf16Bits(value: number): number {
  f32[0] = value
  const bits = u32[0]
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

export function bf16BitsToF32(bits: number): number {
  u32[0] = (bits << 16) >>> 0
  return f32[0]
}

export function f32ToF16BitsArray(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length)
  for (let k = 0; k < values.length; k++) bits[k] = f32ToF16Bits(values[k])
  return bits
}

export function f32ToBf16BitsArray(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const bits = new Uint16Array(values.length)
  for (let k = 0; k < values.length; k++) bits[k] = f32ToBf16Bits(values[k])
  return bits
}

export function f16BitsToF32Array(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length)
  for (let k = 0; k < bits.length; k++) values[k] = f16BitsToF32(bits[k])
  return values
}

export function bf16BitsToF32Array(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(bits.length)
  const words = new Uint32Array(values.buffer)
  for (let k = 0; k < bits.length; k++) words[k] = bits[k] << 16
  return values
}

/** The nearest value that f16 can hold. */
export function roundToF16(value: number): number {
  return f16BitsToF32(f32ToF16Bits(value))
}

/** The nearest value that bf16 can hold. */
export function roundToBf16(value: number): number {
  return bf16BitsToF32(f32ToBf16Bits(value))
}
