/** Convolutions. */
import type { ConvAttrs } from '../graph/primitive.js'
import { binary, broadcast, convOf, reshapeTo, transposeTo } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sameShape } from '../shape.js'
import {
  argumentError,
  requireCount,
  requireFloat,
  requireSameDType,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { flipOver } from './movement.js'
import { checkOptions } from './options.js'

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[]

/** A number for every side, one number for both sides of each axis, or [low, high] for each axis. */
export type Padding = number | readonly (number | readonly [number, number])[]

/** Options of `conv1d`, `conv2d` and `conv3d`. Defaults: stride 1, padding 0, dilation 1, one group. */
export interface ConvOptions {
  readonly stride?: PerAxis
  readonly padding?: Padding
  readonly dilation?: PerAxis
  readonly groups?: number
}

/** @throws ArgumentError for a wrong count of numbers or one below `least` */
export function perAxis(op: string, name: string, value: PerAxis, axes: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(axes).fill(value) : value
  if (!Array.isArray(list) || list.length !== axes)
    throw argumentError(
      op,
      `${name} must be a number or ${axes} numbers`,
      Array.isArray(list) ? `[${list.join(', ')}]` : show(list),
      `complete ${name}`,
    )
  list.forEach((n) => requireCount(op, name, n, least))
  return [...(list as readonly number[])]
}

/** [low, high] for every axis. @throws ArgumentError for a wrong count of numbers */
export function paddingPairs(op: string, padding: Padding, axes: number): [number, number][] {
  const list = typeof padding === 'number' ? new Array<number>(axes).fill(padding) : padding
  const pairs = (Array.isArray(list) ? list : []).map((p: unknown): [number, number] =>
    Array.isArray(p) && p.length === 2 ? [p[0] as number, p[1] as number] : [p as number, p as number],
  )
  if (pairs.length !== axes || !pairs.flat().every((n) => Number.isInteger(n) && n >= 0))
    throw argumentError(
      op,
      `padding must be a number, or ${axes} numbers or [low, high] pairs of at least 0`,
      Array.isArray(padding) ? JSON.stringify(padding) : show(padding),
      'complete padding',
    )
  return pairs
}

function convolution(
  op: string,
  spatial: number,
  x: Tensor,
  w: Tensor,
  bias: Tensor | null | undefined,
  options: ConvOptions,
): Tensor {
  const operands = bias ? [x, w, bias] : [x, w]
  requireFloat(op, ...operands)
  requireSameDType(op, ...operands)
  const got = showAll(operands)
  const { groups = 1 } = checkOptions(op, options, ['stride', 'padding', 'dilation', 'groups'])
  requireCount(op, 'groups', groups, 1)
  if (x.rank !== spatial + 2 || w.rank !== spatial + 2)
    throw shapeError(op, `x must be [N, C, …] and w [O, C/groups, …] with ${spatial} spatial axes`, got, 'reshape them')
  if (w.shape[1] * groups !== x.shape[1])
    throw shapeError(op, `w must have C/groups channels: ${x.shape[1]} / ${groups}`, got, 'change w or groups')
  if (w.shape[0] % groups !== 0)
    throw shapeError(op, `groups ${groups} must divide the output channels`, got, 'change groups')
  requireBias(op, bias, w.shape[0], got)
  const pairs = paddingPairs(op, options.padding ?? 0, spatial)
  const attrs: ConvAttrs = {
    stride: perAxis(op, 'stride', options.stride ?? 1, spatial, 1),
    padLow: pairs.map((p) => p[0]),
    padHigh: pairs.map((p) => p[1]),
    lhsDilation: new Array<number>(spatial).fill(1),
    rhsDilation: perAxis(op, 'dilation', options.dilation ?? 1, spatial, 1),
    groups,
  }
  for (let k = 0; k < spatial; k++) {
    const reach = (w.shape[k + 2] - 1) * attrs.rhsDilation[k] + 1
    const room = x.shape[k + 2] + pairs[k][0] + pairs[k][1]
    if (w.shape[k + 2] < 1 || reach > room)
      throw shapeError(
        op,
        `the kernel (${reach} on spatial axis ${k}) must fit the padded input (${room})`,
        got,
        'pad more',
      )
  }
  return withBias(convOf(x, w, attrs), bias)
}

function requireBias(op: string, bias: Tensor | null | undefined, channels: number, got: string): void {
  if (bias && !sameShape(bias.shape, [channels])) throw shapeError(op, `bias must be [${channels}]`, got, 'reshape it')
}

function withBias(y: Tensor, bias: Tensor | null | undefined): Tensor {
  if (!bias) return y
  const column = reshapeTo(bias, [bias.size, ...y.shape.slice(2).map(() => 1)])
  return binary('add', y, broadcast(column, y.shape))
}

/**
 * Cross-correlation along one axis.
 * @param x [N, C, W]
 * @param w [O, C/groups, kw]
 * @param bias [O] or null
 * @throws ShapeError when channels do not fit or the kernel is larger than the padded input
 */
export function conv1d(x: Tensor, w: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return convolution('conv1d', 1, x, w, bias, options)
}

/** Cross-correlation over [N, C, H, W] with w [O, C/groups, kh, kw]; see `conv1d`. */
export function conv2d(x: Tensor, w: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return convolution('conv2d', 2, x, w, bias, options)
}

/** Cross-correlation over [N, C, D, H, W] with w [O, C/groups, kd, kh, kw]; see `conv1d`. */
export function conv3d(x: Tensor, w: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return convolution('conv3d', 3, x, w, bias, options)
}

/** Options of `convTranspose2d`. Defaults: stride 1, padding 0, outputPadding 0, dilation 1, one group. */
export interface ConvTransposeOptions {
  readonly stride?: PerAxis
  /** Cut from every side of the result. */
  readonly padding?: PerAxis
  /** Added to the end of every axis; smaller than the stride or the dilation. */
  readonly outputPadding?: PerAxis
  readonly dilation?: PerAxis
  readonly groups?: number
}

/**
 * The transpose of `conv2d` in x: every input element adds its multiple of the kernel to the output.
 * @param x [N, C, H, W]
 * @param w [C, O/groups, kh, kw]
 * @param bias [O] or null
 */
export function convTranspose2d(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  const op = 'convTranspose2d'
  const operands = bias ? [x, w, bias] : [x, w]
  requireTensor(op, ...operands)
  requireFloat(op, ...operands)
  requireSameDType(op, ...operands)
  const got = showAll(operands)
  const { groups = 1 } = checkOptions(op, options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups'])
  requireCount(op, 'groups', groups, 1)
  if (x.rank !== 4 || w.rank !== 4)
    throw shapeError(op, 'x must be [N, C, H, W] and w [C, O/groups, kh, kw]', got, 'reshape them')
  if (w.shape[0] !== x.shape[1]) throw shapeError(op, 'x and w must have equal channels C', got, 'transpose w')
  if (x.shape[1] % groups !== 0) throw shapeError(op, `groups ${groups} must divide the channels`, got, 'change groups')
  requireBias(op, bias, w.shape[1] * groups, got)
  const stride = perAxis(op, 'stride', options.stride ?? 1, 2, 1)
  const padding = perAxis(op, 'padding', options.padding ?? 0, 2, 0)
  const outputPadding = perAxis(op, 'outputPadding', options.outputPadding ?? 0, 2, 0)
  const dilation = perAxis(op, 'dilation', options.dilation ?? 1, 2, 1)
  for (let k = 0; k < 2; k++) {
    if (outputPadding[k] >= Math.max(stride[k], dilation[k]))
      throw argumentError(
        op,
        'outputPadding must be smaller than stride or dilation',
        `outputPadding ${outputPadding[k]}, stride ${stride[k]} and dilation ${dilation[k]}`,
        'lower it',
      )
    const extent =
      (x.shape[k + 2] - 1) * stride[k] - 2 * padding[k] + dilation[k] * (w.shape[k + 2] - 1) + outputPadding[k] + 1
    if (extent < 1 || x.shape[k + 2] < 1)
      throw shapeError(op, 'the result must have elements', `${got} with padding [${padding.join(', ')}]`, 'pad less')
  }
  const reach = [0, 1].map((k) => dilation[k] * (w.shape[k + 2] - 1))
  const attrs: ConvAttrs = {
    stride: [1, 1],
    padLow: reach.map((n, k) => n - padding[k]),
    padHigh: reach.map((n, k) => n - padding[k] + outputPadding[k]),
    lhsDilation: stride,
    rhsDilation: dilation,
    groups,
  }
  return withBias(convOf(x, mirrored(w, groups), attrs), bias)
}

/** [C, O/g, kh, kw] -> [O, C/g, kh, kw], every kernel turned by half a circle. */
function mirrored(w: Tensor, groups: number): Tensor {
  const [C, outputs, height, width] = w.shape
  const grouped = transposeTo(reshapeTo(w, [groups, C / groups, outputs, height, width]), [0, 2, 1, 3, 4])
  return flipOver(reshapeTo(grouped, [groups * outputs, C / groups, height, width]), [2, 3])
}
