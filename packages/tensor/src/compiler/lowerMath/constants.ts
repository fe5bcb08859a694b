/** Constants of range reduction, and the trick that rounds by adding a large number. */

/**
 * 1.5·2²³: adding it to |v| < 2²² leaves round(v) (half to even) in the low bits of the sum, both as a number
 * (subtract it again) and as an integer (read the bits), without a conversion.
 */
export const ROUND_MAGIC = 12582912

/**
 * A real constant as a sum of f32 parts: one part of each given number of significant bits, cut toward zero, then the
 * rest rounded to f32. A product of a part of b bits with an integer below 2^(24-b) is exact, so that Cody-Waite
 * reduction loses nothing even where fma rounds twice.
 */
export function splitConstant(value: number, bits: readonly number[]): number[] {
  const parts: number[] = []
  let rest = value
  for (const count of bits) {
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(rest))) + 1 - count)
    const part = Math.trunc(rest / unit) * unit
    parts.push(part)
    rest -= part
  }
  return [...parts, Math.fround(rest)]
}
