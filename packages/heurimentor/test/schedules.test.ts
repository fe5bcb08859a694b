import { describe, expect, it } from 'vitest'
import {
  ConfigError,
  batchSizeAt,
  batchSizes,
  checkBatchPlan,
  fillLearningRatePlan,
  learningRateAt,
} from '../src/index.js'
import type { LearningRatePlan } from '../src/index.js'

const rate = (plan: LearningRatePlan, n: number, samples: number | null = 1000) =>
  learningRateAt(fillLearningRatePlan(plan, samples), n)

describe('the learning rate', () => {
  it('climbs in a line from initLr to maxLr over the warm-up', () => {
    const plan = { style: 'constant', maxLr: 1, initLr: 0.5, warmup: 100 } as const
    expect([0, 50, 100, 101, 5000].map((n) => rate(plan, n))).toEqual([0.5, 0.75, 1, 1, 1])
  })

  it('is half way down a line or a cosine in the middle, and at minLr from the end on', () => {
    for (const style of ['linear', 'cosine'] as const) {
      const plan = { style, maxLr: 1, minLr: 0.2, warmup: 200 }
      expect(rate(plan, 600)).toBeCloseTo(0.6, 12)
      expect([1000, 1001, 1e9].map((n) => rate(plan, n))).toEqual([0.2, 0.2, 0.2])
    }
    expect(rate({ style: 'cosine', maxLr: 1 }, 250)).toBeCloseTo(0.5 * (1 + Math.SQRT1_2), 12)
  })

  it('falls with the root of the samples, but not below minLr', () => {
    const plan = { style: 'inverse-square-root', maxLr: 1, minLr: 0.3, warmup: 100, decay: 1e6 } as const
    expect([100, 400, 10_000].map((n) => rate(plan, n))).toEqual([1, 0.5, 0.3])
  })

  it('stays at its peak in WSD, then comes down in the chosen shape', () => {
    const at = (wsdStyle: LearningRatePlan['wsdStyle'], n: number) =>
      rate({ style: 'WSD', maxLr: 1, wsdDecay: 400, wsdStyle }, n)
    for (const style of ['linear', 'cosine', 'exponential', 'minus_sqrt'] as const) {
      expect(at(style, 600)).toBe(1)
      expect(at(style, 1000)).toBeCloseTo(0, 12)
    }
    expect(at('linear', 700)).toBe(0.75)
    expect(at('cosine', 800)).toBeCloseTo(0.5, 12)
    expect(at('exponential', 800)).toBeCloseTo(Math.SQRT2 - 1, 12)
    expect(at('minus_sqrt', 700)).toBe(0.5)
  })

  it('stays at its peak while the end of the run is not known', () => {
    for (const style of ['cosine', 'linear', 'WSD'] as const)
      expect(rate({ style, maxLr: 3, wsdDecay: 100, warmup: 10 }, 1e12, null)).toBe(3)
  })

  it('changes by hand at the samples of its events', () => {
    const events = [
      { at: 100, maxLr: 0.5 },
      { at: 200, rewarm: 100 },
    ]
    const plan = { style: 'constant', maxLr: 1, events } as const
    expect([99, 100, 199, 200, 250, 300, 900].map((n) => rate(plan, n))).toEqual([1, 0.5, 0.5, 0, 0.25, 0.5, 0.5])
  })

  it.each([
    [{ style: 'cosin', maxLr: 1 }, /style must be one of constant, .*got "cosin"/],
    [{ style: 'cosine', maxLr: 'high' }, /maxLr must be a finite number of at least 0, got "high"/],
    [{ style: 'cosine', maxLr: 1, minLr: 2 }, /minLr must be at most maxLr, got 2 > 1/],
    [{ style: 'cosine', maxLr: 1, warmup: 1000 }, /warmup must be less than decay, got 1000 and 1000; shorten/],
    [{ style: 'cosine', maxLr: 1, warmup: 1.5 }, /warmup must be an integer of at least 0, got 1.5/],
    [{ style: 'WSD', maxLr: 1 }, /wsdDecay must be at least 1/],
    [{ style: 'WSD', maxLr: 1, wsdDecay: 2000 }, /wsdDecay .* got 2000 of 1000/],
    [{ style: 'constant', maxLr: 1, peak: 2 }, /unknown option "peak"/],
    [{ style: 'constant', maxLr: 1, events: [{ at: 5 }] }, /either maxLr or rewarm/],
    [
      {
        style: 'constant',
        maxLr: 1,
        events: [
          { at: 5, rewarm: 1 },
          { at: 4, rewarm: 1 },
        ],
      },
      /at least 5, got 4/,
    ],
    [null, /options must be an object, got null/],
  ])('refuses %j in words that teach', (plan, words) => {
    const fill = () => fillLearningRatePlan(plan as LearningRatePlan, 1000)
    expect(fill).toThrow(ConfigError)
    expect(fill).toThrow(words)
  })
})

describe('the batch', () => {
  const ramp = { start: 32, step: 32, samples: 2_000_000, full: 1024 }

  it('grows at the samples that the paper’s 34B run grew at', () => {
    const consumed = [0, 64_516, 64_517, 1_000_000, 1_999_999, 2_000_000, 2_000_001]
    expect(consumed.map((c) => batchSizeAt(ramp, c))).toEqual([32, 32, 64, 512, 992, 1024, 1024])
  })

  it('grows at the exact sample even where products exceed what a double holds', () => {
    const long = { start: 1, step: 1, samples: 2 ** 52 + 1, full: 4097 }
    // 4096 steps in 2^52 + 1 samples: one step is 2^40 + 2^-12, so step k begins one sample after k·2^40
    expect(batchSizeAt(long, 4095 * 2 ** 40)).toBe(4095)
    expect(batchSizeAt(long, 4095 * 2 ** 40 + 1)).toBe(4096)
  })

  it('has every size checked against the micro-batch before the run', () => {
    expect(batchSizes({ start: 8, step: 4, samples: 1000, full: 20 })).toEqual([8, 12, 16, 20])
    expect(() => checkBatchPlan({ start: 8, step: 4, samples: 1000, full: 20 }, 8)).toThrow(
      /multiple of .*, got 12 and 8/,
    )
    expect(() => checkBatchPlan(ramp, 32)).not.toThrow()
    expect(() => checkBatchPlan({ ...ramp, step: 30 }, 1)).toThrow(/full - start must be a multiple of step/)
    expect(() => checkBatchPlan(0, 1)).toThrow(ConfigError)
    expect(() => checkBatchPlan('8' as unknown as number, 1)).toThrow(ConfigError)
  })
})
