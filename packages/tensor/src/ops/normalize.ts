/**
 * Normalised exponentials and norms. Each is reductions over one set of axes, spread again, then elementwise work,
 * which the compiler runs as one step; gradients are written by hand in the same form.
 */
import { binary, broadcast, castTo, custom, reduceOver, reshapeTo, unary } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { normalizeAxis, sameShape } from '../shape.js'
import { inF32, maxForShift, meanOver, minus, over, plus, reduceAndSpread, spread, times, toF32 } from './build.js'
import { requireCount, requireFloat, requireNumber, requireSameDType, shapeError, show, showAll } from './check.js'
import { checkOptions } from './options.js'

/** exp(x - max) and its sum, spread. */
function exponentials(x: Tensor, axis: number): { shifted: Tensor; weights: Tensor } {
  const shifted = minus(x, spread(maxForShift(x, [axis]), x.shape, [axis]))
  return { shifted, weights: unary('exp', shifted) }
}

function softmaxOf(x: Tensor, axis: number): Tensor {
  const { weights } = exponentials(x, axis)
  // One division a row instead of one an element, for half a unit in the last place.
  const scale = over(1, reduceOver('sum', weights, [axis]))
  return times(weights, spread(scale, x.shape, [axis]))
}

/** exp(x) / Σ exp(x) along an axis. */
export function softmax(x: Tensor, options: { axis?: number } = {}): Tensor {
  requireFloat('softmax', x)
  const { axis = -1 } = checkOptions('softmax', options, ['axis'])
  const at = normalizeAxis('softmax', axis, x.shape)
  if (x.shape[at] === 0) return x
  // The Jacobian is symmetric: one formula serves both directions.
  const derivative = (direction: Tensor, y: Tensor): Tensor =>
    times(y, minus(direction, reduceAndSpread('sum', times(direction, y), [at])))
  return inF32(x, (wide) => {
    const [y] = custom([wide], [softmaxOf(wide, at)], {
      name: 'softmax',
      throughBody: false,
      vjp: ([cotangent], _operands, [out]) => [derivative(cotangent, out)],
      jvp: ([tangent], _operands, [out]) => [derivative(tangent, out)],
    })
    return y
  })
}

/** x - log Σ exp(x) along an axis. */
export function logSoftmax(x: Tensor, options: { axis?: number } = {}): Tensor {
  requireFloat('logSoftmax', x)
  const { axis = -1 } = checkOptions('logSoftmax', options, ['axis'])
  const at = normalizeAxis('logSoftmax', axis, x.shape)
  if (x.shape[at] === 0) return x
  const value = (wide: Tensor): Tensor => {
    const { shifted, weights } = exponentials(wide, at)
    return minus(shifted, spread(unary('log', reduceOver('sum', weights, [at])), wide.shape, [at]))
  }
  return inF32(x, (wide) => {
    const [y] = custom([wide], [value(wide)], {
      name: 'logSoftmax',
      throughBody: false,
      vjp: ([cotangent], _operands, [out]) => [
        minus(cotangent, times(unary('exp', out), reduceAndSpread('sum', cotangent, [at]))),
      ],
      jvp: ([tangent], _operands, [out]) => [
        minus(tangent, reduceAndSpread('sum', times(tangent, unary('exp', out)), [at])),
      ],
    })
    return y
  })
}

/** 1 / √(mean square + eps) of centred values, dropped axes. */
function inverseDeviation(centred: Tensor, axes: readonly number[], eps: number): Tensor {
  return over(1, unary('sqrt', plus(meanOver(times(centred, centred), axes), eps)))
}

function centredOn(x: Tensor, axes: readonly number[]): Tensor {
  return minus(x, spread(meanOver(x, axes), x.shape, axes))
}

/**
 * x scaled to mean square 1 over `axes` (`centre`: after its mean is taken away). f32.
 *
 * With x̂ the result and r the inverse deviation, a direction d maps to r (d - mean(d) - x̂ mean(d x̂)), in both directions,
 * because the Jacobian is symmetric; without centring the second term is absent.
 */
function standardized(name: string, x: Tensor, axes: readonly number[], eps: number, centre: boolean): Tensor {
  const centred = (operand: Tensor): Tensor => (centre ? centredOn(operand, axes) : operand)
  const scale = (operand: Tensor): Tensor => spread(inverseDeviation(centred(operand), axes, eps), x.shape, axes)
  const derivative = (direction: Tensor, operand: Tensor, out: Tensor): Tensor => {
    const projection = times(out, spread(meanOver(times(direction, out), axes), x.shape, axes))
    return times(scale(operand), minus(centred(direction), projection))
  }
  const [y] = custom([x], [times(centred(x), scale(x))], {
    name,
    throughBody: false,
    vjp: ([cotangent], [operand], [out]) => [derivative(cotangent, operand, out)],
    jvp: ([tangent], [operand], [out]) => [derivative(tangent, operand, out)],
  })
  return y
}

/** y · weight + bias in f32, each left out when missing; `place` brings a parameter to the shape of y. */
function affine(
  y: Tensor,
  weight: Tensor | null | undefined,
  bias: Tensor | null | undefined,
  place: (parameter: Tensor) => Tensor,
): Tensor {
  const scaled = weight ? binary('mul', y, place(toF32(weight))) : y
  return bias ? binary('add', scaled, place(toF32(bias))) : scaled
}

function requireParameters(
  op: string,
  x: Tensor,
  parameters: readonly (Tensor | null | undefined)[],
  shape: readonly number[],
): void {
  const given = parameters.filter((p): p is Tensor => p !== null && p !== undefined)
  requireSameDType(op, x, ...given)
  for (const parameter of given)
    if (!sameShape(parameter.shape, shape))
      throw shapeError(
        op,
        `weight and bias must have shape [${shape.join(', ')}]`,
        showAll([x, ...given]),
        'reshape them',
      )
}

/**
 * (x - mean) / √(var + eps) · weight + bias over the trailing axes, with the biased variance.
 *
 * @param weight the shape of the normalised axes, or null; bias likewise
 * @param options `axes`: how many trailing axes are normalised together, default 1
 * @source arXiv 1607.06450
 */
export function layerNorm(
  x: Tensor,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  options: { axes?: number; eps?: number } = {},
): Tensor {
  requireFloat('layerNorm', x)
  const { axes = 1, eps = 1e-5 } = checkOptions('layerNorm', options, ['eps', 'axes'])
  requireNumber('layerNorm', 'eps', eps, 0)
  if (!Number.isInteger(axes) || axes < 1 || axes > x.rank)
    throw shapeError(
      'layerNorm',
      `axes counts trailing axes, from 1 to ${x.rank}`,
      `${show(x)} and axes ${show(axes)}`,
      'change axes',
    )
  requireParameters('layerNorm', x, [weight, bias], x.shape.slice(x.rank - axes))
  const list = Array.from({ length: axes }, (_, k) => x.rank - axes + k)
  const y = affine(standardized('layerNorm', toF32(x), list, eps, true), weight, bias, (p) => broadcast(p, x.shape))
  return castTo(y, x.dtype)
}

/**
 * x / √(mean(x²) + eps) · weight over the last axis.
 * @source arXiv 1910.07467
 */
export function rmsNorm(x: Tensor, weight: Tensor | null = null, options: { eps?: number } = {}): Tensor {
  requireFloat('rmsNorm', x)
  const { eps = 1e-6 } = checkOptions('rmsNorm', options, ['eps'])
  requireNumber('rmsNorm', 'eps', eps, 0)
  if (x.rank === 0) throw shapeError('rmsNorm', 'the operand must have at least 1 axis', show(x), 'reshape it')
  requireParameters('rmsNorm', x, [weight], x.shape.slice(-1))
  const y = affine(standardized('rmsNorm', toF32(x), [x.rank - 1], eps, false), weight, null, (p) =>
    broadcast(p, x.shape),
  )
  return castTo(y, x.dtype)
}

/**
 * Layer norm over groups of channels and all places.
 *
 * @param x [N, C, …]
 * @param weight [C] or null; bias likewise
 * @throws ShapeError when groups does not divide C
 * @source arXiv 1803.08494
 */
export function groupNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  options: { groups: number; eps?: number },
): Tensor {
  requireFloat('groupNorm', x)
  const { groups, eps = 1e-5 } = checkOptions('groupNorm', options, ['groups', 'eps'], ['groups'])
  requireNumber('groupNorm', 'eps', eps, 0)
  requireCount('groupNorm', 'groups', groups, 1)
  if (x.rank < 2 || x.shape[1] % groups !== 0)
    throw shapeError(
      'groupNorm',
      'groups must divide the channels, axis 1',
      `${show(x)} and groups ${groups}`,
      'change groups',
    )
  const [N, C, ...rest] = x.shape
  requireParameters('groupNorm', x, [weight, bias], [C])
  const grouped = reshapeTo(toF32(x), [N, groups, C / groups, ...rest])
  const list = Array.from({ length: grouped.rank - 2 }, (_, k) => k + 2)
  const y = reshapeTo(standardized('groupNorm', grouped, list, eps, true), x.shape)
  const place = (p: Tensor): Tensor => broadcast(reshapeTo(p, [C, ...rest.map(() => 1)]), x.shape)
  return castTo(affine(y, weight, bias, place), x.dtype)
}
