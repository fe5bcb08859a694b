import { describe, expect, it } from 'vitest'
import { compareNumbers, compareTensors, type Tolerance } from '../src/compare.js'
import { bytesOf, numbersOf, type HostDType, type HostTensor } from '../src/hostTensor.js'

const host = (dtype: HostDType, shape: number[], values: number[]): HostTensor => ({
  dtype,
  shape,
  bytes: bytesOf(values, dtype),
})
const equal = (got: number, want: number, tolerance: Tolerance): boolean =>
  compareNumbers('x', [1], [got], [want], { tolerance }) === null

describe('comparing', () => {
  it('allows atol + rtol·|want|', () => {
    expect(equal(10.11, 10, [0.01, 0.01])).toBe(true)
    expect(equal(10.12, 10, [0.01, 0.01])).toBe(false)
    expect(equal(-10.11, -10, [0.01, 0.01])).toBe(true)
  })

  it('takes NaN for NaN and an infinity for the same infinity only', () => {
    expect(equal(NaN, NaN, [0, 0])).toBe(true)
    expect(equal(1, NaN, [1, 1])).toBe(false)
    expect(equal(NaN, 1, [1, 1])).toBe(false)
    expect(equal(Infinity, Infinity, [0, 0])).toBe(true)
    expect(equal(-Infinity, Infinity, [1, 1])).toBe(false)
    expect(equal(1e30, Infinity, [1, 1])).toBe(false)
    expect(equal(Infinity, 1e30, [1, 1])).toBe(false)
  })

  it('takes -0 for 0 and, with tolerance 0, nothing else', () => {
    expect(equal(-0, 0, [0, 0])).toBe(true)
    expect(equal(2 ** -149, 0, [0, 0])).toBe(false)
  })

  it('accepts 0 for a subnormal only where the backend flushes', () => {
    const want = host('f32', [1], [2 ** -130])
    const got = host('f32', [1], [0])
    expect(compareTensors('x', got, want, { tolerance: [0, 0] })).not.toBeNull()
    expect(compareTensors('x', got, want, { tolerance: [0, 0], flushToZero: true })).toBeNull()
  })

  it('wants the very shape and dtype', () => {
    const want = host('f32', [2], [1, 2])
    const options = { tolerance: [1, 1] as const }
    expect(compareTensors('x', host('f32', [1, 2], [1, 2]), want, options)).toBe('x: got f32[1, 2], want f32[2]')
    expect(compareTensors('x', host('f16', [2], [1, 2]), want, options)).toBe('x: got f16[2], want f32[2]')
  })

  it('names the worst element, both values and the tolerance', () => {
    const got = host('f32', [2, 2], [1, 2.5, 3, 7])
    const want = host('f32', [2, 2], [1, 2, 3, 4])
    expect(compareTensors('out0', got, want, { tolerance: [0, 0.25] })).toBe(
      'out0[1, 1] got 7, want 4, tolerance rtol 0 atol 0.25, 2 of 4 wrong',
    )
  })
})

describe('host tensors', () => {
  it('hold every f16 and bf16 value through a round trip', () => {
    for (const dtype of ['f16', 'bf16'] as const) {
      const bits = Uint16Array.from({ length: 65536 }, (_, k) => k)
      const numbers = numbersOf({ dtype, shape: [65536], bytes: new Uint8Array(bits.buffer) })
      const again = new Uint16Array(bytesOf(numbers, dtype).slice().buffer)
      const changed = [...bits.keys()].filter((k) => !Number.isNaN(numbers[k]) && again[k] !== k)
      expect(changed).toEqual([])
    }
  })

  it('read integers with their sign', () => {
    expect([...numbersOf(host('i8', [2], [-128, 127]))]).toEqual([-128, 127])
    expect([...numbersOf(host('u32', [1], [4294967295]))]).toEqual([4294967295])
  })
})
