/** What a run is going to do, as plain JSON: it is saved with the run. */
import { checkCount, checkNumber, checkOptions } from '../errors.js'
import { type BatchPlan, batchSizes, checkBatchPlan } from '../schedule/batchRampUp.js'
import { type LearningRatePlan, fillLearningRatePlan } from '../schedule/learningRate.js'

/** A run. Everything that advances counts samples, so ramp-up, resizing and resuming never distort it. */
export interface RunPlan {
  /** All samples of the run; null while that is not known (see `Trainer.replan`). */
  readonly samples: number | null
  /** Samples in an update. */
  readonly batch: BatchPlan
  /**
   * Samples whose gradients are computed at a time; those of a batch are added up. Default: the whole batch, or the largest
   * size that divides every size of a batch that grows.
   */
  readonly microBatch?: number
  readonly learningRate: LearningRatePlan
  /** Limit of the global norm of the gradients; null: none. Default 1. */
  readonly clip?: number | null
}

/** A plan with its defaults filled in; the learning rate as it was given. */
export type FilledRunPlan = Required<RunPlan>

/** @throws ConfigError when the plan makes no sense */
export function fillPlan(plan: RunPlan): FilledRunPlan {
  checkOptions('plan', plan, ['samples', 'batch', 'microBatch', 'learningRate', 'clip'])
  const { samples, batch, learningRate, clip = 1 } = plan
  if (samples !== null) checkCount('plan: samples', samples)
  const microBatch = plan.microBatch ?? defaultMicroBatch(batch)
  checkBatchPlan(batch, microBatch)
  if (clip !== null) checkNumber('plan: clip', clip, Number.MIN_VALUE)
  fillLearningRatePlan(learningRate, samples)
  return { samples, batch, microBatch, learningRate, clip }
}

/** The largest size that divides every batch. */
function defaultMicroBatch(batch: BatchPlan): number {
  if (typeof batch === 'number') return batch
  return batchSizes(batch).reduce(greatestCommonDivisor)
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
