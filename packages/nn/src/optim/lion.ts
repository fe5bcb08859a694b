/** Lion: the sign of an interpolated momentum. */
import { checkOptions } from '@tarazed/tensor'
import { requirePair } from '../check.js'
import { shrinkage, shrunk } from './decay.js'
import {
  COMMON_OPTIONS,
  type CommonOptions,
  type OneParameter,
  type Optimizer,
  type UpdateClock,
  checkCommon,
  optimizerFrom,
} from './optimizer.js'

/**
 * Options of `lion`; betas are the weights β₁ of the step and β₂ of the momentum. Defaults: lr 1e-4, betas [0.9, 0.99],
 * no weight decay.
 */
export interface LionOptions extends CommonOptions {
  readonly betas?: readonly [number, number]
}

/**
 * c = β₁m + (1-β₁)g;  p ← (1 - lr·λ)p - lr·sign(c);  m ← β₂m + (1-β₂)g
 * @source arXiv 2302.06675, algorithm 2
 */
export function lion(options: LionOptions = {}): Optimizer {
  const {
    lr = 1e-4,
    betas = [0.9, 0.99],
    weightDecay = 0,
    decayFor,
  } = checkOptions('lion', options, [...COMMON_OPTIONS, 'betas'])
  checkCommon('lion', options)
  requirePair('lion', 'betas', betas, 0, 1)
  const [beta1, beta2] = betas
  const share = ({ lr }: UpdateClock) => ({ lr, shrink: shrinkage(lr, weightDecay) })
  type Shared = ReturnType<typeof share>

  const apply = (one: OneParameter, { lr, shrink }: Shared) => {
    const momentum = one.slots.exp_avg
    const direction = momentum
      .mul(beta1)
      .add(one.grad.mul(1 - beta1))
      .sign()
    const next = momentum.mul(beta2).add(one.grad.mul(1 - beta2))
    return { parameter: shrunk(one, shrink, decayFor).sub(direction.mul(lr)), slots: { exp_avg: next } }
  }

  return optimizerFrom<Shared>({
    name: 'lion',
    lr,
    slotShapes: (_name, { shape }) => ({ exp_avg: shape }),
    share,
    apply,
  })
}
