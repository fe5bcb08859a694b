/** Losses that are one fused step. */
import { isInteger } from '../dtype.js'
import { binary, castTo, compare, custom, reduceOver, unary } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sameShape, showShape } from '../shape.js'
import { choose, constant, inF32, isLess, maxForShift, minus, plus, spread, times } from './build.js'
import {
  dtypeError,
  requireChoice,
  requireElement,
  requireFloat,
  requireNumber,
  requireTensor,
  shapeError,
  showAll,
} from './check.js'
import { isClass } from './indexing.js'
import { checkOptions } from './options.js'

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Rows with this target cost 0 and pass no gradient. Default -100. */
  readonly ignoreIndex?: number
  /** Share s of the target spread evenly over all classes. Default 0. */
  readonly labelSmoothing?: number
  /** Weight of lse², which keeps logits near 0. Default 0. */
  readonly zLoss?: number
  /** `mean` divides by the number of rows that are not ignored (NaN when all are). Default mean. */
  readonly reduction?: 'mean' | 'sum' | 'none'
}

/**
 * -log softmax(logits)[target]; with lse = logsumexp(logits), s = labelSmoothing a row costs
 * (1-s)(lse - logits[target]) + s (lse - mean(logits)) + zLoss lse².
 *
 * @param logits [..., C]
 * @param target integer [...]; a target that is no class and not ignored gives NaN
 * @returns [] or [...] in the dtype of the logits
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  requireLoss(logits, target)
  const {
    ignoreIndex = -100,
    labelSmoothing = 0,
    zLoss = 0,
    reduction = 'mean',
  } = checkOptions('crossEntropy', options, ['reduction', 'ignoreIndex', 'labelSmoothing', 'zLoss'])
  requireElement('crossEntropy', ignoreIndex, 'i32')
  requireNumber('crossEntropy', 'zLoss', zLoss)
  requireChoice('crossEntropy', 'reduction', reduction, ['mean', 'sum', 'none'])
  requireNumber('crossEntropy', 'labelSmoothing', labelSmoothing, 0, 1)
  const classes = castTo(target, 'i32')
  const counted = compare('ne', classes, constant(ignoreIndex, classes))
  return inF32(logits, (wide) => {
    const rows = choose(counted, rowLosses(wide, classes, labelSmoothing, zLoss), 0)
    switch (reduction) {
      case 'none':
        return rows
      case 'sum':
        return total(rows)
      case 'mean':
        return binary('div', total(rows), total(castTo(counted, 'f32')))
    }
  })
}

function total(x: Tensor): Tensor {
  return reduceOver(
    'sum',
    x,
    x.shape.map((_, k) => k),
  )
}

function requireLoss(logits: Tensor, target: Tensor): void {
  requireFloat('crossEntropy', logits)
  requireTensor('crossEntropy', target)
  if (!isInteger(target.dtype))
    throw dtypeError(
      'crossEntropy',
      'the target must be an integer tensor',
      showAll([logits, target]),
      "cast it, as in cast(target, 'i32')",
    )
  if (logits.rank === 0 || !sameShape(target.shape, logits.shape.slice(0, -1)))
    throw shapeError(
      'crossEntropy',
      `the target must have the shape of the logits without the classes, ${showShape(logits.shape.slice(0, -1))}`,
      showAll([logits, target]),
      'reshape the target',
    )
  if (logits.shape[logits.rank - 1] === 0)
    throw shapeError('crossEntropy', 'there must be at least one class', showAll([logits, target]), 'check the logits')
}

/** The logits of a row less their maximum, that maximum, and log Σ exp of the shifted logits. */
function shiftedRows(logits: Tensor): { shifted: Tensor; shift: Tensor; logTotal: Tensor } {
  const last = [logits.rank - 1]
  const shift = maxForShift(logits, last)
  const shifted = minus(logits, spread(shift, logits.shape, last))
  return { shifted, shift, logTotal: unary('log', reduceOver('sum', unary('exp', shifted), last)) }
}

/** f32 logits [..., C] and i32 classes [...] -> [...]. The target is picked by comparison, so that its gradient scatters nothing. */
function rowLosses(logits: Tensor, target: Tensor, smoothing: number, zLoss: number): Tensor {
  const C = logits.shape[logits.rank - 1]
  const last = [logits.rank - 1]
  const value = (x: Tensor): Tensor => {
    const { shifted, shift, logTotal } = shiftedRows(x)
    // Costs of every class, then the target's: a chain of three reductions, which the compiler runs as one step. The shifted
    // logits have exact differences where the logits themselves are large.
    const costs = minus(spread(logTotal, x.shape, last), shifted)
    const isTarget = isClass(target, C)
    const shares = (): Tensor =>
      times(costs, choose(isTarget, constant(1 - smoothing + smoothing / C, x), smoothing / C))
    const smoothed = reduceOver('sum', smoothing === 0 ? choose(isTarget, costs, 0) : shares(), last)
    const isValid = binary('and', unary('not', isLess(target, 0)), isLess(target, C))
    const loss = choose(isValid, smoothed, NaN)
    if (zLoss === 0) return loss
    const lse = plus(logTotal, shift)
    return plus(loss, times(times(lse, lse), zLoss))
  }
  /** d loss / d logits: (1 + 2 zLoss lse) softmax - (1-s) onehot - s/C. */
  const slope = (x: Tensor, classes: Tensor): Tensor => {
    const { shift, logTotal } = shiftedRows(x)
    // Shifted anew, and by additions: the forward pass then keeps two numbers a row for this one, not all shifted logits.
    const lowered = (t: Tensor, by: Tensor): Tensor => binary('add', t, spread(unary('neg', by), x.shape, last))
    const probabilities = unary('exp', lowered(lowered(x, shift), logTotal))
    const factor = zLoss === 0 ? null : plus(times(plus(logTotal, shift), 2 * zLoss), 1)
    const scaled = factor === null ? probabilities : times(probabilities, spread(factor, x.shape, last))
    const onehot = choose(isClass(classes, C), constant(1 - smoothing, x), 0)
    const sharp = minus(scaled, onehot)
    return smoothing === 0 ? sharp : minus(sharp, smoothing / C)
  }
  const [losses] = custom([logits, target], [value(logits)], {
    name: 'crossEntropy',
    throughBody: false,
    vjp: ([cotangent], [x, classes]) => [times(spread(cotangent, x.shape, last), slope(x, classes)), null],
    jvp: ([tangent], [x, classes]) => [reduceOver('sum', times(tangent, slope(x, classes)), last)],
  })
  return losses
}
