/** Weight decay: into the gradient (sgd, adam) or beside it (adamw, lion, muon, adafactor). */
import type { Tensor } from '@tarazed/tensor'
import type { DecayFor, OneParameter } from './optimizer.js'

/** Whether the weight of this parameter decays at all. */
export function decays(one: OneParameter, weightDecay: number, decayFor: DecayFor | undefined): boolean {
  return weightDecay !== 0 && (decayFor === undefined || decayFor(one.name, one.parameter))
}

/** The gradient of the loss with an L2 penalty: g + λp. */
export function decayed(one: OneParameter, weightDecay: number, decayFor: DecayFor | undefined): Tensor {
  return decays(one, weightDecay, decayFor) ? one.grad.add(one.parameter.mul(weightDecay)) : one.grad
}

/** The factor 1 - lr·λ of decoupled decay (f32 []), made once for all parameters; undefined without decay. */
export function shrinkage(lr: Tensor, weightDecay: number): Tensor | undefined {
  return weightDecay === 0 ? undefined : lr.mul(-weightDecay).add(1)
}

/** The parameter after decoupled decay: (1 - lr·λ)p. */
export function shrunk(one: OneParameter, shrink: Tensor | undefined, decayFor: DecayFor | undefined): Tensor {
  const applies = shrink !== undefined && (decayFor === undefined || decayFor(one.name, one.parameter))
  return applies ? one.parameter.mul(shrink) : one.parameter
}
