import { describe, expect, it } from 'vitest'
import { compare, DTYPE_TOLERANCE, EXACT, lastPlace, scaled, ulpError } from '../src/testing/tolerances.js'

describe('compare', () => {
  it('counts NaN as equal to NaN, an infinity to itself and -0 to 0', () => {
    expect(compare([NaN, Infinity, -Infinity, -0], [NaN, Infinity, -Infinity, 0], EXACT).passed).toBe(true)
    expect(compare([NaN], [0], DTYPE_TOLERANCE.f32).passed).toBe(false)
    expect(compare([3.4e38], [Infinity], { rtol: 1, atol: 1e38 }).passed).toBe(false)
    expect(compare([Infinity], [-Infinity], { rtol: 1, atol: 1 }).passed).toBe(false)
  })

  it('allows atol + rtol·|want| and names the worst element', () => {
    const tolerance = { rtol: 0.1, atol: 1 }
    expect(compare([12, 100], [10, 100], tolerance).passed).toBe(true)
    const result = compare([12.1, 130, 7], [10, 100, 7], tolerance)
    expect(result).toMatchObject({ passed: false, failures: 2, worst: 1 })
    expect(result.message).toContain('element 1: got 130, want 100')
    expect(compare([12.1], [10], scaled(tolerance, 2)).passed).toBe(true)
  })

  it('fails lists of different length and any difference at tolerance 0', () => {
    expect(compare([1, 2], [1], EXACT).passed).toBe(false)
    expect(compare([1 + 2 ** -52], [1], EXACT)).toMatchObject({ passed: false, failures: 1, worst: 0 })
  })
})

describe('ulpError', () => {
  it('measures in distances of f32 numbers', () => {
    expect(lastPlace(1)).toBe(2 ** -23)
    expect(lastPlace(0.999)).toBe(2 ** -24)
    expect(lastPlace(2 ** -140)).toBe(2 ** -149)
    expect(ulpError(1 + 2 ** -23, 1)).toBe(1)
    expect(ulpError(1, 1 + 2 ** -25)).toBe(0.25)
    expect(ulpError(NaN, NaN)).toBe(0)
    expect(ulpError(Infinity, 1e39)).toBe(0)
    expect(ulpError(Infinity, 3e38)).toBe(Infinity)
    expect(ulpError(1, NaN)).toBe(Infinity)
  })
})
