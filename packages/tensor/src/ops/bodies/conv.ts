/** Convolution as one matrix product over windows. */
import type { ConvAttrs } from '../../graph/primitive.js'
import {
  broadcast,
  castTo,
  convExtent,
  matmulOf,
  padWith,
  reshapeTo,
  scalarConst,
  transposeTo,
  windowOf,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { sizeOf } from '../../shape.js'
import { toF32 } from '../build.js'

/** x [N,C,S…], w [O,C/g,K…] -> [N,O,S'…]; cross-correlation. */
export function convBody(x: Tensor, w: Tensor, attrs: ConvAttrs): Tensor {
  const [N] = x.shape
  const [O, channels, ...kernel] = w.shape
  const { groups } = attrs
  const spatial = kernel.map((size, k) => convExtent(attrs, k, x.shape[k + 2], size))
  const places = sizeOf(spatial)
  if (N * O * places === 0) return broadcast(scalarConst(0, x.dtype), [N, O, ...spatial])
  const columns = channels * sizeOf(kernel)
  const patches = groupPatches(windowsOf(toF32(x), kernel, attrs), groups, kernel.length) // [g, N, S'…, C/g, K…]
  const rows = reshapeTo(patches, [groups, N * places, columns])
  const weights = transposeTo(reshapeTo(toF32(w), [groups, O / groups, columns]), [0, 2, 1])
  const product = reshapeTo(matmulOf(rows, weights), [groups, N, places, O / groups])
  const channelsFirst = transposeTo(product, [1, 0, 3, 2]) // [N, g, O/g, S']
  return castTo(reshapeTo(channelsFirst, [N, O, ...spatial]), x.dtype)
}

/** [N,C,S…] -> [N,C,S'…,K…] */
function windowsOf(x: Tensor, kernel: readonly number[], attrs: ConvAttrs): Tensor {
  const padded = padWith(
    x,
    [0, 0, ...attrs.padLow],
    [0, 0, ...attrs.padHigh],
    [0, 0, ...attrs.lhsDilation.map((d) => d - 1)],
    0,
  )
  return kernel.reduce((t, size, k) => windowOf(t, k + 2, size, attrs.stride[k], attrs.rhsDilation[k]), padded)
}

/** [N,C,S'…,K…] -> [g,N,S'…,C/g,K…] */
function groupPatches(windows: Tensor, groups: number, axes: number): Tensor {
  const [N, C, ...rest] = windows.shape
  const grouped = reshapeTo(windows, [N, groups, C / groups, ...rest])
  const spatial = Array.from({ length: axes }, (_, k) => k + 3)
  const kernel = Array.from({ length: axes }, (_, k) => k + 3 + axes)
  return transposeTo(grouped, [1, 0, ...spatial, 2, ...kernel])
}
