/** How long a run is: as many samples as were asked for, or as fit into the seconds. */
import type { LearningRatePlan, RunPlan, StepReport, Trainer } from '@tarazed/heurimentor'
import { PEAK_RATE } from './model.js'

/** Updates until the highest learning rate. */
const WARMUP = 60
/** The last part of a run, in which the learning rate comes down to nothing. */
const DECAY_SHARE = 0.35
/** Share of the time that goes to validation and saving. */
const OVERHEAD = 0.05

/** What is known of a run's length. */
export interface RunLength {
  /** Updates, when they were given. */
  readonly steps: number | null
  /** Else seconds of training. */
  readonly seconds: number | null
  readonly batch: number
}

/** The plan of a run at its beginning. With seconds its end is open: the rate stays at its peak until `endFor` says when it ends. */
export function firstPlan({ steps, batch }: RunLength): RunPlan {
  const samples = steps === null ? null : steps * batch
  return { samples, batch, learningRate: ratesFor(samples, batch) }
}

/** Warm-up, the peak, and the way down at the end. */
export function ratesFor(samples: number | null, batch: number): LearningRatePlan {
  const most = samples ?? Infinity
  return rates(Math.min(WARMUP * batch, Math.floor(most / 10)), samples)
}

function rates(warmup: number, samples: number | null): LearningRatePlan {
  const wsdDecay = samples === null ? 1 : Math.max(1, Math.floor(samples * DECAY_SHARE))
  return { style: 'WSD', wsdStyle: 'linear', maxLr: PEAK_RATE, minLr: 0, warmup, wsdDecay }
}

/**
 * Ends a run of so many seconds in time: when only the last part is left, its length follows from the time that the first took. Until
 * then the learning rate does not depend on the end, so nothing is lost by waiting.
 *
 * @returns the last update, when it has just been decided
 */
export function planEnd<P>({ seconds, batch }: RunLength, trainer: Trainer<P>): number | undefined {
  const { trainedMs, samples } = trainer.counters
  if (seconds === null || trainer.plan.samples !== null) return undefined
  if (trainedMs < seconds * 1000 * (1 - OVERHEAD) * (1 - DECAY_SHARE)) return undefined
  const total = Math.ceil(samples / batch / (1 - DECAY_SHARE)) * batch
  const warmup = Math.min(trainer.plan.learningRate.warmup ?? 0, samples) // a very short run ends its warm-up here
  trainer.replan({ samples: total, learningRate: rates(warmup, total) })
  return total / batch
}

/** Milliseconds until the end, as far as one can know. */
export function leftMs<P>({ seconds, batch }: RunLength, trainer: Trainer<P>, stepMs: number): number {
  const { samples, trainedMs } = trainer.counters
  const { samples: all } = trainer.plan
  if (all !== null) return ((all - samples) / batch) * stepMs
  return Math.max(0, (seconds ?? 0) * 1000 * (1 - OVERHEAD) - trainedMs)
}

/** Steps forget after this time. */
const MEMORY_MS = 5000

/** Milliseconds of an update, mostly of the last seconds; the first ones, which compile and warm up, do not count. */
export function createPace(): (report: StepReport) => number {
  let [seen, steps, time] = [0, 0, 0]
  return ({ ms }) => {
    if (++seen <= 2) return ms
    const kept = Math.exp(-ms / MEMORY_MS)
    steps = steps * kept + 1
    time = time * kept + ms
    return time / steps
  }
}
