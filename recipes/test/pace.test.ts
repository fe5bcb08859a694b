import type { RunPlan, StepReport, Trainer } from '@tarazed/heurimentor'
import { fillLearningRatePlan, learningRateAt } from '@tarazed/heurimentor'
import { describe, expect, it } from 'vitest'
import { createPace, firstPlan, leftMs, planEnd } from '../start/pace.js'

/** A trainer whose updates take a given time. */
function clockwork(plan: RunPlan, stepMs: number) {
  const state = { plan, counters: { step: 0, samples: 0, trainedMs: 0 } }
  return Object.assign(state as unknown as Trainer<unknown>, {
    replan: (changes: Partial<RunPlan>) => (state.plan = { ...state.plan, ...changes }),
    tick: () => {
      const { step, samples, trainedMs } = state.counters
      state.counters = { step: step + 1, samples: samples + (plan.batch as number), trainedMs: trainedMs + stepMs }
    },
  })
}

describe('the length of a run', () => {
  it('in steps is known from the start', () => {
    expect(firstPlan({ steps: 100, seconds: null, batch: 8 })).toMatchObject({ samples: 800, batch: 8 })
  })

  it('in seconds is decided when only the last part is left, and fits into them', () => {
    for (const stepMs of [20, 70, 350]) {
      const length = { steps: null, seconds: 60, batch: 8 }
      const trainer = clockwork(firstPlan(length), stepMs)
      let decided: number | undefined
      while (trainer.plan.samples === null) {
        trainer.tick()
        decided = planEnd(length, trainer) ?? decided
        expect(trainer.counters.trainedMs).toBeLessThan(60_000)
      }
      const wholeMs = (decided as number) * stepMs
      expect(wholeMs).toBeGreaterThan(54_000)
      expect(wholeMs).toBeLessThan(60_000)
      expect(planEnd(length, trainer)).toBeUndefined()
    }
  })

  it('changes no learning rate of the past when it is decided', () => {
    const length = { steps: null, seconds: 10, batch: 8 }
    const trainer = clockwork(firstPlan(length), 40)
    const rates: number[] = []
    const rate = (n: number) => learningRateAt(fillLearningRatePlan(trainer.plan.learningRate, trainer.plan.samples), n)
    while (trainer.plan.samples === null) {
      rates.push(rate(trainer.counters.samples))
      trainer.tick()
      planEnd(length, trainer)
    }
    expect(rates.map((_, k) => rate(k * 8))).toEqual(rates)
    expect(rate(trainer.plan.samples)).toBeCloseTo(0, 12)
  })

  it('tells the time that is left', () => {
    const length = { steps: 10, seconds: null, batch: 8 }
    const trainer = clockwork(firstPlan(length), 1000)
    trainer.tick()
    expect(leftMs(length, trainer, 500)).toBe(4500)
  })
})

describe('the pace', () => {
  it('forgets old steps and leaves out the first two, which compile', () => {
    const pace = createPace()
    const step = (ms: number) => pace({ ms } as StepReport)
    step(5000)
    step(3000)
    for (let k = 0; k < 10; k++) expect(step(100)).toBeCloseTo(100, 10)
    for (let k = 0; k < 200; k++) step(200)
    expect(step(200)).toBeGreaterThan(195)
  })
})
