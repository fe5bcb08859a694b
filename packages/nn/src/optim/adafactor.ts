/** Adafactor: second moments of a matrix as the outer product of their row and column means. */
import { type Tensor, checkOptions, matmul } from '@tarazed/tensor'
import { requireNumber, requirePair } from '../check.js'
import { shrinkage, shrunk } from './decay.js'
import {
  COMMON_OPTIONS,
  type CommonOptions,
  type NamedTensors,
  type OneParameter,
  type Optimizer,
  type UpdateClock,
  checkCommon,
  optimizerFrom,
} from './optimizer.js'

/** Options of `adafactor`. Defaults: lr 1e-2, eps [1e-15, 1e-3], beta2Decay -0.8, d 1, no weight decay. */
export interface AdafactorOptions extends CommonOptions {
  /** [least root mean square of g, least root mean square of p]. */
  readonly eps?: readonly [number, number]
  /** The average of g² takes in t^beta2Decay of the new value. */
  readonly beta2Decay?: number
  /** The update is scaled down when its root mean square exceeds this. */
  readonly d?: number
}

/**
 * Adafactor (arXiv 1804.04235) as torch.optim.Adafactor: relative step max(eps₂, rms(p)) · min(lr, 1/√t).
 * A matrix of R × C keeps R + C numbers.
 */
export function adafactor(options: AdafactorOptions = {}): Optimizer {
  const {
    lr = 1e-2,
    eps = [1e-15, 1e-3],
    beta2Decay = -0.8,
    d = 1,
    weightDecay = 0,
    decayFor,
  } = checkOptions('adafactor', options, [...COMMON_OPTIONS, 'eps', 'beta2Decay', 'd'])
  checkCommon('adafactor', options)
  requirePair('adafactor', 'eps', eps, 0)
  requireNumber('adafactor', 'beta2Decay', beta2Decay, -Infinity)
  requireNumber('adafactor', 'd', d, 0)
  const share = ({ t, lr }: UpdateClock) => ({
    intake: t.log().mul(beta2Decay).exp(),
    relativeStep: lr.minimum(t.rsqrt()),
    shrink: shrinkage(lr, weightDecay),
  })
  type Shared = ReturnType<typeof share>

  const apply = (one: OneParameter, { intake, relativeStep, shrink }: Shared) => {
    const { variance, slots } = secondMoments(one, intake, eps[0])
    const direction = variance
      .maximum(eps[0] * eps[0])
      .rsqrt()
      .mul(one.grad)
    const clip = rootMeanSquare(direction).div(d).maximum(1)
    const stepSize = rootMeanSquare(one.parameter).maximum(eps[1]).mul(relativeStep).div(clip)
    return { parameter: shrunk(one, shrink, decayFor).sub(direction.mul(stepSize)), slots }
  }

  return optimizerFrom<Shared>({
    name: 'adafactor',
    lr,
    slotShapes: (_name, { shape }) => slotShapes(shape),
    share,
    apply,
  })
}

function slotShapes(shape: readonly number[]): Readonly<Record<string, readonly number[]>> {
  if (shape.length < 2) return { variance: shape }
  const batch = shape.slice(0, -2)
  const [rows, columns] = shape.slice(-2)
  return { row_var: [...batch, rows, 1], col_var: [...batch, 1, columns] }
}

/** The running estimate of g², shape of g, and the slots after it. */
function secondMoments(
  { grad, slots }: OneParameter,
  intake: Tensor,
  eps: number,
): { variance: Tensor; slots: NamedTensors } {
  const square = grad.square()
  if (grad.rank < 2) {
    const variance = mixed(slots.variance, square, intake)
    return { variance, slots: { variance } }
  }
  const rowVar = mixed(slots.row_var, square.mean({ axes: -1, keepdims: true }), intake)
  const colVar = mixed(slots.col_var, square.mean({ axes: -2, keepdims: true }), intake)
  const rowMean = rowVar.mean({ axes: -2, keepdims: true }).maximum(eps)
  return { variance: matmul(rowVar, colVar).div(rowMean), slots: { row_var: rowVar, col_var: colVar } }
}

/** a + w(b - a) */
function mixed(a: Tensor, b: Tensor, weight: Tensor): Tensor {
  return a.add(b.sub(a).mul(weight))
}

function rootMeanSquare(x: Tensor): Tensor {
  return x.square().mean().sqrt()
}
