import { describe, expect, it } from 'vitest'
import { NgramModel } from '../start/ngram.js'
import { type Answered, quizScore } from '../start/quiz.js'

describe('a 5-gram model', () => {
  const model = new NgramModel(10)
  model.add([1, 2, 3, 1, 2, 4, 1, 2, 3])

  it('gives the probability of absolute discounting with backoff', () => {
    // counts: 1 2 → 3 twice, 4 once; 2 → the same; alone: 1 ×3, 2 ×3, 3 ×2, 4 ×1 of 9
    const alone = (2 - 0.75) / 9
    const afterTwo = (2 - 0.75) / 3 + ((0.75 * 2) / 3) * alone
    const afterOneTwo = (2 - 0.75) / 3 + ((0.75 * 2) / 3) * afterTwo
    expect(model.probability([1, 2], 3)).toBeCloseTo(afterOneTwo, 12)
    expect(model.probability([9, 2], 3)).toBeCloseTo(afterTwo, 12)
    expect(model.probability([9], 3)).toBeCloseTo(alone, 12)
    expect(model.probability([1, 2], 9)).toBe(0)
  })

  it('chooses the token with the highest probability of all', () => {
    for (const before of [[], [1], [2], [1, 2], [3, 1, 2], [4, 1, 2], [9], [1, 2, 3, 1]]) {
      const scores = [1, 2, 3, 4].map((id) => model.probability(before, id))
      expect(model.likeliest(before)).toBe(1 + scores.indexOf(Math.max(...scores)))
    }
  })

  it('sees four tokens back and no more', () => {
    const far = new NgramModel(10)
    far.add([7, 1, 1, 1, 1, 5])
    far.add([8, 1, 1, 1, 1, 6])
    far.add([8, 1, 1, 1, 1, 6])
    expect(far.likeliest([7, 1, 1, 1, 1])).toBe(6)
    for (let k = 0; k < 3; k++) far.add([2, 1, 1, 1, 5])
    expect(far.likeliest([2, 1, 1, 1])).toBe(5)
  })

  it('goes on until the end, or until there are enough', () => {
    expect(model.continue([1], { most: 3, ends: () => false })).toEqual([2, 3, 1])
    expect(model.continue([1], { most: 9, ends: (id) => id === 3 })).toEqual([2])
    expect(new NgramModel(10).continue([1], { most: 3, ends: () => false })).toEqual([])
  })
})

describe('scores', () => {
  const answered = (right: string, model: string, ngram: string): Answered => ({
    domain: right.length > 1 ? 'code' : 'stories',
    prompt: '',
    right,
    model,
    ngram,
  })
  const some = [
    ...Array.from({ length: 6 }, () => answered('a', 'a', 'b')),
    ...Array.from({ length: 2 }, () => answered('b', 'b', 'b')),
    ...Array.from({ length: 2 }, () => answered('cc', 'x', 'cc')),
  ]

  it('are shares with their standard errors', () => {
    const { model, ngram, constant, constantAnswer } = quizScore(some)
    expect(model).toEqual({ questions: 10, share: 0.8, error: Math.sqrt(0.016) })
    expect(ngram.share).toBe(0.4)
    expect([constantAnswer, constant.share]).toEqual(['a', 0.6])
  })

  it('tell by how many standard errors of the difference the model is better', () => {
    // differences to the 5-gram model: 1 six times, 0 twice, -1 twice: mean 0.4, variance 0.8 - 0.16
    expect(quizScore(some).overNgram).toBeCloseTo(0.4 / Math.sqrt(0.64 / 10), 10)
  })

  it('are told for each domain too', () => {
    expect(quizScore(some).byDomain.map(({ domain, model }) => [domain, model.share])).toEqual([
      ['stories', 1],
      ['code', 0],
    ])
  })
})
