/** Dynamic loss scaling: keeps f16 gradients out of underflow, and skips the steps in which they overflow. */
import { type Tensor, cast, checkOptions, flattenTree, mapTree, scalar, where } from '@tarazed/tensor'
import { requireNumber, requireSizes, requireTensor } from '../check.js'
import { zipTree } from '../zipTree.js'

/**
 * Options of `lossScaling`. Defaults: initScale 65,536, growthFactor 2, backoffFactor 0.5, growthInterval 2,000,
 * hysteresis 1, minScale 0.
 */
export interface LossScalingOptions {
  readonly initScale?: number
  readonly growthFactor?: number
  readonly backoffFactor?: number
  /** Good steps in a row until the scale grows. */
  readonly growthInterval?: number
  /** Overflows until the scale shrinks; good steps in between do not forgive them, growth does. */
  readonly hysteresis?: number
  readonly minScale?: number
}

/** What loss scaling remembers: plain data, an argument and a result of compiled functions. */
export interface LossScalingState {
  /** f32 [] */
  readonly scale: Tensor
  /** i32 []: good steps since the last change or overflow. */
  readonly goodSteps: Tensor
  /** i32 []: overflows since the last change. */
  readonly overflows: Tensor
}

/** Dynamic loss scaling as pure functions of its state. */
export interface LossScaling {
  init(): LossScalingState
  /** The loss to differentiate. */
  scaleLoss(loss: Tensor, state: LossScalingState): Tensor
  /** Gradients of the true loss in f32, and whether any is infinite or NaN (bool []). */
  unscale<G>(grads: G, state: LossScalingState): { grads: G; foundInf: Tensor }
  update(state: LossScalingState, foundInf: Tensor): LossScalingState
}

const OPTIONS = ['initScale', 'growthFactor', 'backoffFactor', 'growthInterval', 'hysteresis', 'minScale'] as const

/**
 * An overflow multiplies the scale by backoffFactor, growthInterval good steps in a row multiply it by growthFactor.
 *
 * ```ts
 * const [loss, scaled] = valueAndGrad((p) => scaling.scaleLoss(lossOf(p), scaler))(params)
 * const { grads, foundInf } = scaling.unscale(scaled, scaler)
 * const next = optimizer.update(params, grads, state)
 * return { ...keepIf(foundInf, { params, state }, next), scaler: scaling.update(scaler, foundInf) }
 * ```
 */
export function lossScaling(options: LossScalingOptions = {}): LossScaling {
  const {
    initScale = 65536,
    growthFactor = 2,
    backoffFactor = 0.5,
    growthInterval = 2000,
    hysteresis = 1,
    minScale = 0,
  } = checkOptions('lossScaling', options, OPTIONS)
  requireNumber('lossScaling', 'initScale', initScale, 0)
  requireNumber('lossScaling', 'growthFactor', growthFactor, 1)
  requireNumber('lossScaling', 'backoffFactor', backoffFactor, 0, 1)
  requireNumber('lossScaling', 'minScale', minScale, 0)
  requireSizes('lossScaling', { growthInterval, hysteresis })
  return {
    init: () => ({
      scale: scalar(initScale),
      goodSteps: scalar(0, { dtype: 'i32' }),
      overflows: scalar(0, { dtype: 'i32' }),
    }),
    scaleLoss: (loss, { scale }) => loss.mul(cast(scale, loss.dtype)),
    unscale: (grads, { scale }) => {
      const wide = mapTree(grads, (grad) => cast(grad, 'f32'))
      return { grads: mapTree(wide, (grad) => grad.div(scale)), foundInf: anyNonFinite(wide) }
    },
    update: ({ scale, goodSteps, overflows }, foundInf) => {
      const counted = overflows.add(cast(foundInf, 'i32'))
      const shrinks = foundInf.logicalAnd(counted.greaterEqual(hysteresis))
      const good = where(foundInf, goodSteps.mul(0), goodSteps.add(1))
      const grows = good.greaterEqual(growthInterval)
      const smaller = scale.mul(backoffFactor).maximum(minScale)
      return {
        scale: where(shrinks, smaller, where(grows, scale.mul(growthFactor), scale)),
        goodSteps: where(grows, good.mul(0), good),
        overflows: where(shrinks.logicalOr(grows), counted.mul(0), counted),
      }
    },
  }
}

/** bool []: whether a tree has an infinity or NaN anywhere. */
export function anyNonFinite(tree: unknown): Tensor {
  const found = flattenTree(tree).leaves.map((leaf) => leaf.isFinite().all().logicalNot())
  return found.length === 0 ? scalar(false, { dtype: 'bool' }) : found.reduce((a, b) => a.logicalOr(b))
}

/** `before` where `condition` (bool []) holds, else `after`: chooses whole trees of one structure. */
export function keepIf<T>(condition: Tensor, before: T, after: T): T {
  requireTensor('keepIf', 'the condition', condition)
  return zipTree('keepIf', before, after, (old, next) => where(condition, old, next))
}
