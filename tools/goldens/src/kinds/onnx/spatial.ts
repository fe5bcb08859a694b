/** Strides, pads and sizes of nodes with a sliding window: explicit pads, auto_pad, ceil_mode. */
import { type Attributes } from '../../attributes.js'

/** One sliding window over the spatial axes. */
export interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Pads as the node means them. */
  readonly pads: readonly (readonly [low: number, high: number])[]
  /** Pads that the windows reach: in ceil mode the last one may hang over the end. */
  readonly reach: readonly (readonly [low: number, high: number])[]
  /** Sizes of the result. */
  readonly sizes: readonly number[]
}

/** Reads strides, dilations, pads, auto_pad and ceil_mode for inputs of the given sizes. */
export function windowOf(attrs: Attributes, inputs: readonly number[], kernel: readonly number[]): Window {
  const ones = inputs.map(() => 1)
  const strides = attrs.numbers('strides', ones)
  const dilations = attrs.numbers('dilations', ones)
  const ceil = attrs.flag('ceil_mode', false)
  const autoPad = attrs.text('auto_pad', 'NOTSET')
  const flat = attrs.numbers(
    'pads',
    inputs.flatMap(() => [0, 0]),
  )
  const axes = inputs.map((input, axis) => {
    const stride = strides[axis]
    const extent = (kernel[axis] - 1) * dilations[axis] + 1
    const pads = padsOf(autoPad, input, stride, extent, [flat[axis], flat[axis + inputs.length]])
    const size = windowCount(input, stride, extent, pads, ceil)
    const end = (size - 1) * stride + extent
    const reach: [number, number] = [pads[0], Math.max(pads[1], end - input - pads[0])]
    return { pads, reach, size }
  })
  return {
    kernel,
    strides,
    dilations,
    pads: axes.map(({ pads }) => pads),
    reach: axes.map(({ reach }) => reach),
    sizes: axes.map(({ size }) => size),
  }
}

/** SAME: as many windows as strides fit into the input; the odd pad goes to the end (UPPER) or the start (LOWER). */
function padsOf(
  autoPad: string,
  input: number,
  stride: number,
  extent: number,
  explicit: readonly [number, number],
): readonly [number, number] {
  if (autoPad === 'NOTSET' || autoPad === '') return explicit
  if (autoPad === 'VALID') return [0, 0]
  const total = Math.max(0, (Math.ceil(input / stride) - 1) * stride + extent - input)
  const half = Math.floor(total / 2)
  return autoPad === 'SAME_UPPER' ? [half, total - half] : [total - half, half]
}

/** In ceil mode a last partial window counts, unless it starts behind the input and its low pad. */
function windowCount(
  input: number,
  stride: number,
  extent: number,
  [low, high]: readonly [number, number],
  ceil: boolean,
): number {
  const steps = (input + low + high - extent) / stride
  if (!ceil) return Math.floor(steps) + 1
  const count = Math.ceil(steps) + 1
  return (count - 1) * stride >= input + low ? count - 1 : count
}
