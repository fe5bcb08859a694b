/** Pooling over one to three spatial axes. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { IndexError } from '../../stored.js'
import { isFloatTensor, range, type NodeRunner, type OnnxNode } from './node.js'
import { windowOf, type Window } from './spatial.js'

export const POOLING: Readonly<Record<string, NodeRunner>> = {
  AveragePool: averagePool,
  MaxPool: maxPool,
  GlobalAveragePool: ({ x }) => T.mean(x, { axes: spatialAxes(x), keepdims: true }),
  GlobalMaxPool: ({ x }) => T.max(x, { axes: spatialAxes(x), keepdims: true }),
}

function spatialAxes(x: Tensor): number[] {
  return range(x.rank).slice(2)
}

function averagePool({ x, attrs }: OnnxNode): Tensor {
  const countsPads = attrs.flag('count_include_pad', false)
  const window = windowOf(attrs, x.shape.slice(2), attrs.numbers('kernel_shape'))
  const isPlain = window.dilations.every((dilation) => dilation === 1) && window.reach.join() === window.pads.join()
  if (isPlain)
    return T.avgPool(x, {
      kernel: window.kernel,
      stride: window.strides,
      padding: window.pads,
      countIncludePad: countsPads,
    })
  return averageByCounting(x, window, countsPads)
}

/** Sum of each window over the number of its elements that count; what hangs over the pads never does. */
function averageByCounting(x: Tensor, window: Window, countsPads: boolean): Tensor {
  const [N, C, ...sizes] = x.shape
  const images = T.reshape(x, [N * C, 1, ...sizes])
  const pads = (sides: readonly (readonly [number, number])[]): [number, number][] => [
    [0, 0],
    [0, 0],
    ...sides.map(([low, high]): [number, number] => [low, high]),
  ]
  const overhang = window.reach.map(([low, high], axis): [number, number] => [
    low - window.pads[axis][0],
    high - window.pads[axis][1],
  ])
  const ones = T.ones([1, 1, ...sizes], { dtype: x.dtype })
  const counted = T.pad(T.pad(ones, pads(window.pads), { value: countsPads ? 1 : 0 }), pads(overhang))
  const sums = windowSums(T.pad(images, pads(window.reach)), window)
  return T.reshape(T.div(sums, windowSums(counted, window)), [N, C, ...window.sizes])
}

/** Sums over dilated windows: a convolution with ones. */
function windowSums(x: Tensor, { kernel, strides, dilations }: Window): Tensor {
  const conv = [T.conv1d, T.conv2d, T.conv3d][x.rank - 3]
  if (conv === undefined) throw new IndexError(`pooling of ${x.rank - 2} spatial axes is not supported`)
  const weight = T.ones([1, 1, ...kernel], { dtype: x.dtype })
  return conv(x, weight, null, { stride: strides, dilation: dilations })
}

function maxPool(node: OnnxNode): (Tensor | null)[] {
  const { x, attrs, wanted } = node
  const isColumnMajor = attrs.flag('storage_order', false)
  const window = windowOf(attrs, x.shape.slice(2), attrs.numbers('kernel_shape'))
  const wide = isFloatTensor(x) ? x : T.cast(x, 'f32')
  const pooled = T.maxPool(wide, {
    kernel: window.kernel,
    stride: window.strides,
    padding: window.reach,
    dilation: window.dilations,
  })
  return [T.cast(pooled, x.dtype), wanted[1] === true ? maxPositions(x, window, isColumnMajor) : null]
}

/** Where each maximum lies: its number in the whole tensor, counted along rows or along columns. */
function maxPositions(x: Tensor, window: Window, isColumnMajor: boolean): Tensor {
  if (x.rank !== 4) throw new IndexError('positions of maxima are supported for two spatial axes')
  const [N, C, H, W] = x.shape
  const [rows, columns] = window.kernel
  const inImage = T.reshape(T.arange(H * W), isColumnMajor ? [W, H] : [H, W])
  const numbered = isColumnMajor ? T.transpose(inImage, [1, 0]) : inImage
  const places = windowsOf(T.broadcastTo(T.cast(numbered, 'f32'), [1, 1, H, W]), window, -1)
  const values = windowsOf(T.reshape(T.cast(x, 'f32'), [N * C, 1, H, W]), window, -Infinity)
  const best = T.argmax(values, { axis: 1, keepdims: true })
  const place = T.takeAlongAxis(T.broadcastTo(places, [N * C, rows * columns, places.shape[2]]), best, { axis: 1 })
  const image = T.reshape(T.arange(N * C), [N * C, 1, 1])
  return T.reshape(T.add(T.cast(place, 'i32'), T.mul(image, H * W)), [N, C, ...window.sizes])
}

/** [M, 1, H, W] -> [M, kh·kw, windows] */
function windowsOf(x: Tensor, { reach, kernel, strides, dilations }: Window, outside: number): Tensor {
  const padded = T.pad(x, [[0, 0], [0, 0], [...reach[0]], [...reach[1]]] as [number, number][], { value: outside })
  return T.unfold(padded, { kernel, stride: strides, dilation: dilations })
}
