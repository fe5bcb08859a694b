import { adamw, clipByGlobalNorm } from '@tarazed/nn/optim'
import { openCpu } from '@tarazed/kernels-cpu'
import { type Backend, type Tensor, cast, evaluate, setDefaultBackend, valueAndGrad } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, DivergedError, createTrainer, fillLearningRatePlan, learningRateAt } from '../src/index.js'
import type { StepReport, Trainer } from '../src/index.js'
import {
  type Batch,
  type Params,
  facts,
  linearData,
  meanLoss,
  options,
  plan,
  startParams,
  summedLoss,
} from './linearTask.js'

let backend: Backend
beforeAll(async () => {
  backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
})
afterAll(() => backend.close())

async function steps(trainer: Trainer<Params>, count: number): Promise<StepReport[]> {
  const reports: StepReport[] = []
  for (let k = 0; k < count; k++) reports.push(await trainer.step())
  return reports
}

const values = async ({ weight, bias }: Params) => [...(await weight.data()), await bias.item()]

describe('an update', () => {
  it('is the update of the optimiser on clipped gradients, at the rate of the schedule', async () => {
    const trainer = createTrainer(options())
    let params = startParams()
    let state = adamw({ lr: 0 }).init(params)
    for (let k = 0; k < 4; k++) {
      const lr = learningRateAt(fillLearningRatePlan(plan.learningRate, 96), k * 8)
      const batch = (await linearData().batch(k * 8, 8)) as Batch
      const [loss, grads] = valueAndGrad((p: Params) => meanLoss(p, batch))(params)
      const clipped = clipByGlobalNorm(grads as Params, 1)
      ;({ params, state } = adamw({ lr, weightDecay: 0.1 }).update(params, clipped.grads, state))
      await evaluate(loss, clipped.norm, params, state)
      const report = await trainer.step()
      expect(report).toMatchObject({ step: k + 1, samples: (k + 1) * 8, batch: 8, learningRate: lr, skipped: false })
      expect(report.loss).toBeCloseTo(await loss.item(), 6)
      expect(report.gradNorm).toBeCloseTo(await clipped.norm.item(), 5)
    }
    const [got, want] = [await values(trainer.params), await values(params)]
    got.forEach((value, k) => expect(value).toBeCloseTo(want[k], 6))
  })

  it('learns', async () => {
    const trainer = createTrainer(options({ plan: { ...plan, samples: 1600, clip: null } }))
    const reports = await steps(trainer, 200)
    expect(reports[199].loss).toBeLessThan(reports[0].loss / 100)
    expect(trainer.done).toBe(true)
  })

  it('of micro-batches is that of the whole batch', async () => {
    for (const loss of [meanLoss, summedLoss]) {
      const whole = createTrainer(options({ loss }))
      const parts = createTrainer(options({ loss, plan: { ...plan, microBatch: 2 } }))
      const [a, b] = [await steps(whole, 3), await steps(parts, 3)]
      a.forEach((report, k) => expect(b[k].loss).toBeCloseTo(report.loss, 6))
      const [wanted, got] = [await values(whole.params), await values(parts.params)]
      got.forEach((value, k) => expect(value).toBeCloseTo(wanted[k], 5))
    }
  })

  it('weighs a sum by its count, however the batch is cut', async () => {
    // what counts is spread unevenly, so a mean of means would have other gradients
    const loss = ({ weight, bias }: Params, { x, y }: Batch) => {
      const counted = cast(y.greater(1), 'f32')
      const error = x
        .mul(weight)
        .sum({ axes: [1] })
        .add(bias)
        .sub(y)
        .square()
      return { sum: error.mul(counted).sum(), count: counted.sum() }
    }
    const run = async (microBatch: number) => {
      const trainer = createTrainer(options({ loss, plan: { ...plan, microBatch } }))
      await steps(trainer, 3)
      return values(trainer.params)
    }
    const [whole, halves] = [await run(8), await run(4)]
    halves.forEach((value, k) => expect(value).toBeCloseTo(whole[k], 5))
  })

  it('takes more samples as the batch grows, without tracing anew', async () => {
    const batch = { start: 4, step: 4, samples: 24, full: 16 }
    let traces = 0
    const loss = (params: Params, part: Batch) => {
      traces++
      return meanLoss(params, part)
    }
    const trainer = createTrainer(options({ loss, plan: { ...plan, batch } }))
    const sizes = (await steps(trainer, 7)).map((report) => report.batch)
    // sizes by the rule at 0, 4, 8, 16, 28, 44 and 60 consumed samples
    expect(sizes).toEqual([4, 4, 8, 12, 16, 16, 16])
    expect(traces).toBe(3)
  })
})

describe('a skipped update', () => {
  const spoiled = linearData(0, (sample, y) => (sample >= 8 && sample < 16 ? NaN : y))

  it('changes nothing, uses up its samples, and does not advance the learning rate', async () => {
    const trainer = createTrainer(options({ data: spoiled }))
    const [first] = await steps(trainer, 1)
    const before = await trainer.snapshot()
    const [second] = await steps(trainer, 1)
    const after = await trainer.snapshot()
    expect([first.skipped, second.skipped]).toEqual([false, true])
    expect(after.weights).toEqual(before.weights)
    expect(after.slots).toEqual(before.slots)
    expect(after.record.optimizer.step).toBe(1)
    expect(after.record.counters).toMatchObject({ step: 2, samples: 16, learningRateSamples: 8, skipped: 1 })
    const [third] = await steps(trainer, 1)
    expect(third.skipped).toBe(false)
    expect(third.learningRate).toBe(second.learningRate)
  })

  it('ends the run when there are too many in a row', async () => {
    const trainer = createTrainer(options({ data: linearData(0, () => Infinity), maxSkipped: 3 }))
    await steps(trainer, 2)
    await expect(trainer.step()).rejects.toThrow(DivergedError)
  })

  it('halves the scale of the loss after so many overflows, and good ones double it', async () => {
    const lossScaling = { initScale: 1024, growthInterval: 2, hysteresis: 1 }
    const trainer = createTrainer(options({ data: spoiled, lossScaling }))
    const scales = (await steps(trainer, 6)).map((report) => report.lossScale)
    expect(scales).toEqual([1024, 1024, 512, 512, 1024, 1024])
    const plain = createTrainer(options({ data: spoiled }))
    await steps(plain, 6)
    const [scaled, unscaled] = [await values(trainer.params), await values(plain.params)]
    scaled.forEach((value, k) => expect(value).toBeCloseTo(unscaled[k], 5))
  })
})

describe('a resumed run', () => {
  const variants = {
    plain: {},
    'with micro-batches of a batch that grows': {
      plan: { ...plan, batch: { start: 4, step: 4, samples: 24, full: 16 } },
    },
    'with loss scaling and skipped updates': {
      lossScaling: { initScale: 1024, growthInterval: 2 },
      data: linearData(0, (sample, y) => (sample === 9 ? NaN : y)),
    },
  }

  it.each(Object.entries(variants))('%s ends with the same bits as one that never stopped', async (_, more) => {
    const whole = createTrainer(options(more))
    await steps(whole, 6)
    for (const stop of [1, 2, 3, 5]) {
      const half = createTrainer(options(more))
      await steps(half, stop)
      const resume = JSON.parse(JSON.stringify(await half.snapshot().then(({ record }) => record)))
      const resumed = createTrainer(options({ ...more, resume: { ...(await half.snapshot()), record: resume } }))
      await steps(resumed, 6 - stop)
      expect(facts(await resumed.snapshot())).toEqual(facts(await whole.snapshot()))
    }
  })

  it('follows the plan that it is given; an open end takes the saved one', async () => {
    const half = createTrainer(options({ extra: { seed: 5 } }))
    await steps(half, 2)
    const resume = await half.snapshot()
    expect(resume.record.extra).toEqual({ seed: 5 })
    const longer = createTrainer(options({ resume, plan: { ...plan, samples: 200 } }))
    expect(longer.plan.samples).toBe(200)
    expect(longer.counters.samples).toBe(16)
    const open = createTrainer(options({ resume, plan: { ...plan, samples: null } }))
    expect(open.plan.samples).toBe(96)
  })

  it('is refused with other data, another optimiser or another model', async () => {
    const resume = await createTrainer(options()).snapshot()
    const refusal = (more: object) => () => createTrainer(options({ resume, ...more }))
    expect(refusal({ data: linearData(1) })).toThrow(/data must be those of the saved run, got fingerprint linear 1/)
    expect(refusal({ optimizer: () => ({ ...adamw(), name: 'sgd' }) })).toThrow(
      /optimiser must be that of the saved run, adamw/,
    )
    const renamed = { params: { weights: startParams().weight, bias: startParams().bias }, loss: () => 0 }
    expect(refusal(renamed)).toThrow(/saved run has the parameter weight, which this run does not have/)
    expect(refusal({ lossScaling: {} })).toThrow(/has no loss scaling/)
    const { weight } = resume.weights
    const lost = { ...resume, weights: { weight } }
    expect(() => createTrainer(options({ resume: lost }))).toThrow(/the parameter bias must be f32 \[\], got none/)
  })
})

describe('the end of a run', () => {
  it('may be said later; the rate then comes down towards it', async () => {
    const trainer = createTrainer(options({ plan: { ...plan, samples: null } }))
    const rates = (await steps(trainer, 5)).map((report) => report.learningRate)
    expect(rates.slice(2)).toEqual([0.1, 0.1, 0.1])
    expect(trainer.done).toBe(false)
    expect(() => trainer.replan({ samples: 39 })).toThrow(/at least 40, got 39/)
    trainer.replan({ samples: 48 })
    await steps(trainer, 1)
    expect(trainer.done).toBe(true)
    await expect(trainer.step()).rejects.toThrow(/all 48 samples of the run are used up/)
  })
})

describe('wrong options', () => {
  it.each([
    [{ loss: 5 }, /loss must be a function, got 5/],
    [{ optimizer: adamw() }, /optimizer must be a function, got an object/],
    [{ data: [] }, /data must have the methods batch/],
    [{ params: {} }, /params must hold tensors/],
    [{ plan: { ...plan, sampels: 4 } }, /unknown option "sampels"/],
    [{ plan: { ...plan, microBatch: 3 } }, /multiple of the micro-batch, got 8 and 3/],
    [{ plan: { ...plan, clip: 0 } }, /clip must be a finite number/],
    [{ plan: undefined }, /options must be an object, got undefined/],
    [{ speed: 3 }, /unknown option "speed"/],
    [{ maxSkipped: 0 }, /maxSkipped must be an integer of at least 1/],
  ])('as %j are refused in words that teach', (more, words) => {
    const create = () => createTrainer(options(more as object))
    expect(create).toThrow(ConfigError)
    expect(create).toThrow(words)
  })

  it('as a loss that is no scalar are told at the first update', async () => {
    const run = (loss: unknown) => createTrainer(options({ loss: loss as () => Tensor })).step()
    await expect(run((_: Params, { y }: Batch) => y)).rejects.toThrow(/loss must be a tensor of shape \[\], got \[8\]/)
    await expect(run(() => 3)).rejects.toThrow(/loss must give a tensor, or \{ sum, count \}/)
  })
})
