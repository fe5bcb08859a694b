/** Stochastic gradient descent with momentum. */
import { cast, checkOptions } from '@tarazed/tensor'
import { requireNumber } from '../check.js'
import { decayed } from './decay.js'
import {
  COMMON_OPTIONS,
  type CommonOptions,
  type OneParameter,
  type OneUpdate,
  type Optimizer,
  type SlotShapes,
  type UpdateClock,
  checkCommon,
  optimizerFrom,
} from './optimizer.js'

/**
 * Options of `sgd`; the learning rate must be given. Defaults: momentum 0, dampening 0, no nesterov, no weight decay.
 */
export interface SgdOptions extends CommonOptions {
  readonly lr: NonNullable<CommonOptions['lr']>
  readonly momentum?: number
  /** Weakens the gradient's part in the momentum buffer, from the second update on. */
  readonly dampening?: number
  readonly nesterov?: boolean
}

/**
 * g ← g + λp;  b ← μb + (1-δ)g, b = g in the first update;  p ← p - lr·b, with nesterov p - lr·(g + μb).
 * Weight decay λ is added to the gradient, as in torch.optim.SGD.
 */
export function sgd(options: SgdOptions): Optimizer {
  const {
    lr,
    momentum = 0,
    dampening = 0,
    nesterov = false,
    weightDecay = 0,
    decayFor,
  } = checkOptions('sgd', options, [...COMMON_OPTIONS, 'momentum', 'dampening', 'nesterov'], ['lr'])
  checkCommon('sgd', options)
  requireNumber('sgd', 'momentum', momentum, 0, 1)
  requireNumber('sgd', 'dampening', dampening, 0)
  const share = ({ t, lr }: UpdateClock) => ({
    lr,
    // 1 in the first update, 1 - dampening afterwards
    gain:
      dampening === 0
        ? undefined
        : cast(t.equal(1), 'f32')
            .mul(dampening)
            .add(1 - dampening),
  })
  type Shared = ReturnType<typeof share>

  const apply = (one: OneParameter, { lr, gain }: Shared): OneUpdate => {
    const grad = decayed(one, weightDecay, decayFor)
    if (momentum === 0) return { parameter: one.parameter.sub(grad.mul(lr)), slots: {} }
    const incoming = gain === undefined ? grad : grad.mul(gain)
    const buffer = one.slots.momentum_buffer.mul(momentum).add(incoming)
    const direction = nesterov ? grad.add(buffer.mul(momentum)) : buffer
    return { parameter: one.parameter.sub(direction.mul(lr)), slots: { momentum_buffer: buffer } }
  }

  return optimizerFrom<Shared>({
    name: 'sgd',
    lr,
    slotShapes: (_name, { shape }): SlotShapes => (momentum === 0 ? {} : { momentum_buffer: shape }),
    share,
    apply,
  })
}
