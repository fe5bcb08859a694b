import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ArgumentError,
  byteLengthOf,
  fromFloat32,
  ggufBlockTypes,
  layoutOf,
  plainDTypes,
  toFloat32,
  writableBlockTypes,
  type PlainDType,
} from '../src/index.js'
import { randomBytes, randomFloats } from './random.js'

const u16 = (...values: number[]) => new Uint8Array(Uint16Array.from(values).buffer)

/** A half-precision number from the definition. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

const allBits = Array.from({ length: 65536 }, (_, bits) => bits)

describe('half precision', () => {
  it('is widened exactly, all 65,536 numbers', () => {
    const values = toFloat32(u16(...allBits), 'F16')
    expect(allBits.filter((bits) => !Object.is(values[bits], half(bits)))).toEqual([])
  })

  it('comes back from float32, all 65,536 numbers', () => {
    const back = new Uint16Array(fromFloat32(toFloat32(u16(...allBits), 'F16'), 'F16').buffer)
    expect(allBits.filter((bits) => !Number.isNaN(half(bits)) && back[bits] !== bits)).toEqual([])
    expect(allBits.filter((bits) => Number.isNaN(half(bits)) && !Number.isNaN(half(back[bits])))).toEqual([])
  })

  it('rounds to nearest, ties to even, between all neighbours', () => {
    const positive = allBits.slice(0, 0x7bff)
    const middles = positive.map((bits) => (half(bits) + half(bits + 1)) / 2)
    const got = new Uint16Array(fromFloat32(Float32Array.from(middles), 'F16').buffer)
    expect(positive.filter((bits) => got[bits] !== bits + (bits & 1))).toEqual([])
    const edges = Float32Array.of(65519.996, 65520, -65520, 1e38, 2 ** -25, 2 ** -25 * 1.001)
    expect([...new Uint16Array(fromFloat32(edges, 'F16').buffer)]).toEqual([0x7bff, 0x7c00, 0xfc00, 0x7c00, 0, 1])
  })
})

describe('bfloat16', () => {
  it('is the upper half of float32, both ways', () => {
    const values = toFloat32(u16(...allBits), 'BF16')
    const bits = new Uint32Array(values.buffer)
    expect(allBits.filter((code) => bits[code] !== (code << 16) >>> 0)).toEqual([])
    const back = new Uint16Array(fromFloat32(values, 'BF16').buffer)
    expect(allBits.filter((code) => !Number.isNaN(values[code]) && back[code] !== code)).toEqual([])
    expect(
      allBits.filter((code) => Number.isNaN(values[code]) && !Number.isNaN(toFloat32(u16(back[code]), 'BF16')[0])),
    ).toEqual([])
  })

  it('rounds to nearest, ties to even', () => {
    const of = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer)[0]
    const inputs = [0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff, 0x7f800001]
    const got = new Uint16Array(fromFloat32(Float32Array.from(inputs, of), 'BF16').buffer)
    expect([...got]).toEqual([0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0x7fc0])
  })
})

describe('8-bit floats', () => {
  for (const dtype of ['F8_E4M3', 'F8_E5M2'] as const) {
    it(`${dtype} comes back from float32, and other numbers become the nearest`, () => {
      const codes = Uint8Array.from({ length: 256 }, (_, code) => code)
      const table = toFloat32(codes, dtype)
      const back = fromFloat32(table, dtype)
      expect([...codes].filter((code) => !Number.isNaN(table[code]) && back[code] !== code)).toEqual([])
      const finite = [...table].filter((value) => Number.isFinite(value))
      for (const value of randomFloats(500, 3)) {
        const [got] = toFloat32(fromFloat32(Float32Array.of(value), dtype), dtype)
        expect(Math.abs(got - value)).toBe(Math.min(...finite.map((other) => Math.abs(other - value))))
      }
    })
  }

  it('have the largest numbers of their standard', () => {
    expect([...toFloat32(Uint8Array.of(0x7e, 0x7f, 0x01), 'F8_E4M3')]).toEqual([448, NaN, 2 ** -9])
    expect([...toFloat32(Uint8Array.of(0x7b, 0x7c, 0x01), 'F8_E5M2')]).toEqual([57344, Infinity, 2 ** -16])
    expect([...fromFloat32(Float32Array.of(464, 465, 61440, 61439), 'F8_E4M3')]).toEqual([0x7e, 0x7f, 0x7f, 0x7f])
    expect([...fromFloat32(Float32Array.of(61440, 61439), 'F8_E5M2')]).toEqual([0x7c, 0x7b])
  })
})

describe('every plain type', () => {
  const numbers: Record<PlainDType, number[]> = {
    F64: [1.5, -2],
    F32: [1.5, -2],
    F16: [1.5, -2],
    BF16: [1.5, -2],
    F8_E4M3: [1.5, -2],
    F8_E5M2: [1.5, -2],
    I64: [-(2 ** 40), 3],
    I32: [-(2 ** 30), 3],
    I16: [-32768, 32767],
    I8: [-128, 127],
    U64: [2 ** 60, 3],
    U32: [2 ** 31, 3],
    U16: [65535, 0],
    U8: [255, 0],
    BOOL: [1, 0],
  }
  for (const dtype of plainDTypes) {
    it(`${dtype} keeps numbers that it has, wherever the bytes start`, () => {
      const bytes = fromFloat32(Float32Array.from(numbers[dtype]), dtype)
      expect(bytes.length).toBe(byteLengthOf(dtype, [2]))
      const shifted = new Uint8Array(bytes.length + 3)
      shifted.set(bytes, 3)
      expect([...toFloat32(shifted.subarray(3), dtype)]).toEqual(numbers[dtype])
    })
  }

  it('of integers refuses other numbers, and says which', () => {
    expect(() => fromFloat32(Float32Array.of(1, 1.5), 'I32')).toThrow(/got 1.5 at 1/)
    expect(() => fromFloat32(Float32Array.of(256), 'U8')).toThrow(/0 to 255, got 256/)
    expect(() => fromFloat32(Float32Array.of(2 ** 31), 'I32')).toThrow(ArgumentError)
    expect(() => fromFloat32(Float32Array.of(NaN), 'BOOL')).toThrow(ArgumentError)
  })

  it('refuses wrong arguments with an error that teaches', () => {
    expect(() => toFloat32(new Uint8Array(3), 'F16')).toThrow(/come in 2, got 3/)
    expect(() => toFloat32([1] as never, 'F16')).toThrow(/must be a Uint8Array/)
    expect(() => toFloat32(new Uint8Array(2), 'f16' as never)).toThrow(/dtype must be one of F64/)
    expect(() => fromFloat32([1] as never, 'F16')).toThrow(/must be a Float32Array/)
    expect(() => byteLengthOf('Q4_K', [2, 100])).toThrow(/multiple of 256/)
    expect(layoutOf('Q6_K')).toEqual({ blockElements: 256, blockBytes: 210 })
  })
})

describe('block types', () => {
  for (const type of ggufBlockTypes) {
    it(`${type} reads every block as it reads each alone`, () => {
      const { blockElements, blockBytes } = layoutOf(type)
      const bytes = randomBytes(5 * blockBytes)
      const whole = toFloat32(bytes, type)
      expect(whole.length).toBe(5 * blockElements)
      for (let block = 0; block < 5; block++) {
        const alone = toFloat32(bytes.slice(block * blockBytes, (block + 1) * blockBytes), type)
        expect(whole.slice(block * blockElements, (block + 1) * blockElements)).toEqual(alone)
      }
    })
  }

  /** Root of the mean squared error over that of the numbers. */
  function relativeError(values: Float32Array, type: 'Q8_0' | 'Q4_0' | 'Q4_K'): number {
    const got = toFloat32(fromFloat32(values, type), type)
    const sum = (of: (i: number) => number) => values.reduce((total, _, i) => total + of(i) ** 2, 0)
    return Math.sqrt(sum((i) => got[i] - values[i]) / sum((i) => values[i]))
  }

  it('lose as little as their number of bits allows', () => {
    const values = randomFloats(256 * 64, 0.02)
    // Of ggml's plain rounding for normally distributed numbers: 0.0054, 0.089, 0.080.
    expect(relativeError(values, 'Q8_0')).toBeLessThan(0.0055)
    expect(relativeError(values, 'Q4_0')).toBeLessThan(0.083)
    expect(relativeError(values, 'Q4_K')).toBeLessThan(0.075)
  })

  it('keep zeros, constants and tiny numbers', () => {
    for (const type of writableBlockTypes) {
      for (const value of [0, 1e-30, 5e-8, 0.5, -0.5, 30000]) {
        const got = toFloat32(fromFloat32(new Float32Array(256).fill(value), type), type)
        for (const number of got)
          expect(Math.abs(number - value)).toBeLessThanOrEqual(Math.abs(value) * 0.02 + 6e-8 * 8)
      }
    }
  })

  it('hold any block of finite numbers within a step of the largest', () => {
    const number = fc.float({ min: -60000, max: 60000, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(number, { minLength: 256, maxLength: 256 }),
        fc.constantFrom('Q8_0', 'Q4_0', 'Q4_K'),
        (values, type) => {
          const source = Float32Array.from(values)
          const got = toFloat32(fromFloat32(source, type as 'Q8_0'), type as 'Q8_0')
          const range = source.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
          got.forEach((value, i) =>
            expect(Math.abs(value - source[i])).toBeLessThanOrEqual(range * (type === 'Q8_0' ? 0.005 : 0.3) + 1e-5),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  it('refuse what they cannot hold', () => {
    expect(() => fromFloat32(new Float32Array(32).fill(NaN), 'Q8_0')).toThrow(/got NaN at 0/)
    expect(() => fromFloat32(new Float32Array(32).fill(1e30), 'Q4_0')).toThrow(/up to 65504/)
    expect(() => fromFloat32(new Float32Array(256), 'Q6_K')).toThrow(/can be written are Q8_0, Q4_0, Q4_K, got Q6_K/)
    expect(() => fromFloat32(new Float32Array(33), 'Q8_0')).toThrow(/come in 32, got 33/)
  })
})
