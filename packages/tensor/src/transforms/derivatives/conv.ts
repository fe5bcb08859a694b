/** Gradients of convolution as convolutions. Spatial axes: S of the input, K of the kernel, R of the result; g groups. */
import type { ConvAttrs } from '../../graph/primitive.js'
import { convOf, reshapeTo, transposeTo } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { flip, zeros } from '../arithmetic.js'

const dilatedSize = (n: number, dilation: number): number => (n - 1) * dilation + 1

/** The result's cotangent, dilated by the stride, meets the kernel turned around. */
export function convInputGradient(ct: Tensor, x: Tensor, w: Tensor, attrs: ConvAttrs): Tensor {
  if (ct.size === 0 || x.size === 0 || w.size === 0) return zeros(x)
  const kernel = w.shape.slice(2)
  const padLow = kernel.map((n, k) => dilatedSize(n, attrs.rhsDilation[k]) - 1 - attrs.padLow[k])
  const padHigh = kernel.map((_, k) => {
    const wanted = dilatedSize(x.shape[k + 2], attrs.lhsDilation[k])
    return wanted - dilatedSize(ct.shape[k + 2], attrs.stride[k]) + attrs.padLow[k]
  })
  return convOf(ct, turnedKernel(w, attrs.groups), {
    stride: attrs.lhsDilation,
    padLow,
    padHigh,
    lhsDilation: attrs.stride,
    rhsDilation: attrs.rhsDilation,
    groups: attrs.groups,
  })
}

/** [g·o, c, K] -> [g·c, o, K], reversed along K. */
function turnedKernel(w: Tensor, groups: number): Tensor {
  const [O, C, ...K] = w.shape
  const spatial = K.map((_, k) => k + 3)
  const grouped = reshapeTo(w, [groups, O / groups, C, ...K])
  const swapped = reshapeTo(transposeTo(grouped, [0, 2, 1, ...spatial]), [groups * C, O / groups, ...K])
  return flip(
    swapped,
    K.map((_, k) => k + 2),
  )
}

/** The input, with its batch axis as channels, meets the cotangent as a kernel dilated by the stride. */
export function convKernelGradient(ct: Tensor, x: Tensor, w: Tensor, attrs: ConvAttrs): Tensor {
  if (ct.size === 0 || x.size === 0 || w.size === 0) return zeros(w)
  const spatial = x.shape.slice(2).map((_, k) => k + 2)
  const padHigh = w.shape.slice(2).map((n, k) => {
    const reached = dilatedSize(n, attrs.rhsDilation[k]) - 1 + dilatedSize(ct.shape[k + 2], attrs.stride[k])
    return reached - dilatedSize(x.shape[k + 2], attrs.lhsDilation[k]) - attrs.padLow[k]
  })
  const gradient = convOf(batchAsChannels(x, attrs.groups), transposeTo(ct, [1, 0, ...spatial]), {
    stride: attrs.rhsDilation,
    padLow: attrs.padLow,
    padHigh,
    lhsDilation: attrs.lhsDilation,
    rhsDilation: attrs.stride,
    groups: attrs.groups,
  })
  return transposeTo(gradient, [1, 0, ...spatial]) // [c, O, K] -> [O, c, K]
}

/** [N, g·c, S] -> [c, g·N, S] */
function batchAsChannels(x: Tensor, groups: number): Tensor {
  const [N, C, ...S] = x.shape
  const spatial = S.map((_, k) => k + 3)
  const grouped = reshapeTo(x, [N, groups, C / groups, ...S])
  return reshapeTo(transposeTo(grouped, [2, 1, 0, ...spatial]), [C / groups, groups * N, ...S])
}
