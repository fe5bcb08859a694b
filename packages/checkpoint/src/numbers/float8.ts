/** Rounding to 8-bit floats. */
import { float8Table } from './floats.js'

/** Codes of the nearest 8-bit floats, ties to even; E4M3, which has no infinity, gives NaN beyond 464. */
export function roundToFloat8(values: Float32Array, kind: 'F8_E4M3' | 'F8_E5M2'): Uint8Array {
  const table = float8Table(kind)
  // Codes of positive numbers ascend with their values.
  const largest = kind === 'F8_E4M3' ? 0x7e : 0x7b
  return Uint8Array.from(values, (value) => {
    const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0
    const magnitude = Math.abs(value)
    if (Number.isNaN(magnitude)) return 0x7f
    const step = table[largest] - table[largest - 1]
    // The tie above the largest number would round to the even code beyond it.
    if (magnitude >= table[largest] + step / 2) return beyond(kind, sign, magnitude > table[largest] + step / 2)
    return sign | nearestCode(magnitude, table, largest)
  })
}

/** 0x7e of E4M3 is even, so the tie falls back to it; 0x7b of E5M2 is odd, so the tie becomes infinite. */
function beyond(kind: 'F8_E4M3' | 'F8_E5M2', sign: number, isAboveTie: boolean): number {
  if (kind === 'F8_E5M2') return sign | 0x7c
  return sign | (isAboveTie ? 0x7f : 0x7e)
}

function nearestCode(magnitude: number, table: Float32Array, largest: number): number {
  let low = 0
  let high = largest
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (table[middle] <= magnitude) low = middle
    else high = middle - 1
  }
  if (low === largest) return low
  const below = magnitude - table[low]
  const above = table[low + 1] - magnitude
  if (below === above) return low + (low & 1)
  return below < above ? low : low + 1
}
