/** f16 and bf16 in plain JavaScript, for references: independent of the kernels' bit tricks. */

/** Rounds a finite number to a binary format with `bits` fraction bits and `minExponent`, nearest even. */
function roundToFormat(value: number, bits: number, minExponent: number, overflow: number): number {
  if (!Number.isFinite(value) || value === 0) return value
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), minExponent)
  const unit = 2 ** (exponent - bits)
  const scaled = value / unit
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0)
  const rounded = (floor + (up ? 1 : 0)) * unit
  if (Math.abs(rounded) >= overflow) return value > 0 ? Infinity : -Infinity
  return rounded === 0 && value < 0 ? -0 : rounded
}

export function roundF16(value: number): number {
  return roundToFormat(Math.fround(value), 10, -14, 65520)
}

export function roundBF16(value: number): number {
  return roundToFormat(Math.fround(value), 7, -126, 2 ** 128)
}

export function encodeBF16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(roundBF16(value)).buffer)[0]
  return Number.isNaN(value) ? 0x7fc0 : bits >>> 16
}

export function decodeBF16(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]
}

export function encodeF16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const rounded = roundF16(value)
  const sign = rounded < 0 || Object.is(rounded, -0) ? 0x8000 : 0
  const magnitude = Math.abs(rounded)
  if (magnitude === Infinity) return sign | 0x7c00
  if (magnitude < 2 ** -14) return sign | (magnitude / 2 ** -24)
  const exponent = Math.floor(Math.log2(magnitude))
  return sign | ((exponent + 15) << 10) | ((magnitude / 2 ** exponent - 1) * 1024)
}

export function decodeF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
