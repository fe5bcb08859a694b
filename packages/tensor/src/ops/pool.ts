/** Pooling, windows and resizing. */
import { isFloat, type DType } from '../dtype.js'
import { binary, broadcast, iota, padWith, reduceOver, reshapeTo, transposeTo, windowOf } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sizeOf } from '../shape.js'
import { constant, inF32, minus, over, plus, times } from './build.js'
import {
  argumentError,
  requireBoolean,
  requireChoice,
  requireFloat,
  requireNumeric,
  requireRank,
  requireTensor,
  shapeError,
  show,
} from './check.js'
import { paddingPairs, perAxis, type Padding, type PerAxis } from './conv.js'
import { tensor } from './create.js'
import { selectAlong } from './indexing.js'
import { repeatAxis, sliceAxis } from './movement.js'
import { checkOptions } from './options.js'

interface Windows {
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly pads: readonly (readonly [number, number])[]
  readonly dilation: readonly number[]
}

/** The windows of a pooling operator. Default padding: 0. */
export interface PoolOptions {
  /** Size of a window: one number, or one for every spatial axis. */
  readonly kernel: PerAxis
  /** Default: the kernel. */
  readonly stride?: PerAxis
  readonly padding?: Padding
}

/** Options of the average pools. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether padding counts as elements of value 0. Default true. */
  readonly countIncludePad?: boolean
}

/** Options of the maximum pools and of `unfold`. Default dilation: 1; padding never wins a maximum. */
export interface MaxPoolOptions extends PoolOptions {
  readonly dilation?: PerAxis
}

/** @throws ShapeError when a window is larger than the padded input */
function windowsFor(
  op: string,
  x: Tensor,
  spatial: number,
  options: PoolOptions & { readonly dilation?: PerAxis },
  names: readonly string[],
): Windows {
  checkOptions(op, options, names as readonly (keyof PoolOptions)[], ['kernel'])
  if (x.rank !== spatial + 2)
    throw shapeError(op, `the operand must be [N, C, …] with ${spatial} spatial axes`, show(x), 'reshape it')
  const kernel = perAxis(op, 'kernel', options.kernel, spatial, 1)
  const windows: Windows = {
    kernel,
    stride: perAxis(op, 'stride', options.stride ?? kernel, spatial, 1),
    pads: paddingPairs(op, options.padding ?? 0, spatial),
    dilation: perAxis(op, 'dilation', options.dilation ?? 1, spatial, 1),
  }
  for (let k = 0; k < spatial; k++) {
    const reach = (kernel[k] - 1) * windows.dilation[k] + 1
    const room = x.shape[k + 2] + windows.pads[k][0] + windows.pads[k][1]
    if (reach > room)
      throw shapeError(
        op,
        `a window (${reach} on spatial axis ${k}) must fit the padded input (${room})`,
        show(x),
        'pad more',
      )
  }
  return windows
}

/** [N, C, S…] -> [N, C, S'…, K…], padding filled with `fill`. */
function windowed(x: Tensor, { kernel, stride, pads, dilation }: Windows, fill: number): Tensor {
  const padded = padWith(
    x,
    [0, 0, ...pads.map((p) => p[0])],
    [0, 0, ...pads.map((p) => p[1])],
    x.shape.map(() => 0),
    fill,
  )
  return kernel.reduce((t, size, k) => windowOf(t, k + 2, size, stride[k], dilation[k]), padded)
}

function windowAxes(windows: Windows): number[] {
  const { length } = windows.kernel
  return windows.kernel.map((_, k) => k + 2 + length)
}

function spatialAxes(op: string, x: Tensor): number {
  requireTensor(op, x)
  if (x.rank < 3 || x.rank > 5)
    throw shapeError(op, 'the operand must be [N, C, …] with one to three spatial axes', show(x), 'reshape it')
  return x.rank - 2
}

function averagePool(op: string, x: Tensor, spatial: number, options: AvgPoolOptions): Tensor {
  requireFloat(op, x)
  const windows = windowsFor(op, x, spatial, options, ['kernel', 'stride', 'padding', 'countIncludePad'])
  return inF32(x, (wide) => {
    const total = reduceOver('sum', windowed(wide, windows, 0), windowAxes(windows))
    if (options.countIncludePad ?? true) return over(total, sizeOf(windows.kernel))
    const counts = windows.kernel.map((_, k) => realCounts(windows, k, x.shape[k + 2], total))
    return binary(
      'div',
      total,
      counts.reduce((a, b) => times(a, b)),
    )
  })
}

/** How many elements of a window are no padding, on one axis, spread over the result. */
function realCounts({ kernel, stride, pads }: Windows, axis: number, extent: number, like: Tensor): Tensor {
  const count = like.shape[axis + 2]
  const start = minus(times(iota(count, 'f32'), stride[axis]), pads[axis][0])
  const end = plus(start, kernel[axis])
  const inside = minus(binary('minimum', end, constant(extent, end)), binary('maximum', start, constant(0, start)))
  return broadcast(
    reshapeTo(
      inside,
      like.shape.map((_, k) => (k === axis + 2 ? count : 1)),
    ),
    like.shape,
  )
}

const DILATED = ['kernel', 'stride', 'padding', 'dilation'] as const

const LOWEST: Partial<Record<DType, number>> = { i32: -2147483648, u32: 0, i8: -128, u8: 0 }

function maximumPool(op: string, x: Tensor, spatial: number, options: MaxPoolOptions): Tensor {
  requireNumeric(op, x)
  const windows = windowsFor(op, x, spatial, options, DILATED)
  for (let k = 0; k < spatial; k++)
    if (Math.max(...windows.pads[k]) > (windows.kernel[k] - 1) * windows.dilation[k])
      throw argumentError(
        op,
        'padding must be smaller than a window, or some windows hold nothing',
        `padding ${JSON.stringify(options.padding)} for ${show(x)}`,
        'pad less',
      )
  const fill = isFloat(x.dtype) ? -Infinity : (LOWEST[x.dtype] as number)
  return reduceOver('max', windowed(x, windows, fill), windowAxes(windows))
}

/** Means of windows over one to three spatial axes of [N, C, …]; sizes round down. */
export function avgPool(x: Tensor, options: AvgPoolOptions): Tensor {
  return averagePool('avgPool', x, spatialAxes('avgPool', x), options)
}

/** Means of windows of [N, C, H, W]. @throws ShapeError when a window is larger than the padded input */
export function avgPool2d(x: Tensor, options: AvgPoolOptions): Tensor {
  requireTensor('avgPool2d', x)
  return averagePool('avgPool2d', x, 2, options)
}

/** Maxima of windows over one to three spatial axes of [N, C, …]; padding never wins; equal maxima share the gradient. */
export function maxPool(x: Tensor, options: MaxPoolOptions): Tensor {
  return maximumPool('maxPool', x, spatialAxes('maxPool', x), options)
}

/** Maxima of windows of [N, C, H, W]. @throws ShapeError when a window is larger than the padded input */
export function maxPool2d(x: Tensor, options: MaxPoolOptions): Tensor {
  requireTensor('maxPool2d', x)
  return maximumPool('maxPool2d', x, 2, options)
}

/** Windows as columns: [N, C, H, W] -> [N, C·kh·kw, L], L the number of places in row-major order. */
export function unfold(x: Tensor, options: MaxPoolOptions): Tensor {
  requireTensor('unfold', x)
  checkOptions('unfold', options, DILATED, ['kernel'])
  const windows = windowsFor('unfold', x, 2, { ...options, stride: options.stride ?? 1 }, DILATED)
  const places = windowed(x, windows, 0) // [N, C, H', W', kh, kw]
  const [N, C, height, width, kh, kw] = places.shape
  return reshapeTo(transposeTo(places, [0, 1, 4, 5, 2, 3]), [N, C * kh * kw, height * width])
}

/** How `resize` reads between elements. */
export interface ResizeOptions {
  /** `nearest`: source index floor(i · in / out). Default nearest. */
  readonly mode?: 'nearest' | 'bilinear'
  /** bilinear only: whether corner elements keep their values, instead of half-pixel centres with clamping. Default false. */
  readonly alignCorners?: boolean
}

/**
 * Images of another size.
 * @param x [N, C, H, W]
 * @param size [H', W']
 */
export function resize(x: Tensor, size: readonly number[], options: ResizeOptions = {}): Tensor {
  requireRank('resize', 'the operand', x, 4)
  const { mode = 'nearest', alignCorners = false } = checkOptions('resize', options, ['mode', 'alignCorners'])
  requireBoolean('resize', 'alignCorners', alignCorners)
  requireChoice('resize', 'mode', mode, ['nearest', 'bilinear'])
  const target = perAxis('resize', 'size', size, 2, 1)
  if (x.shape[2] === 0 || x.shape[3] === 0)
    throw shapeError('resize', 'there must be something to read', show(x), 'check the operand')
  if (mode === 'nearest') return target.reduce((t, extent, k) => nearestAxis(t, k + 2, extent), x)
  requireFloat('resize', x)
  return inF32(x, (wide) => target.reduce((t, extent, k) => linearAxis(t, k + 2, extent, alignCorners), wide))
}

/** Whole factors are repeats and strided slices, which are views; their gradients are sums instead of scatters. */
function nearestAxis(x: Tensor, axis: number, target: number): Tensor {
  const source = x.shape[axis]
  if (target === source) return x
  if (target % source === 0) return repeatAxis(x, axis, target / source)
  if (source % target === 0) return sliceAxis(x, axis, 0, target, source / target)
  const places = Int32Array.from({ length: target }, (_, i) => Math.floor((i * source) / target))
  return selectAlong(x, tensor(places), axis)
}

function linearAxis(x: Tensor, axis: number, target: number, alignCorners: boolean): Tensor {
  const source = x.shape[axis]
  if (target === source) return x
  const positions = Array.from({ length: target }, (_, i) => sourcePosition(i, source, target, alignCorners))
  const low = positions.map((p) => Math.min(Math.floor(p), source - 1))
  const high = low.map((i) => Math.min(i + 1, source - 1))
  const at = (places: readonly number[]): Tensor => selectAlong(x, tensor(Int32Array.from(places)), axis)
  const [from, to] = [at(low), at(high)]
  const column = from.shape.map((_, k) => (k === axis ? target : 1))
  const fraction = broadcast(reshapeTo(tensor(Float32Array.from(positions, (p, i) => p - low[i])), column), from.shape)
  return binary('add', from, binary('mul', minus(to, from), fraction))
}

function sourcePosition(i: number, source: number, target: number, alignCorners: boolean): number {
  if (alignCorners) return target === 1 ? 0 : (i * (source - 1)) / (target - 1)
  return Math.min(source - 1, Math.max(0, ((i + 0.5) * source) / target - 0.5))
}
