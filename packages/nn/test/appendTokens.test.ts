import { ArgumentError, scalar, tensor } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { appendTokens, kvCache } from '../src/index.js'
import { value, values, wave } from './values.js'

const start = (rows: number) => scalar(rows, { dtype: 'i32' })
/** [1, 1, T, 2] */
const rows = (...numbers: number[]) => tensor(numbers, { shape: [1, 1, numbers.length / 2, 2] })

describe('appendTokens', () => {
  const empty = kvCache({ batch: 1, kvHeads: 1, headDim: 2, capacity: 4 })

  it('writes several tokens behind those that are there and counts them', () => {
    const first = appendTokens(empty, rows(1, 2, 3, 4), rows(5, 6, 7, 8), start(0))
    const second = appendTokens(first.cache, rows(9, 10), rows(11, 12), start(2))
    expect(values(second.cache.k)).toEqual([1, 2, 3, 4, 9, 10, 0, 0])
    expect(values(second.cache.v)).toEqual([5, 6, 7, 8, 11, 12, 0, 0])
    expect([value(first.length), value(second.length)]).toEqual([2, 3])
  })

  it('rounds to the dtype of the cache', () => {
    const narrow = kvCache({ batch: 1, kvHeads: 1, headDim: 2, capacity: 4, dtype: 'bf16' })
    const { cache } = appendTokens(narrow, rows(1 + 2 ** -10, 3), rows(...wave(2)), start(0))
    expect(cache.k.dtype).toBe('bf16')
    expect(values(cache.k).slice(0, 2)).toEqual([1, 3])
  })

  it('refuses more tokens than the cache has rows', () => {
    const five = rows(...wave(10))
    expect(() => appendTokens(empty, five, five, start(0))).toThrow(ArgumentError)
    expect(() => appendTokens(empty, five, five, start(0))).toThrow(/1 to 4 tokens.*\[1, 1, 5, 2\]/)
  })
})
