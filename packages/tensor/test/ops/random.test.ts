/** Random numbers: known answers, laws of keys, and shapes of distributions. */
import { describe, expect, it } from 'vitest'
import { add, concat, scalar, tensor, unstack, zeros } from '../../src/ops/index.js'
import type { Tensor } from '../../src/graph/tensor.js'
import * as random from '../../src/random/index.js'
import { rounded } from './support.js'

const key = random.key(42)
const n = 6_000
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const deviation = (values: readonly number[]): number => Math.sqrt(mean(values.map((v) => (v - mean(values)) ** 2)))

describe('the cipher', () => {
  // The three known answers of Random123 for threefry2x32-20.
  it.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ])('maps key %j and counter %j to the known answer', (words, counter, want) => {
    expect(rounded(random.block(tensor(Uint32Array.from(words)), tensor(Uint32Array.from(counter))))).toEqual(want)
  })

  it('broadcasts keys over counters', () => {
    const counters = tensor(Uint32Array.of(0, 0, 0, 1, 0, 2), { shape: [3, 2] })
    expect(rounded(random.block(key, counters))).toEqual(rounded(random.split(key, 3)))
  })
})

describe('keys', () => {
  it('hold the seed in two words', () => {
    expect(rounded(random.key(7))).toEqual([0, 7])
    expect(rounded(random.key(2 ** 32 + 5))).toEqual([1, 5])
    expect(random.key(1).state).toBe('ready')
  })

  it('differ after splitting and folding, and repeat for equal arguments', () => {
    const keys = [key, ...unstack(random.split(key, 3)), random.foldIn(key, 0x12345678), random.foldIn(key, 1)].map(
      (k) => String(rounded(k)),
    )
    expect(new Set(keys).size).toBe(5) // foldIn(key, i) is row i of split
    expect(String(rounded(random.foldIn(key, 1)))).toBe(keys[2])
  })

  it('fold in numbers known at run time', () => {
    expect(rounded(random.foldIn(key, scalar(9, { dtype: 'i32' })))).toEqual(rounded(random.foldIn(key, 9)))
  })

  it('give parts of a draw that do not depend on its size', () => {
    expect(rounded(random.bits(key, [100])).slice(0, 7)).toEqual(rounded(random.bits(key, [7])))
  })
})

describe.each([true, false])('distributions (partitionable %s)', (partitionable) => {
  const option = { partitionable }

  it('uniform covers [0, 1) and [min, max)', () => {
    const unit = rounded(random.uniform(key, [n], option))
    expect(Math.min(...unit)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...unit)).toBeLessThan(1)
    expect(mean(unit)).toBeCloseTo(0.5, 1)
    const wide = rounded(random.uniform(key, [n], { min: -3, max: 5, ...option }))
    expect(Math.min(...wide)).toBeGreaterThanOrEqual(-3)
    expect(mean(wide)).toBeCloseTo(1, 0)
  })

  it.each(['f32', 'bf16', 'f16'] as const)('normal of %s has mean 0 and deviation 1', (dtype) => {
    const drawn = rounded(random.normal(key, [n], { dtype, ...option }))
    expect(drawn.every(Number.isFinite)).toBe(true)
    expect(Math.abs(mean(drawn))).toBeLessThan(0.05)
    expect(Math.abs(deviation(drawn) - 1)).toBeLessThan(0.05)
  })

  it('truncated normal stays strictly inside its bounds', () => {
    const drawn = rounded(random.truncatedNormal(key, -0.5, 1.5, [n], option))
    expect(Math.min(...drawn)).toBeGreaterThan(-0.5)
    expect(Math.max(...drawn)).toBeLessThan(1.5)
  })

  it('bernoulli takes a probability or a tensor of them', () => {
    expect(Math.abs(mean(rounded(random.bernoulli(key, 0.3, [n], option))) - 0.3)).toBeLessThan(0.02)
    const each = random.bernoulli(key, tensor([0, 1]), [n / 2, 2], option)
    expect(rounded(each).every((hit, k) => hit === k % 2)).toBe(true)
  })

  it('randint covers its range, also the widest', () => {
    const dice = rounded(random.randint(key, [n], { min: 1, max: 7, ...option }))
    expect([...new Set(dice)].sort()).toEqual([1, 2, 3, 4, 5, 6])
    const whole = rounded(random.randint(key, [n], { min: -(2 ** 31), max: 2 ** 31, ...option }))
    expect(Math.min(...whole)).toBeLessThan(-2e9)
    expect(Math.max(...whole)).toBeGreaterThan(2e9)
    const high = rounded(random.randint(key, [n], { min: 2 ** 32 - 4, max: 2 ** 32, dtype: 'u32', ...option }))
    expect([...new Set(high)].sort()).toEqual([4294967292, 4294967293, 4294967294, 4294967295])
  })

  it('categorical follows the logits', () => {
    const logits = tensor([Math.log(0.1), Math.log(0.6), Math.log(0.3)])
    const rows = add(zeros([n, 3]), logits)
    const drawn = rounded(random.categorical(key, rows, option))
    const share = (c: number): number => drawn.filter((d) => d === c).length / n
    for (const [c, p] of [0.1, 0.6, 0.3].entries()) expect(Math.abs(share(c) - p)).toBeLessThan(0.02)
  })

  it('gumbel has mean γ', () => {
    expect(Math.abs(mean(rounded(random.gumbel(key, [n], option))) - 0.5772)).toBeLessThan(0.05)
  })

  it('permutation holds every element once', () => {
    for (const count of [0, 1, 2, 100]) {
      const order = rounded(random.permutation(key, count, option))
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, k) => k))
    }
    expect(rounded(random.permutation(key, 100, option))).not.toEqual(Array.from({ length: 100 }, (_, k) => k))
  })

  it('permutation of a tensor moves whole slices', () => {
    const column = tensor([[0], [10], [20], [30]])
    const pairs = random.permutation(key, concat([column, add(column, 1)], { axis: 1 }) as Tensor, option)
    const values = rounded(pairs)
    expect([0, 2, 4, 6].every((at) => values[at + 1] === values[at] + 1)).toBe(true)
    expect(values.filter((_, k) => k % 2 === 0).sort((a, b) => a - b)).toEqual([0, 10, 20, 30])
  })
})
