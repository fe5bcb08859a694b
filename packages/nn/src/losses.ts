/** Losses beside the core's `crossEntropy`. All are means over every element unless `reduction` says otherwise; shapes are equal. */
import { type Tensor, checkOptions, where } from '@tarazed/tensor'
import { requireChoice, requireNumber, requireSameShape } from './check.js'

/** How the losses of single elements become the result: their mean or sum (shape []), or as they are (`none`). */
export type LossReduction = 'mean' | 'sum' | 'none'

/** Options that every loss of this file has. Default reduction: mean. */
export interface LossOptions {
  readonly reduction?: LossReduction
}

const PREDICTION = ['prediction', 'target'] as const

/** The reduction, when operands and options are right. */
function checked<Options extends LossOptions>(
  op: string,
  names: readonly [string, string],
  a: Tensor,
  b: Tensor,
  options: Options,
  known: readonly (keyof Options & string)[] = ['reduction'],
): LossReduction {
  requireSameShape(op, names, a, b)
  const { reduction = 'mean' } = checkOptions(op, options, known)
  requireChoice(op, 'reduction', reduction, ['mean', 'sum', 'none'])
  return reduction
}

/** (prediction - target)² */
export function mse(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = checked('mse', PREDICTION, prediction, target, options)
  return reduced(prediction.sub(target).square(), reduction)
}

/** |prediction - target| */
export function mae(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = checked('mae', PREDICTION, prediction, target, options)
  return reduced(prediction.sub(target).abs(), reduction)
}

/** With e = |prediction - target|: e²/2 up to delta, then delta·(e - delta/2). */
export function huber(
  prediction: Tensor,
  target: Tensor,
  options: LossOptions & { readonly delta?: number } = {},
): Tensor {
  const reduction = checked('huber', PREDICTION, prediction, target, options, ['reduction', 'delta'])
  const { delta = 1 } = options
  requireNumber('huber', 'delta', delta, 0)
  const error = prediction.sub(target).abs()
  const outside = error.sub(delta / 2).mul(delta)
  return reduced(where(error.lessEqual(delta), error.square().mul(0.5), outside), reduction)
}

/**
 * -(t·log σ(x) + (1-t)·log(1-σ(x))) of logits x, as max(x, 0) - x·t + log(1 + e^-|x|), which does not overflow.
 *
 * @param target floats in [0, 1], the dtype and shape of `logits`
 */
export function binaryCrossEntropy(logits: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = checked('binaryCrossEntropy', ['logits', 'target'], logits, target, options)
  const loss = logits.maximum(0).sub(logits.mul(target)).add(logits.abs().neg().exp().log1p())
  return reduced(loss, reduction)
}

/**
 * Σ p·(log p - log q) over the last axis; terms with p = 0 are 0.
 *
 * @param logQ log-probabilities of the model [..., C]
 * @param logP log-probabilities of the target [..., C]
 */
export function klDivergence(logQ: Tensor, logP: Tensor, options: LossOptions = {}): Tensor {
  const reduction = checked('klDivergence', ['logQ', 'logP'], logQ, logP, options)
  const possible = logP.greater(-Infinity)
  const gap = where(possible, logP, 0).sub(where(possible, logQ, 0))
  return reduced(logP.exp().mul(gap).sum({ axes: -1 }), reduction)
}

/**
 * Cosine of the angle between vectors on the last axis; norms below eps are taken as eps.
 * @returns [...], the last axis dropped
 */
export function cosineSimilarity(a: Tensor, b: Tensor, options: { readonly eps?: number } = {}): Tensor {
  requireSameShape('cosineSimilarity', ['a', 'b'], a, b)
  const { eps = 1e-8 } = checkOptions('cosineSimilarity', options, ['eps'])
  requireNumber('cosineSimilarity', 'eps', eps, 0)
  const norms = a
    .norm({ axes: -1 })
    .maximum(eps)
    .mul(b.norm({ axes: -1 }).maximum(eps))
  return a.mul(b).sum({ axes: -1 }).div(norms)
}

function reduced(loss: Tensor, reduction: LossReduction): Tensor {
  switch (reduction) {
    case 'mean':
      return loss.mean()
    case 'sum':
      return loss.sum()
    case 'none':
      return loss
  }
}
