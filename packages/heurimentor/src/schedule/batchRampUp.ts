/**
 * The batch size as a function of consumed samples.
 * @source Megatron-LM, num_microbatches_calculator.py; here in integer arithmetic, and checked when a run is planned
 */
import { ConfigError, checkCount, checkOptions } from '../errors.js'

/** A batch that grows from `start` to `full` in equal steps over the first `samples` samples. Plain JSON. */
export interface BatchRampUp {
  readonly start: number
  /** How much larger each size is than the one before. */
  readonly step: number
  /** Samples of the whole ramp. */
  readonly samples: number
  readonly full: number
}

/** A fixed batch size, or one that grows. */
export type BatchPlan = number | BatchRampUp

/**
 * @param microBatch every size on the way must be a multiple of it (of micro-batch × replicas, once there are replicas)
 * @throws ConfigError that names the first size that does not fit
 */
export function checkBatchPlan(plan: BatchPlan, microBatch: number): void {
  checkCount('microBatch', microBatch, 1)
  if (typeof plan === 'number') checkCount('batch', plan, 1)
  else checkRampUp(plan)
  const bad = batchSizes(plan).find((size) => size % microBatch !== 0)
  if (bad !== undefined)
    throw new ConfigError(
      `batch: every size must be a multiple of the micro-batch, got ${bad} and ${microBatch}; change microBatch, start or step`,
    )
}

function checkRampUp(plan: BatchRampUp): void {
  checkOptions('batch', plan, ['start', 'step', 'samples', 'full'])
  const { start, step, samples, full } = plan
  checkCount('batch: start', start, 1)
  checkCount('batch: step', step, 1)
  checkCount('batch: samples', samples, 1)
  checkCount('batch: full', full, start)
  if ((full - start) % step !== 0)
    throw new ConfigError(`batch: full - start must be a multiple of step, got ${full} - ${start} and ${step}`)
}

/** Every size that the batch will have, in order. */
export function batchSizes(plan: BatchPlan): number[] {
  if (typeof plan === 'number') return [plan]
  const { start, step, full } = plan
  return Array.from({ length: (full - start) / step + 1 }, (_, k) => start + k * step)
}

/**
 * The size of the batch that begins after `consumed` samples: start + ⌊consumed·k / samples⌋·step with k = (full - start)/step
 * while consumed ≤ samples, then full.
 */
export function batchSizeAt(plan: BatchPlan, consumed: number): number {
  checkCount('batchSizeAt: consumed', consumed)
  if (typeof plan === 'number') return plan
  const { start, step, samples, full } = plan
  if (consumed > samples) return full
  const steps = (full - start) / step
  // the product may exceed 2^53: a double would round it, and the size could change one sample too late
  return start + Number((BigInt(consumed) * BigInt(steps)) / BigInt(samples)) * step
}
