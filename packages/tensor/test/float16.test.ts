import { describe, expect, it } from 'vitest'
import {
  bf16BitsToF32,
  bf16BitsToF32Array,
  f16BitsToF32,
  f16BitsToF32Array,
  f32ToBf16Bits,
  f32ToBf16BitsArray,
  f32ToF16Bits,
  f32ToF16BitsArray,
  roundToBf16,
  roundToF16,
} from '../src/program/float16.js'

interface Format {
  readonly name: string
  readonly toBits: (value: number) => number
  readonly fromBits: (bits: number) => number
  readonly infinity: number
  readonly nan: number
}

const FORMATS: readonly Format[] = [
  { name: 'f16', toBits: f32ToF16Bits, fromBits: f16BitsToF32, infinity: 0x7c00, nan: 0x7e00 },
  { name: 'bf16', toBits: f32ToBf16Bits, fromBits: bf16BitsToF32, infinity: 0x7f80, nan: 0x7fc0 },
]

describe('f16 and bf16 bits', () => {
  for (const { name, toBits, fromBits, infinity, nan } of FORMATS) {
    it(`${name}: every one of the 65,536 patterns comes back, NaNs as the quiet one`, () => {
      const wrong: number[] = []
      for (let bits = 0; bits < 65536; bits++) {
        const isNaNPattern = (bits & 0x7fff) > infinity
        const back = toBits(fromBits(bits)) & (isNaNPattern ? 0x7fff : 0xffff)
        if (back !== (isNaNPattern ? nan : bits)) wrong.push(bits)
      }
      expect(wrong).toEqual([])
    })

    it(`${name}: between two neighbours the nearer is chosen, and the even one at the middle`, () => {
      const wrong: number[] = []
      for (let bits = 0; bits < infinity - 1; bits++) {
        const low = fromBits(bits)
        const high = fromBits(bits + 1)
        const middle = (low + high) / 2
        const even = bits % 2 === 0 ? bits : bits + 1
        const isRight =
          toBits(middle) === even &&
          toBits(-middle) === (even | 0x8000) &&
          toBits(nextF32(middle, -1)) === bits &&
          toBits(nextF32(middle, 1)) === bits + 1
        if (!isRight) wrong.push(bits)
      }
      expect(wrong).toEqual([])
    })

    it(`${name}: numbers from half a place beyond the largest on are infinite`, () => {
      const largest = fromBits(infinity - 1)
      const edge = largest + (largest - fromBits(infinity - 2)) / 2
      expect(toBits(edge)).toBe(infinity)
      expect(toBits(nextF32(edge, -1))).toBe(infinity - 1)
      expect(toBits(-Infinity)).toBe(infinity | 0x8000)
    })
  }

  it('known values', () => {
    expect(f32ToF16Bits(1)).toBe(0x3c00)
    expect(f32ToF16Bits(65504)).toBe(0x7bff)
    expect(f32ToF16Bits(2 ** -24)).toBe(1)
    expect(f32ToF16Bits(2 ** -25)).toBe(0)
    expect(f32ToBf16Bits(1)).toBe(0x3f80)
    expect(Object.is(roundToF16(-0), -0)).toBe(true)
    expect(roundToBf16(3.14159)).toBe(3.140625)
    expect(roundToF16(3.14159)).toBe(3.140625)
  })

  it('whole arrays convert as single numbers do', () => {
    const numbers = Float32Array.from({ length: 4001 }, (_, i) => Math.sin(i) * 2 ** ((i % 300) - 150))
    numbers.set([NaN, Infinity, -Infinity, -0, 0])
    for (const values of [numbers, numbers.subarray(1), Array.from(numbers)]) {
      const f16 = f32ToF16BitsArray(values)
      const bf16 = f32ToBf16BitsArray(values)
      expect(Array.from(f16)).toEqual(Array.from(values, f32ToF16Bits))
      expect(Array.from(bf16)).toEqual(Array.from(values, f32ToBf16Bits))
      expect(Array.from(f16BitsToF32Array(f16))).toEqual(Array.from(f16, f16BitsToF32))
      expect(Array.from(bf16BitsToF32Array(bf16))).toEqual(Array.from(bf16, bf16BitsToF32))
    }
  })
})

function nextF32(value: number, direction: 1 | -1): number {
  const float = Float32Array.of(value)
  const word = new Int32Array(float.buffer)
  if (value === 0) return direction * 2 ** -149
  word[0] += direction
  return float[0]
}
