import { tensor } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { binaryCrossEntropy, cosineSimilarity, huber, klDivergence, mae, mse } from '../src/index.js'
import { value, values } from './values.js'

const [prediction, target] = [tensor([1, 2, 4]), tensor([1, 0, 0])]

describe('losses', () => {
  it('are means over all elements, or sums, or one number for each', () => {
    expect(value(mse(prediction, target))).toBeCloseTo(20 / 3, 5)
    expect(value(mse(prediction, target, { reduction: 'sum' }))).toBe(20)
    expect(values(mae(prediction, target, { reduction: 'none' }))).toEqual([0, 2, 4])
  })

  it('huber is quadratic inside delta and linear outside, without a step', () => {
    expect(values(huber(tensor([0.5, 2, 3]), tensor([0, 0, 0]), { delta: 2, reduction: 'none' }))).toEqual([
      0.125, 2, 4,
    ])
  })

  it('binaryCrossEntropy is the log-likelihood of a coin, for huge logits too', () => {
    const loss = (x: number, t: number) => value(binaryCrossEntropy(tensor([x]), tensor([t])))
    expect(loss(0.3, 1)).toBeCloseTo(-Math.log(1 / (1 + Math.exp(-0.3))), 6)
    expect(loss(0.3, 0.25)).toBeCloseTo(Math.log(1 + Math.exp(0.3)) - 0.25 * 0.3, 6)
    expect([loss(1000, 1), loss(1000, 0), loss(-1000, 0)]).toEqual([0, 1000, 0])
  })

  it('klDivergence is 0 for equal distributions and leaves out what is impossible', () => {
    const [p, q] = [tensor([[0.5, 0.5, 0]]).log(), tensor([[0.25, 0.75, 0]]).log()]
    expect(value(klDivergence(p, p))).toBe(0)
    expect(value(klDivergence(q, p))).toBeCloseTo(0.5 * Math.log(0.5 / 0.25) + 0.5 * Math.log(0.5 / 0.75), 6)
  })

  it('cosineSimilarity measures angles, and calls a zero vector unrelated', () => {
    const rows = tensor([
      [2, 0],
      [0, 3],
      [0, 0],
    ])
    const others = tensor([
      [1, 1],
      [0, -1],
      [1, 0],
    ])
    values(cosineSimilarity(rows, others)).forEach((got, k) => expect(got).toBeCloseTo([Math.SQRT1_2, -1, 0][k], 6))
  })
})
