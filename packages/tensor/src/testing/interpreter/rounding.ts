/** Wrapping of integers and rounding of floats to a dtype, by plain arithmetic on float64. */
import type { DType } from '../../dtype.js'

/** The nearest value with `fractionBits` explicit bits of fraction and smallest exponent `minExponent`, ties to even. */
function roundToBits(value: number, fractionBits: number, minExponent: number, largest: number): number {
  if (value === 0 || !Number.isFinite(value)) return value
  const exponent = Math.max(exponentOf(Math.abs(value)), minExponent)
  const unit = 2 ** (exponent - fractionBits)
  const rounded = roundHalfEven(value / unit) * unit
  return Math.abs(rounded) > largest ? Math.sign(value) * Infinity : rounded
}

/** floor(log2(value)); `Math.log2` alone is off by one next to powers of two. */
function exponentOf(value: number): number {
  let exponent = Math.floor(Math.log2(value))
  if (2 ** exponent > value) exponent -= 1
  else if (2 ** (exponent + 1) <= value) exponent += 1
  return exponent
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest < 0.5) return floor
  if (rest > 0.5) return floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/** A float64 as the nearest value of a float dtype. */
export function roundFloat(value: number, dtype: 'f32' | 'f16' | 'bf16'): number {
  if (dtype === 'f32') return Math.fround(value)
  // Backends compute in f32 and round once more, so the double rounding is part of the definition.
  const single = Math.fround(value)
  return dtype === 'f16' ? roundToBits(single, 10, -14, 65504) : roundToBits(single, 7, -126, 3.3895313892515355e38)
}

/** The low bits of an exact integer. */
export function wrapInteger(value: number, dtype: DType): number {
  switch (dtype) {
    case 'i32':
      return value | 0
    case 'u32':
      return value >>> 0
    case 'i8':
      return (value << 24) >> 24
    case 'u8':
      return value & 0xff
    default:
      return value
  }
}

const RANGE: Partial<Record<DType, readonly [number, number]>> = {
  i32: [-2147483648, 2147483647],
  u32: [0, 4294967295],
  i8: [-128, 127],
  u8: [0, 255],
}

/** Float to integer: cut toward zero, clamp to the range, NaN gives 0. */
export function floatToInteger(value: number, dtype: DType): number {
  const [low, high] = RANGE[dtype]!
  if (Number.isNaN(value)) return 0
  return Math.min(high, Math.max(low, Math.trunc(value))) + 0
}

/** Smallest and largest value of a dtype: what `max` and `min` of nothing start from. */
export function extremes(dtype: DType): readonly [number, number] {
  return RANGE[dtype] ?? (dtype === 'bool' ? [0, 1] : [-Infinity, Infinity])
}
