import { ArgumentError, openReference, random, setDefaultBackend, tensor } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  LogitsError,
  type SamplingRules,
  type TokenDistribution,
  drawToken,
  tokenDistribution,
  uniformDraw,
} from '../src/index.js'
import { expOfSteps } from '../src/sampling/exponential.js'
import { threefry } from '../src/sampling/threefry.js'
import { gaussians, naiveProbabilities, randomNumbers, softmax } from './naiveSampling.js'

/** One entry for every token. */
function dense({ ids, probabilities }: TokenDistribution, size: number): number[] {
  const all = new Array<number>(size).fill(0)
  ids.forEach((id, k) => (all[id] = probabilities[k]))
  return all
}

function expectClose(got: readonly number[], want: readonly number[], tolerance = 1e-9): void {
  const worst = Math.max(...got.map((value, k) => Math.abs(value - want[k])))
  expect(worst).toBeLessThan(tolerance)
  expect(got.map((p) => p > 0)).toEqual(want.map((p) => p > 0))
}

/** Rules of every kind, at random; ids below `size`. */
function randomRules(next: () => number, size: number): SamplingRules {
  const maybe = <T>(value: T): T | undefined => (next() < 0.5 ? value : undefined)
  const id = (): number => Math.floor(next() * size)
  return {
    order: (['aquila', 'hf', 'aquila1'] as const)[Math.floor(next() * 3)],
    temperature: maybe(0.2 + 2 * next()),
    topK: maybe(Math.floor(next() * size * 1.1)),
    topP: maybe(next()),
    minP: maybe(next() ** 3),
    typicalP: maybe(0.05 + 0.9 * next()),
    repetitionPenalty: maybe(0.5 + next()),
    frequencyPenalty: maybe(next() - 0.3),
    presencePenalty: maybe(next() - 0.3),
    noRepeatNgram: maybe(1 + Math.floor(next() * 3)),
    logitBias: maybe({ [id()]: 3 * next(), [id()]: -Infinity }),
    forbid: maybe([id()]),
  }
}

describe('sampling rules', () => {
  it('give the probabilities of sorting and masking, whatever they are and in every order', () => {
    const next = randomNumbers(1)
    for (let trial = 0; trial < 600; trial++) {
      const size = 8 + Math.floor(next() * 300)
      const logits = gaussians(size, [0.3, 3, 20][trial % 3], next)
      const history = Array.from({ length: Math.floor(next() * 12) }, () => Math.floor((next() * size) / 4))
      const answerStart = Math.floor(next() * (history.length + 1))
      const rules = randomRules(next, size)
      const got = dense(tokenDistribution(logits, rules, { history, answerStart }), size)
      expectClose(got, naiveProbabilities(logits, rules, history, answerStart))
    }
  })

  it('cut rows with many equal logits as their definitions say', () => {
    const next = randomNumbers(2)
    for (let trial = 0; trial < 300; trial++) {
      const size = 4 + Math.floor(next() * 60)
      const logits = Array.from({ length: size }, () => Math.floor(next() * 4) / 2 - 1)
      const rules = { topK: Math.floor(next() * 10), topP: trial % 2 === 0 ? 0.3 + 0.6 * next() : 1 }
      for (const order of ['aquila', 'hf'] as const) {
        const got = dense(tokenDistribution(logits, { ...rules, order }), size)
        // The naive order of the sums may fall on the other side of p by a rounding, where counts of equal weights meet it.
        expectClose(got, naiveProbabilities(logits, { ...rules, order }))
      }
    }
  })

  it('keep all tokens that equal the k-th best, also where k is beyond what insertion handles', () => {
    const logits = [...new Array<number>(300).fill(2), ...new Array<number>(200).fill(1), 5, 0, -0, 0]
    expect(tokenDistribution(logits, { topK: 10 }).ids).toHaveLength(301)
    expect(tokenDistribution(logits, { topK: 301 }).ids).toHaveLength(301)
    expect(tokenDistribution(logits, { topK: 302 }).ids).toHaveLength(501)
    expect(tokenDistribution(logits, { topK: 502 }).ids).toHaveLength(504)
  })

  it('keep the best token at topP 0', () => {
    expect([...tokenDistribution([1, 4, 2], { topP: 0 }).ids]).toEqual([1])
    expect([...tokenDistribution([1, 4, 4], { topP: 0 }).ids]).toEqual([1])
  })

  it('take the nucleus at temperature 1 in the order of Aquila, after the temperature in the other', () => {
    const logits = [3, 2, 1, 0]
    const kept = (order: SamplingRules['order']): number[] => [
      ...tokenDistribution(logits, { order, topP: 0.6, temperature: 5 }).ids,
    ]
    expect(kept('aquila')).toEqual([0])
    expect(kept('hf')).toEqual([0, 1, 2])
  })

  it('make temperature 0 the arg max, the lowest id among equals', () => {
    const { ids, probabilities } = tokenDistribution([0, 7, 7, 1], { temperature: 0, topK: 3, topP: 0.9 })
    expect([...ids]).toEqual([1])
    expect([...probabilities]).toEqual([1])
  })

  it('stay right where single-precision keys of typical sampling coincide', () => {
    const logits = Array.from({ length: 64 }, (_, k) => 1 + 1e-7 * (k % 7))
    for (const typicalP of [0.1, 0.5, 0.99]) {
      const got = dense(tokenDistribution(logits, { typicalP }), 64)
      expect(got.filter((p) => p > 0).length).toBeGreaterThanOrEqual(Math.floor(64 * typicalP))
      expect(got.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
    }
  })

  it('leave the logits that they were given as they were', () => {
    const logits = Float32Array.of(1, 2, 3)
    tokenDistribution(logits, { repetitionPenalty: 2, forbid: [2] }, { history: [0, 1] })
    expect([...logits]).toEqual([1, 2, 3])
  })

  it('count frequencies over the answer only, repetitions over everything', () => {
    const rules = { frequencyPenalty: 1, presencePenalty: 0.5 }
    const got = dense(tokenDistribution([0, 0, 0], rules, { history: [0, 0, 1, 1], answerStart: 2 }), 3)
    expectClose(got, softmax([0, -2.5, 0]))
    const repeated = dense(
      tokenDistribution([1, -1, 1], { repetitionPenalty: 2 }, { history: [0, 1, 1], answerStart: 3 }),
      3,
    )
    expectClose(repeated, softmax([0.5, -2, 1]))
  })
})

describe('a row of logits', () => {
  it.each([
    ['NaN', [0, NaN, 1], /got NaN at token 1/],
    ['NaN first', [NaN, 0], /got NaN at token 0/],
    ['+Infinity', [0, Infinity], /got Infinity at token 1/],
    ['nothing but -Infinity', [-Infinity, -Infinity], /all are forbidden/],
  ])('with %s cannot be drawn from', (_name, logits, message) => {
    expect(() => tokenDistribution(logits)).toThrow(LogitsError)
    expect(() => tokenDistribution(logits)).toThrow(message)
  })

  it('may forbid tokens by -Infinity', () => {
    expect([...tokenDistribution([-Infinity, 1, -Infinity, 0]).ids]).toEqual([1, 3])
  })
})

describe('wrong rules', () => {
  it.each<[string, unknown, RegExp]>([
    ['an unknown name', { top_k: 3 }, /topK/],
    ['a negative temperature', { temperature: -1 }, /temperature/],
    ['a temperature as text', { temperature: '1' }, /temperature must be a finite number/],
    ['a fractional topK', { topK: 1.5 }, /topK must be an integer/],
    ['topP above 1', { topP: 90 }, /topP must be a number in \[0, 1\]/],
    ['an unknown order', { order: 'best' }, /aquila, hf, aquila1/],
    ['a penalty of 0', { repetitionPenalty: 0 }, /above 0/],
    ['a bias for no token', { logitBias: { 9: 1 } }, /0 … 2/],
    ['a bias that is no number', { logitBias: { 1: 'x' } }, /"x" for token 1/],
    ['a Map of biases', { logitBias: new Map() }, /record of numbers/],
    ['a bias of +Infinity', { logitBias: { 1: Infinity } }, /below \+Infinity/],
    ['forbidden ids as a number', { forbid: 3 }, /list of token ids/],
    ['rules as a number', 7, /options must be an object/],
  ])('such as %s are refused with the way out', (_name, rules, message) => {
    const call = (): unknown => tokenDistribution([1, 2, 3], rules as SamplingRules)
    expect(call).toThrow(ArgumentError)
    expect(call).toThrow(message)
  })

  it('refuse a history beyond the vocabulary and logits that are none', () => {
    expect(() => tokenDistribution([1, 2], {}, { history: [2] })).toThrow(ArgumentError)
    expect(() => tokenDistribution(undefined as never)).toThrow(ArgumentError)
    expect(() => tokenDistribution([])).toThrow(ArgumentError)
  })
})

describe('a draw', () => {
  it('takes the first id whose cumulative probability exceeds u', () => {
    const distribution = { ids: Int32Array.of(2, 5, 9), probabilities: Float64Array.of(0.25, 0.5, 0.25) }
    const ids = [0, 0.2499, 0.25, 0.7499, 0.75, 0.9999].map((u) => drawToken(distribution, u).id)
    expect(ids).toEqual([2, 2, 5, 5, 9, 9])
    expect(drawToken(distribution, 0.5).probability).toBe(0.5)
  })

  it('never takes a token of probability 0, and the last possible one where rounding leaves a gap', () => {
    const distribution = { ids: Int32Array.of(0, 1, 2, 3), probabilities: Float64Array.of(0, 0.5, 0.4999, 0) }
    expect(drawToken(distribution, 0).id).toBe(1)
    expect(drawToken(distribution, 0.99999).id).toBe(2)
  })

  it('comes as often as its probability says', () => {
    const distribution = tokenDistribution([0, 1, 2])
    const counts = [0, 0, 0]
    const draws = 20_000
    for (let n = 0; n < draws; n++) counts[drawToken(distribution, uniformDraw(5, n)).id]++
    distribution.probabilities.forEach((p, id) => {
      expect(Math.abs(counts[id] / draws - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws))
    })
  })

  it('refuses u outside [0, 1)', () => {
    const distribution = tokenDistribution([0])
    for (const u of [1, -0.1, NaN]) expect(() => drawToken(distribution, u)).toThrow(ArgumentError)
  })
})

describe('random numbers', () => {
  beforeAll(() => setDefaultBackend(openReference()))
  afterAll(() => setDefaultBackend(openReference()))

  it('are those of the tensor core', async () => {
    const next = randomNumbers(3)
    const word = (): number => Math.floor(next() * 2 ** 32)
    const rows = Array.from({ length: 20 }, () => [word(), word(), word(), word()] as const)
    const keys = tensor(Uint32Array.from(rows.flatMap((row) => row.slice(0, 2))), { shape: [20, 2] })
    const counters = tensor(Uint32Array.from(rows.flatMap((row) => row.slice(2))), { shape: [20, 2] })
    const want = [...(await random.block(keys, counters).data())]
    expect(rows.flatMap(([a, b, c, d]) => threefry([a, b], [c, d]))).toEqual(want)
  })

  it('differ from seed to seed and from draw to draw, and stay in [0, 1)', () => {
    const draws = [0, 1, 123, 2 ** 32, 2 ** 53 - 1].flatMap((seed) => [0, 1, 2, 1000].map((n) => uniformDraw(seed, n)))
    expect(new Set(draws).size).toBe(draws.length)
    expect(draws.every((u) => u >= 0 && u < 1)).toBe(true)
  })

  it('refuse seeds and indices that are none', () => {
    for (const seed of [-1, 0.5, 2 ** 53, '1']) expect(() => uniformDraw(seed as number, 0)).toThrow(ArgumentError)
    expect(() => uniformDraw(0, -1)).toThrow(ArgumentError)
  })
})

describe('the exponential', () => {
  it('is within 2e-10 of Math.exp while doubles are normal, and 0 past the smallest', () => {
    let worst = 0
    for (let t = 0; t < 700; t += 0.0137) worst = Math.max(worst, Math.abs(expOfSteps(1024 * t) / Math.exp(-t) - 1))
    expect(worst).toBeLessThan(2e-10)
    expect(expOfSteps(1024 * 720)).toBeGreaterThan(0)
    expect(expOfSteps(0)).toBe(1)
    expect([745, 1e6, Infinity].map((t) => expOfSteps(1024 * t))).toEqual([0, 0, 0])
  })
})
