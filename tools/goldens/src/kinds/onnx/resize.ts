/** Resize: a table of weights for each axis, or the library's operator where it means the same. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { IndexError } from '../../stored.js'
import { positiveAxis, range, type NodeRunner, type OnnxNode } from './node.js'

export const RESIZE: Readonly<Record<string, NodeRunner>> = { Resize: resize }

/** How one axis is resized. */
interface ResizedAxis {
  readonly axis: number
  readonly input: number
  readonly output: number
  readonly scale: number
  readonly roi: readonly [start: number, end: number]
}

function resize(node: OnnxNode): Tensor {
  const method = new Method(node)
  const axes = resizedAxes(node).filter((axis) => !method.isIdentity(axis))
  return ownOperator(node.x, axes, method) ?? axes.reduce((x, axis) => alongAxis(x, axis, method), node.x)
}

/** Operands are X, roi, scales, sizes; the last three speak of the attribute `axes`, or of all axes. */
function resizedAxes(node: OnnxNode): ResizedAxis[] {
  const { x, attrs } = node
  const axes = attrs.numbers('axes', range(x.rank)).map((axis) => positiveAxis(axis, x.rank))
  const policy = attrs.text('keep_aspect_ratio_policy', 'stretch')
  const roi = node.has(1) ? node.numbers(1) : []
  const scales = node.has(2) ? node.numbers(2) : []
  const sizes = node.has(3) ? node.numbers(3) : []
  const inputs = axes.map((axis) => x.shape[axis])
  const targets = sizes.length > 0 ? fitSizes(inputs, sizes, policy) : fitScales(inputs, scales)
  return axes.map((axis, k) => ({
    axis,
    input: inputs[k],
    ...targets[k],
    roi: roi.length === 2 * axes.length ? [roi[k], roi[k + axes.length]] : [0, 1],
  }))
}

function fitScales(inputs: readonly number[], scales: readonly number[]): { output: number; scale: number }[] {
  return inputs.map((input, k) => ({ output: Math.floor(input * scales[k]), scale: scales[k] }))
}

/** With an aspect-ratio policy all axes share the smallest or the largest of their scales. */
function fitSizes(
  inputs: readonly number[],
  sizes: readonly number[],
  policy: string,
): { output: number; scale: number }[] {
  const scales = inputs.map((input, k) => sizes[k] / input)
  if (policy === 'stretch') return scales.map((scale, k) => ({ output: sizes[k], scale }))
  if (policy !== 'not_larger' && policy !== 'not_smaller')
    throw new IndexError(`unknown keep_aspect_ratio_policy ${policy}`)
  const scale = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales)
  return inputs.map((input) => ({ output: Math.floor(scale * input + 0.5), scale }))
}

/** The attributes that say where to look and how to weigh. */
class Method {
  readonly mode: string
  readonly coordinates: string
  readonly nearest: string
  readonly antialias: boolean
  readonly excludesOutside: boolean
  readonly cubicA: number
  readonly extrapolation: number

  constructor({ attrs }: OnnxNode) {
    this.mode = attrs.text('mode', 'nearest')
    this.coordinates = attrs.text('coordinate_transformation_mode', 'half_pixel')
    this.nearest = attrs.text('nearest_mode', 'round_prefer_floor')
    this.antialias = attrs.flag('antialias', false)
    this.excludesOutside = attrs.flag('exclude_outside', false)
    this.cubicA = attrs.number('cubic_coeff_a', -0.75)
    this.extrapolation = attrs.number('extrapolation_value', 0)
  }

  isIdentity({ input, output, scale, roi }: ResizedAxis): boolean {
    const looksWhole = this.coordinates !== 'tf_crop_and_resize' || (roi[0] === 0 && roi[1] === 1)
    return input === output && scale === 1 && looksWhole
  }

  /** The place in the input that output element `y` looks at. */
  source(y: number, { input, output, scale, roi }: ResizedAxis): number {
    const length = scale * input
    switch (this.coordinates) {
      case 'half_pixel':
        return (y + 0.5) / scale - 0.5
      case 'pytorch_half_pixel':
        return length === 1 ? -0.5 : (y + 0.5) / scale - 0.5
      case 'half_pixel_symmetric':
        return (input / 2) * (1 - output / length) + (y + 0.5) / scale - 0.5
      case 'align_corners':
        return length === 1 ? 0 : (y * (input - 1)) / (length - 1)
      case 'asymmetric':
        return y / scale
      case 'tf_crop_and_resize':
        if (length === 1) return ((roi[0] + roi[1]) * (input - 1)) / 2
        return roi[0] * (input - 1) + (y * (roi[1] - roi[0]) * (input - 1)) / (length - 1)
      default:
        throw new IndexError(`unknown coordinate_transformation_mode ${this.coordinates}`)
    }
  }
}

/** nearest by asymmetric floor, or linear by pixel centres or corners, when the scale is the ratio of the sizes. */
function ownOperator(x: Tensor, axes: readonly ResizedAxis[], method: Method): Tensor | null {
  const isRatio = axes.every(({ input, output, scale }) => output === scale * input && output > 0)
  if (x.rank !== 4 || !isRatio || method.antialias || axes.some(({ axis }) => axis < 2)) return null
  const size = [2, 3].map((axis) => axes.find((resized) => resized.axis === axis)?.output ?? x.shape[axis])
  const { mode, coordinates, nearest } = method
  if (mode === 'nearest' && coordinates === 'asymmetric' && nearest === 'floor') return T.resize(x, size)
  if (mode !== 'linear') return null
  if (coordinates === 'half_pixel') return T.resize(x, size, { mode: 'bilinear' })
  if (coordinates === 'align_corners') return T.resize(x, size, { mode: 'bilinear', alignCorners: true })
  return null
}

/** One row of weights for each output element. */
function alongAxis(x: Tensor, resized: ResizedAxis, method: Method): Tensor {
  const { axis, input, output } = resized
  const sources = range(output).map((y) => method.source(y, resized))
  const result =
    method.mode === 'nearest'
      ? T.indexSelect(x, T.tensor(Int32Array.from(sources, (at) => nearestIndex(at, input, method.nearest))), { axis })
      : weighted(
          x,
          axis,
          sources.map((at) => weightsAt(at, resized, method)),
        )
  const isOutside = sources.map((at) => method.coordinates === 'tf_crop_and_resize' && (at < 0 || at > input - 1))
  if (!isOutside.includes(true)) return result
  const mask = T.reshape(T.tensor(isOutside), [output, ...range(x.rank - 1 - axis).map(() => 1)])
  return T.where(mask, method.extrapolation, result)
}

/** Moves the axis to the end and multiplies with the table [output, input]. */
function weighted(x: Tensor, axis: number, rows: readonly Float64Array[]): Tensor {
  const table = T.tensor(
    rows.map((row) => [...row]),
    { dtype: 'f32' },
  )
  const moved = T.swapAxes(T.cast(x, 'f32'), axis, x.rank - 1)
  return T.cast(T.swapAxes(T.matmul(moved, T.transpose(table)), axis, x.rank - 1), x.dtype)
}

function nearestIndex(at: number, input: number, mode: string): number {
  const rounded = roundBy(at, mode)
  return Math.min(input - 1, Math.max(0, rounded))
}

function roundBy(at: number, mode: string): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(at - 0.5)
    case 'round_prefer_ceil':
      return Math.floor(at + 0.5)
    case 'floor':
      return Math.floor(at)
    case 'ceil':
      return Math.ceil(at)
    default:
      throw new IndexError(`unknown nearest_mode ${mode}`)
  }
}

/** Weights of all input elements for one place; what lies outside counts as the nearest edge, or not at all. */
function weightsAt(at: number, { input, scale }: ResizedAxis, method: Method): Float64Array {
  const kernel = kernelOf(method)
  // Antialiasing widens the kernel when sizes shrink.
  const stretch = method.antialias ? Math.max(1, 1 / scale) : 1
  const radius = kernel.radius * stretch
  const weights = new Float64Array(input)
  let total = 0
  for (let index = Math.floor(at - radius); index <= Math.ceil(at + radius); index++) {
    const isOutside = index < 0 || index >= input
    const weight = isOutside && method.excludesOutside ? 0 : kernel.weight((index - at) / stretch)
    weights[Math.min(input - 1, Math.max(0, index))] += weight
    total += weight
  }
  return weights.map((weight) => weight / total)
}

interface Kernel {
  readonly radius: number
  weight(distance: number): number
}

function kernelOf({ mode, cubicA }: Method): Kernel {
  if (mode === 'linear') return { radius: 1, weight: (distance) => Math.max(0, 1 - Math.abs(distance)) }
  if (mode === 'cubic') return { radius: 2, weight: (distance) => cubic(Math.abs(distance), cubicA) }
  throw new IndexError(`unknown mode ${mode}`)
}

function cubic(x: number, a: number): number {
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
}
