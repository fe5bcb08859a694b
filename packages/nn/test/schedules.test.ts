import { scalar } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { type Schedule, constant, cosine, inverseSqrt, linear, wsd } from '../src/optim/index.js'
import { value } from './values.js'

const at = (schedule: Schedule, ...counts: number[]) => counts.map((count) => value(schedule(scalar(count))))
const near = (got: number[], wanted: number[]) => got.forEach((rate, k) => expect(rate).toBeCloseTo(wanted[k], 6))

describe('schedules', () => {
  it('constant is the same always', () => {
    near(at(constant(0.5), 0, 1e6), [0.5, 0.5])
  })

  it('all rise on a straight line from init to the peak during the warm-up', () => {
    const warm = { peak: 1, init: 0.2, warmup: 4 }
    const schedules = [
      linear({ ...warm, total: 8 }),
      cosine({ ...warm, total: 8 }),
      wsd({ ...warm, decay: 2, total: 8 }),
      inverseSqrt(warm),
    ]
    for (const schedule of schedules) near(at(schedule, 0, 1, 2, 3, 4), [0.2, 0.4, 0.6, 0.8, 1])
  })

  it('linear falls on a straight line and stays at its end', () => {
    near(at(linear({ peak: 1, end: 0.2, total: 4 }), 0, 1, 2, 4, 100), [1, 0.8, 0.6, 0.2, 0.2])
  })

  it('cosine falls by half a cosine and stays at its end', () => {
    near(at(cosine({ peak: 1, warmup: 10, total: 20 }), 10, 15, 20, 50), [1, 0.5, 0, 0])
    near(at(cosine({ peak: 2e-5, end: 2e-6, total: 100 }), 25), [2e-6 + 1.8e-5 * 0.5 * (1 + Math.SQRT1_2)])
  })

  it('wsd keeps its peak and comes down in the last part, in four shapes', () => {
    near(at(wsd({ peak: 1, warmup: 2, decay: 4, total: 10 }), 2, 6, 7, 10, 11), [1, 1, 0.75, 0, 0])
    near(at(wsd({ peak: 1, decay: 4, total: 10, shape: 'cosine' }), 8), [0.5])
    near(at(wsd({ peak: 1, decay: 4, total: 10, shape: 'exponential' }), 6, 8, 10), [1, Math.SQRT2 - 1, 0])
    near(at(wsd({ peak: 1, decay: 4, total: 10, shape: 'minusSqrt' }), 7), [0.5])
  })

  it('inverseSqrt falls with the root of the count, not below its end', () => {
    near(at(inverseSqrt({ peak: 1, end: 0.1, warmup: 4 }), 16, 64, 1e6), [0.5, 0.25, 0.1])
  })

  it('count in samples when an update is several', () => {
    const samples = cosine({ peak: 1, warmup: 100, total: 300, samplesPerStep: 10 })
    const steps = cosine({ peak: 1, warmup: 10, total: 30 })
    near(at(samples, 5, 10, 20, 30), at(steps, 5, 10, 20, 30))
  })

  it('take a total that is known only at run time, even one inside the warm-up', () => {
    near(at(cosine({ peak: 1, warmup: 10, total: scalar(20) }), 10, 15, 20), [1, 0.5, 0])
    near(at(cosine({ peak: 1, end: 0.1, warmup: 10, total: scalar(5) }), 2, 11), [0.2, 0.1])
  })

  it('refuse a total that is over before they are', () => {
    expect(() => cosine({ peak: 1, warmup: 10, total: 10 })).toThrow(/more than 10, got 10/)
    expect(() => wsd({ peak: 1, warmup: 5, decay: 5, total: 9 })).toThrow(/more than 10, got 9/)
    expect(() => linear({ peak: 1, warmup: -1, total: 9 })).toThrow(/at least 0, got -1/)
  })
})
