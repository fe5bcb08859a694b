/** Half precision, bfloat16 and 8-bit floats to and from float32, fast. */

const bits = new Uint32Array(1)
const real = new Float32Array(bits.buffer)

let halfTable: Float32Array | undefined

/** float32 of each of the 65,536 half-precision numbers. */
function halves(): Float32Array {
  if (halfTable !== undefined) return halfTable
  halfTable = new Float32Array(65536)
  const tableBits = new Uint32Array(halfTable.buffer)
  for (let half = 0; half < 65536; half++) tableBits[half] = halfToFloatBits(half)
  return halfTable
}

function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13)
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13)
  // A subnormal: fraction · 2⁻²⁴ is a normal float32 number.
  real[0] = fraction * 2 ** -24
  return sign | bits[0]
}

/** One half-precision number, from its bits. */
export function halfToNumber(half: number): number {
  return halves()[half]
}

/** Half-precision bits to float32. */
export function halvesToFloats(from: Uint16Array, to: Float32Array): void {
  const table = halves()
  for (let i = 0; i < from.length; i++) to[i] = table[from[i]]
}

/** bfloat16 bits to float32: they are its upper halves. Two at a time where they are aligned, which is half faster. */
export function bfloatsToFloats(from: Uint16Array, to: Float32Array): void {
  const out = new Uint32Array(to.buffer, to.byteOffset, to.length)
  const pairs = pairsOf(from)
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i]
    out[2 * i] = pair << 16
    out[2 * i + 1] = pair & 0xffff0000
  }
  for (let i = 2 * pairs.length; i < from.length; i++) out[i] = from[i] << 16
}

/** The whole pairs of an array as words; none when it does not start at a multiple of 4. */
function pairsOf(array: Uint16Array): Uint32Array {
  const isAligned = array.byteOffset % 4 === 0
  return new Uint32Array(array.buffer, isAligned ? array.byteOffset : 0, isAligned ? array.length >> 1 : 0)
}

/** Half-precision bits of a float32 number, rounded to nearest, ties to even. */
export function numberToHalf(value: number): number {
  real[0] = value
  return floatBitsToHalf(bits[0])
}

/** float32 to half-precision bits, rounded to nearest, ties to even. */
export function floatsToHalves(from: Float32Array, to: Uint16Array): void {
  const input = new Uint32Array(from.buffer, from.byteOffset, from.length)
  for (let i = 0; i < from.length; i++) to[i] = floatBitsToHalf(input[i])
}

function floatBitsToHalf(float: number): number {
  const sign = (float >>> 16) & 0x8000
  const magnitude = float & 0x7fffffff
  if (magnitude >= 0x47800000) {
    // 65536 and more, infinities, NaN (kept quiet)
    return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
  }
  if (magnitude >= 0x38800000) {
    // Adds just under half of the last kept bit, and that bit itself: ties go to even. A carry reaches the exponent.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
  }
  // Subnormal: adding 0.5 leaves multiples of 2⁻²⁴ in the fraction, rounded by the hardware.
  bits[0] = magnitude
  real[0] += 0.5
  return sign | (bits[0] - 0x3f000000)
}

/** float32 to bfloat16 bits, rounded to nearest, ties to even. */
export function floatsToBfloats(from: Float32Array, to: Uint16Array): void {
  const input = new Uint32Array(from.buffer, from.byteOffset, from.length)
  const pairs = pairsOf(to)
  for (let i = 0; i < pairs.length; i++) {
    pairs[i] = floatBitsToBfloat(input[2 * i]) | (floatBitsToBfloat(input[2 * i + 1]) << 16)
  }
  for (let i = 2 * pairs.length; i < to.length; i++) to[i] = floatBitsToBfloat(input[i])
}

/** Adds just under half of the last kept bit, and that bit itself: ties go to even. NaN stays one. */
function floatBitsToBfloat(float: number): number {
  if ((float & 0x7fffffff) > 0x7f800000) return (float >>> 16) | 0x40
  return ((float + 0x7fff + ((float >>> 16) & 1)) | 0) >>> 16
}

/**
 * float32 of each 8-bit float. E4M3 (of the kind "FN") has no infinity and one NaN per sign; E5M2 is a short half.
 * @source arXiv 2209.05433, table 1
 */
export function float8Table(kind: 'F8_E4M3' | 'F8_E5M2'): Float32Array {
  const table = new Float32Array(256)
  for (let code = 0; code < 256; code++) {
    table[code] = kind === 'F8_E5M2' ? halfToNumber(code << 8) : e4m3ToNumber(code)
  }
  return table
}

function e4m3ToNumber(code: number): number {
  const sign = code & 0x80 ? -1 : 1
  const exponent = (code >> 3) & 15
  const fraction = code & 7
  if (exponent === 15 && fraction === 7) return NaN
  return sign * (exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10))
}
