/** Adam and AdamW. */
import { type Tensor, checkOptions } from '@tarazed/tensor'
import { requireNumber, requirePair } from '../check.js'
import { decayed, shrinkage, shrunk } from './decay.js'
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
 * Options of `adam` and `adamw`. Defaults: lr 1e-3, betas [0.9, 0.999], eps 1e-8, no amsgrad; weight decay 0 in `adam`,
 * 0.01 in `adamw`.
 */
export interface AdamOptions extends CommonOptions {
  /** Decay rates of the averages of g and g². */
  readonly betas?: readonly [number, number]
  readonly eps?: number
  /** Divides by the largest average of g² so far. */
  readonly amsgrad?: boolean
}

/**
 * Adam (arXiv 1412.6980) as in torch.optim: weight decay is added to the gradient, eps after the bias-corrected root.
 *
 * m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  p ← p - lr · m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps)
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return adamLike('adam', options, 0, 'coupled')
}

/** AdamW (arXiv 1711.05101): Adam whose decay is a factor 1 - lr·λ on the parameter, ahead of the step. */
export function adamw(options: AdamOptions = {}): Optimizer {
  return adamLike('adamw', options, 0.01, 'decoupled')
}

/**
 * One parameter is one pointwise chain: p, m and v from p, g, m, v and the scalars of `share`, so that a compiled update
 * is one step for each parameter.
 */
function adamLike(name: string, options: AdamOptions, usualDecay: number, decay: 'coupled' | 'decoupled'): Optimizer {
  const {
    lr = 1e-3,
    betas = [0.9, 0.999],
    eps = 1e-8,
    weightDecay = usualDecay,
    amsgrad = false,
    decayFor,
  } = checkOptions(name, options, [...COMMON_OPTIONS, 'betas', 'eps', 'amsgrad'])
  checkCommon(name, options)
  requirePair(name, 'betas', betas, 0, 1)
  requireNumber(name, 'eps', eps, 0)
  const [beta1, beta2] = betas
  const share = ({ t, lr }: UpdateClock) => ({
    stepSize: lr.div(biasCorrection(beta1, t)),
    rootScale: biasCorrection(beta2, t).rsqrt(),
    shrink: decay === 'decoupled' ? shrinkage(lr, weightDecay) : undefined,
  })
  type Shared = ReturnType<typeof share>

  const apply = (one: OneParameter, { stepSize, rootScale, shrink }: Shared) => {
    const grad = decay === 'coupled' ? decayed(one, weightDecay, decayFor) : one.grad
    const mean = one.slots.exp_avg.mul(beta1).add(grad.mul(1 - beta1))
    const square = one.slots.exp_avg_sq.mul(beta2).add(grad.square().mul(1 - beta2))
    const largest = amsgrad ? one.slots.max_exp_avg_sq.maximum(square) : square
    const step = mean.mul(stepSize).div(largest.sqrt().mul(rootScale).add(eps))
    const slots = { exp_avg: mean, exp_avg_sq: square, ...(amsgrad && { max_exp_avg_sq: largest }) }
    return { parameter: shrunk(one, shrink, decayFor).sub(step), slots }
  }

  return optimizerFrom<Shared>({
    name,
    lr,
    slotShapes: (_name, { shape }) => ({
      exp_avg: shape,
      exp_avg_sq: shape,
      ...(amsgrad && { max_exp_avg_sq: shape }),
    }),
    share,
    apply,
  })
}

/** 1 - βᵗ as -expm1(t·ln β): with β = 0.999 the plain difference keeps only four digits in f32. */
function biasCorrection(beta: number, t: Tensor): Tensor {
  return t.mul(Math.log(beta)).expm1().neg()
}
