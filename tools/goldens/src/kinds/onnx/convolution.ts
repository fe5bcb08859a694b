/** Convolutions of one to three spatial axes. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { IndexError } from '../../stored.js'
import { type NodeRunner, type OnnxNode } from './node.js'
import { windowOf } from './spatial.js'

export const CONVOLUTIONS: Readonly<Record<string, NodeRunner>> = {
  Conv: convolve,
  ConvTranspose: convolveTransposed,
}

interface ConvOptions {
  readonly stride: readonly number[]
  readonly padding: readonly (readonly [number, number])[]
  readonly dilation: readonly number[]
  readonly groups: number
}

function conv(x: Tensor, w: Tensor, bias: Tensor | null, options: ConvOptions): Tensor {
  switch (x.rank) {
    case 3:
      return T.conv1d(x, w, bias, options)
    case 4:
      return T.conv2d(x, w, bias, options)
    case 5:
      return T.conv3d(x, w, bias, options)
    default:
      throw new IndexError(`convolution of ${x.rank - 2} spatial axes is not supported`)
  }
}

function convolve(node: OnnxNode): Tensor {
  const w = node.tensor(1)
  const kernel = w.shape.slice(2)
  checkKernel(node, kernel)
  const window = windowOf(node.attrs, node.x.shape.slice(2), kernel)
  return conv(node.x, w, node.optional(2), {
    stride: window.strides,
    padding: window.pads,
    dilation: window.dilations,
    groups: node.attrs.number('group', 1),
  })
}

/** kernel_shape repeats what the weight says. */
function checkKernel(node: OnnxNode, kernel: readonly number[]): void {
  const stated = node.attrs.numbers('kernel_shape', [...kernel])
  if (stated.join() !== kernel.join())
    throw new IndexError(`kernel_shape ${stated} differs from the weight's ${kernel}`)
}

/** One spatial axis of a transposed convolution. */
interface TransposedAxis {
  readonly stride: number
  readonly dilation: number
  /** Elements cut off at the start of the whole result. */
  readonly low: number
  /** Elements cut off at its end; negative: zeros are added. */
  readonly high: number
  readonly outputPadding: number
  /** Size of the result when nothing is cut. */
  readonly full: number
}

function convolveTransposed(node: OnnxNode): Tensor {
  const { x } = node
  const w = node.tensor(1)
  const bias = node.optional(2)
  checkKernel(node, w.shape.slice(2))
  const axes = transposedAxes(node, x.shape.slice(2), w.shape.slice(2))
  const groups = node.attrs.number('group', 1)
  if (x.rank === 4 && axes.every(isSymmetric)) return transposed2d(x, w, bias, axes, groups)
  const whole = wholeTransposed(x, w, axes, groups)
  const cut = T.slice(whole, [
    null,
    null,
    ...axes.map(({ low, high, full }): [number, number] => [low, full - Math.max(0, high)]),
  ])
  const grown = T.pad(cut, [[0, 0], [0, 0], ...axes.map(({ high }): [number, number] => [0, Math.max(0, -high)])])
  return bias === null ? grown : T.add(grown, T.reshape(bias, [-1, ...axes.map(() => 1)]))
}

function isSymmetric({ low, high, outputPadding, stride, dilation }: TransposedAxis): boolean {
  return low === high + outputPadding && outputPadding < Math.max(stride, dilation)
}

function transposed2d(
  x: Tensor,
  w: Tensor,
  bias: Tensor | null,
  axes: readonly TransposedAxis[],
  groups: number,
): Tensor {
  return T.convTranspose2d(x, w, bias, {
    stride: axes.map(({ stride }) => stride),
    padding: axes.map(({ low }) => low),
    outputPadding: axes.map(({ outputPadding }) => outputPadding),
    dilation: axes.map(({ dilation }) => dilation),
    groups,
  })
}

/** Pads are given, or follow from output_shape or auto_pad, which means input times stride. */
function transposedAxes(node: OnnxNode, inputs: readonly number[], kernel: readonly number[]): TransposedAxis[] {
  const { attrs } = node
  const strides = attrs.numbers(
    'strides',
    inputs.map(() => 1),
  )
  const dilations = attrs.numbers(
    'dilations',
    inputs.map(() => 1),
  )
  const extra = attrs.numbers(
    'output_padding',
    inputs.map(() => 0),
  )
  const autoPad = attrs.text('auto_pad', 'NOTSET')
  const isSame = autoPad.startsWith('SAME')
  const sizes = attrs.numbers('output_shape', isSame ? inputs.map((input, axis) => input * strides[axis]) : [])
  const pads = attrs.numbers(
    'pads',
    inputs.flatMap(() => [0, 0]),
  )
  return inputs.map((input, axis) => {
    const full = strides[axis] * (input - 1) + (kernel[axis] - 1) * dilations[axis] + 1
    const wanted = sizes.slice(-inputs.length)[axis]
    const [low, high] =
      wanted === undefined || (node.attrs.has('pads') && !isSame)
        ? [pads[axis], pads[axis + inputs.length]]
        : sharePadding(full + extra[axis] - wanted, autoPad)
    const end = high - extra[axis]
    return { stride: strides[axis], dilation: dilations[axis], low, high: end, outputPadding: extra[axis], full }
  })
}

/** What has to go is halved; SAME_UPPER cuts the odd element at the end, everything else at the start. */
function sharePadding(total: number, autoPad: string): [number, number] {
  if (total <= 0) return [0, total]
  const half = Math.floor(total / 2)
  return autoPad === 'SAME_UPPER' ? [half, total - half] : [total - half, half]
}

/** The transpose of a convolution is its derivative with respect to the input: nothing cut off, any rank. */
function wholeTransposed(x: Tensor, w: Tensor, axes: readonly TransposedAxis[], groups: number): Tensor {
  const shape = [x.shape[0], w.shape[1] * groups, ...axes.map(({ full }) => full)]
  const options: ConvOptions = {
    stride: axes.map(({ stride }) => stride),
    padding: axes.map((): [number, number] => [0, 0]),
    dilation: axes.map(({ dilation }) => dilation),
    groups,
  }
  const [, pullback] = T.vjp((y: Tensor) => conv(y, w, null, options), T.zeros(shape, { dtype: x.dtype }))
  return pullback(x)[0]
}
