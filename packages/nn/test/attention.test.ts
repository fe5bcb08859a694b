import { type Tensor, arange, random, scalar, tensor } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { type KvCache, SelfAttention, appendToken, kvCache } from '../src/index.js'
import { settled, values, wave } from './values.js'

const [T, features] = [7, 8]
const tokens = tensor(wave(T * features), { shape: [1, T, features] })
const attention = settled(SelfAttention.init({ features, heads: 4, kvHeads: 2, key: random.key(0) }))
const emptyCache = (capacity: number) => kvCache({ batch: 1, kvHeads: 2, headDim: 2, capacity })

/** The outputs of one token after the other, and the cache after the last. */
function decoded(capacity: number): { outputs: number[][]; cache: KvCache } {
  let cache = emptyCache(capacity)
  const outputs = Array.from({ length: T }, (_, position) => {
    const token = tokens.slice([null, [position, position + 1]])
    const step = attention.forwardCached(token, cache, scalar(position, { dtype: 'i32' }))
    cache = settled(step.cache)
    return values(step.out)
  })
  return { outputs, cache }
}

const expectNear = (got: number[], wanted: number[]) =>
  got.forEach((element, k) => expect(element).toBeCloseTo(wanted[k], 5))

const rowsOf = (out: Tensor) => {
  const all = values(out)
  return Array.from({ length: all.length / features }, (_, t) => all.slice(t * features, (t + 1) * features))
}

describe('SelfAttention', () => {
  it('never lets a token see a later one', () => {
    const changed = values(tokens)
    changed[4 * features] += 10
    const before = rowsOf(attention.forward(tokens))
    const after = rowsOf(attention.forward(tensor(changed, { shape: [1, T, features] })))
    expect(after.slice(0, 4)).toEqual(before.slice(0, 4))
    for (const t of [4, 5, 6]) expect(after[t]).not.toEqual(before[t])
  })

  it('depends on distances only: shifted positions change nothing', () => {
    const shifted = attention.forward(tokens, { positions: arange(T).add(11) })
    expectNear(values(shifted), values(attention.forward(tokens)))
  })

  it('gives one token at a time what it gives all at once', () => {
    const { outputs } = decoded(T)
    rowsOf(attention.forward(tokens)).forEach((row, t) => expectNear(outputs[t], row))
  })

  it('with a shorter cache sees the newest tokens only', () => {
    const { outputs } = decoded(3)
    const window = arange(T).expandDims(1).sub(arange(T)).less(3) // [T, T]: query minus key
    rowsOf(attention.forward(tokens, { mask: window })).forEach((row, t) => expectNear(outputs[t], row))
  })

  it('works without rotary positions, where the order of the past does not matter', () => {
    const plain = settled(SelfAttention.init({ features, heads: 2, ropeBase: null, key: random.key(3) }))
    const swapped = values(tokens)
    const [first, second] = [swapped.slice(0, features), swapped.slice(features, 2 * features)]
    swapped.splice(0, 2 * features, ...second, ...first)
    const rows = (t: Tensor) => rowsOf(plain.forward(t))
    expectNear(rows(tensor(swapped, { shape: [1, T, features] }))[T - 1], rows(tokens)[T - 1])
  })

  it('refuses heads that do not divide', () => {
    expect(() => SelfAttention.init({ features: 8, heads: 3, key: random.key(0) })).toThrow(/8 features, 3 heads/)
    expect(() => SelfAttention.init({ features: 8, heads: 4, kvHeads: 3, key: random.key(0) })).toThrow(/3 kvHeads/)
  })
})

describe('a key/value cache', () => {
  it('writes position p at row p modulo its capacity and counts the rows in use', () => {
    const row = (element: number) => tensor([element, element, element, element], { shape: [1, 2, 1, 2] })
    let cache = emptyCache(2)
    const lengths: number[] = []
    for (let p = 0; p < 3; p++) {
      const seen = appendToken(cache, row(p + 1), row(-p - 1), scalar(p, { dtype: 'i32' }))
      lengths.push(values(seen.length)[0])
      cache = settled(seen.cache)
    }
    expect(lengths).toEqual([1, 2, 2])
    expect(values(cache.k)).toEqual([3, 3, 2, 2, 3, 3, 2, 2])
    expect(values(cache.v)).toEqual([-3, -3, -2, -2, -3, -3, -2, -2])
  })

  it('takes one token at a time', () => {
    const two = tensor(wave(8), { shape: [1, 2, 2, 2] })
    expect(() => appendToken(emptyCache(4), two, two, scalar(0, { dtype: 'i32' }))).toThrow(/got k \[1, 2, 2, 2\]/)
  })
})
