/** What a loss function may give, in one form. */
import { Tensor, cast, scalar } from '@tarazed/tensor'
import { ConfigError, shown } from '../errors.js'

/** A loss as a sum and what it is a sum of: tokens, say, or their weights. Both f32 []. */
export interface SummedLoss {
  readonly sum: Tensor
  readonly count: Tensor
}

/**
 * A loss: a mean over the batch (f32 []), or a sum with its count. With a sum, micro-batches and validation batches weigh by
 * their counts, so the result does not depend on how a batch was cut; with a mean they all weigh the same.
 */
export type Loss = Tensor | SummedLoss

/** @throws ConfigError for anything but a loss */
export function summed(loss: Loss): SummedLoss {
  if (loss instanceof Tensor) return { sum: cast(requireScalar('loss', loss), 'f32'), count: scalar(1) }
  if (typeof loss !== 'object' || loss === null || !(loss.sum instanceof Tensor) || !(loss.count instanceof Tensor))
    throw new ConfigError(`loss must give a tensor, or { sum, count } of tensors, got ${shown(loss)}`)
  return {
    sum: cast(requireScalar('loss: sum', loss.sum), 'f32'),
    count: cast(requireScalar('loss: count', loss.count), 'f32'),
  }
}

function requireScalar(what: string, value: Tensor): Tensor {
  if (value.rank !== 0)
    throw new ConfigError(`${what} must be a tensor of shape [], got [${value.shape.join(', ')}]; take a mean or a sum`)
  return value
}
