import { openCpu } from '@tarazed/kernels-cpu'
import { type Backend, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, joinedEvents, scoreDomains, train } from '../src/index.js'
import type { CheckpointStore, EventLog, RunEvent, Snapshot, TrainOptions, ValidationSet } from '../src/index.js'
import { type Batch, type Params, facts, linearData, meanLoss, options, plan, startParams } from './linearTask.js'

let backend: Backend
beforeAll(async () => {
  backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
})
afterAll(() => backend.close())

/** Keeps snapshots in memory. */
function memoryStore(): CheckpointStore & { readonly saved: Snapshot[]; readonly scores: (number | undefined)[] } {
  const saved: Snapshot[] = []
  const scores: (number | undefined)[] = []
  return {
    saved,
    scores,
    save: async (snapshot, { score } = {}) => {
      saved.push(snapshot)
      scores.push(score)
      return `save ${saved.length}`
    },
    latest: async () => saved.at(-1),
  }
}

function memoryLog(): EventLog & { readonly events: RunEvent[] } {
  const events: RunEvent[] = []
  return { events, append: (event) => void events.push(event), flush: async () => undefined }
}

const heldOut: ValidationSet<Batch> = {
  name: 'line',
  batches: 2,
  bytes: 100,
  batch: (k) => linearData(7).batch(k * 4, 4),
}

const run = (more: Partial<TrainOptions<Params, Batch>> = {}) => train({ ...options(), ...more })

describe('train', () => {
  it('uses up the samples of the plan, validates and saves at the end', async () => {
    const [checkpoints, log] = [memoryStore(), memoryLog()]
    const result = await run({ checkpoints, log, validation: [heldOut] })
    expect(result).toMatchObject({ finished: true, counters: { step: 12, samples: 96 } })
    expect(result.scores).toHaveLength(1)
    expect(checkpoints.saved.map(({ record }) => record.counters.step)).toEqual([12])
    expect(checkpoints.scores[0]).toBe(result.scores[0].loss)
    const kinds = log.events.map(({ kind }) => kind)
    expect(kinds).toEqual(['begin', ...new Array<string>(12).fill('step'), 'validation', 'save', 'end'])
    expect(log.events.at(-1)).toMatchObject({ kind: 'end', reason: 'finished', step: 12, samples: 96 })
  })

  it('scores each domain by the sums of its loss: mean, perplexity, bits per byte', async () => {
    const still = { ...plan, learningRate: { style: 'constant', maxLr: 0 } } as const
    const { scores } = await run({
      plan: still,
      validation: [heldOut, { ...heldOut, name: 'no bytes', bytes: undefined }],
    })
    const [{ x, y }] = [(await linearData(7).batch(0, 8)) as Batch]
    const errors = await x
      .mul(startParams().weight)
      .sum({ axes: [1] })
      .sub(y)
      .square()
      .data()
    const loss = [...errors].reduce((sum, error) => sum + error, 0) / 8
    expect(scores[0].loss).toBeCloseTo(loss, 5)
    expect(scores[0].perplexity).toBeCloseTo(Math.exp(loss), 3)
    // the loss is a mean, so each of the two batches counts once
    expect(scores[0].bitsPerByte).toBeCloseTo((2 * loss) / Math.LN2 / 100, 6)
    expect(scores[1].bitsPerByte).toBeNull()
    const validation = [heldOut]
    expect(await scoreDomains({ params: startParams(), loss: meanLoss, validation })).toEqual([scores[0]])
  })

  it('saves and validates whenever so many samples have passed', async () => {
    const [checkpoints, log] = [memoryStore(), memoryLog()]
    await run({ checkpoints, log, validation: [heldOut], saveEvery: { samples: 30 }, validateEvery: { samples: 32 } })
    expect(checkpoints.saved.map(({ record }) => record.counters.samples)).toEqual([32, 64, 96])
    const validated = log.events.filter(({ kind }) => kind === 'validation').map(({ samples }) => samples)
    expect(validated).toEqual([32, 64, 96])
  })

  it('saves whenever so much time has passed', async () => {
    let now = 0
    const checkpoints = memoryStore()
    await run({ checkpoints, saveEvery: { ms: 25 }, clock: () => (now += 1), onStep: () => void (now += 8) })
    expect(checkpoints.saved.length).toBeGreaterThan(3)
    expect(checkpoints.saved.length).toBeLessThan(8)
  })

  it('that was stopped and goes on from its store ends with the same bits as one that never stopped', async () => {
    const whole = memoryStore()
    await run({ checkpoints: whole })
    const parts = memoryStore()
    const log = memoryLog()
    for (const stopAt of [1, 5, 6, 99]) {
      const stop = new AbortController()
      const onStep = ({ step }: { step: number }) => (step === stopAt ? stop.abort() : undefined)
      const { finished } = await run({ checkpoints: parts, log, signal: stop.signal, onStep })
      expect(finished).toBe(stopAt === 99)
    }
    expect(facts(parts.saved.at(-1) as Snapshot)).toEqual(facts(whole.saved[0]))
    const steps = joinedEvents(log.events).flatMap((event) => (event.kind === 'step' ? [event.step] : []))
    expect(steps).toEqual(Array.from({ length: 12 }, (_, k) => k + 1))
  })

  it('that is finished does nothing more than validate', async () => {
    const checkpoints = memoryStore()
    await run({ checkpoints })
    let steps = 0
    const again = await run({ checkpoints, validation: [heldOut], onStep: () => void steps++ })
    expect(again).toMatchObject({ finished: true, counters: { step: 12 } })
    expect(again.scores).toHaveLength(1)
    expect(steps).toBe(0)
    expect(checkpoints.saved).toHaveLength(1)
  })

  it('logs a plan that changed on the way', async () => {
    const log = memoryLog()
    const open = { ...plan, samples: null }
    await run({
      plan: open,
      log,
      onStep: ({ step }, trainer) => (step === 3 ? trainer.replan({ samples: 40 }) : undefined),
    })
    expect(log.events.find(({ kind }) => kind === 'plan')).toMatchObject({ samples: 24, plan: { samples: 40 } })
    expect(log.events.at(-1)).toMatchObject({ samples: 40 })
  })

  it('writes a loss that is no number as null', async () => {
    const log = memoryLog()
    await run({ log, data: linearData(0, (sample, y) => (sample === 3 ? NaN : y)) })
    const first = log.events[1]
    expect(first).toMatchObject({ kind: 'step', loss: null, gradNorm: null, skipped: true })
  })

  it('throws what the store throws, and not before the update at hand is logged', async () => {
    const checkpoints = { ...memoryStore(), save: () => Promise.reject(new Error('disk full')) }
    const log = memoryLog()
    await expect(run({ checkpoints, log, saveEvery: { samples: 8 } })).rejects.toThrow('disk full')
    expect(log.events.filter(({ kind }) => kind === 'step').length).toBeGreaterThan(1)
    expect(log.events.some(({ kind }) => kind === 'save')).toBe(false)
  })

  it.each([
    [{ checkpoints: 'runs' }, /checkpoints must have the methods save, latest, got "runs"/],
    [{ signal: true }, /signal must be an AbortSignal/],
    [{ saveEvery: 30 }, /saveEvery: options must be an object, got 30/],
    [{ saveEvery: { samples: 0 } }, /saveEvery: samples must be an integer of at least 1, got 0/],
    [{ onStep: 'log' }, /onStep must be a function/],
    [{ steps: 5 }, /unknown option "steps"/],
  ])('refuses %j in words that teach', async (more, words) => {
    await expect(run(more as object)).rejects.toThrow(ConfigError)
    await expect(run(more as object)).rejects.toThrow(words)
  })
})
