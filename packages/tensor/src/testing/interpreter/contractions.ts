/** Matrix products and convolution. */
import { isInteger } from '../../dtype.js'
import type { ConvAttrs } from '../../graph/primitive.js'
import { sizeOf, stridesOf } from '../../shape.js'
import { forEachIndex, type Value } from './value.js'

export function matmulData(a: Value, b: Value): Float64Array {
  const rank = a.shape.length
  const [M, K, N] = [a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]]
  const batch = sizeOf(a.shape.slice(0, -2))
  const integer = isInteger(a.dtype)
  const out = new Float64Array(batch * M * N)
  for (let z = 0; z < batch; z++)
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        let sum = 0
        for (let k = 0; k < K; k++) {
          const left = a.data[(z * M + m) * K + k]
          const right = b.data[(z * K + k) * N + n]
          sum = integer ? (sum + Math.imul(left, right)) | 0 : sum + left * right
        }
        out[(z * M + m) * N + n] = sum
      }
  return out
}

/** Cross-correlation of the dilated, padded input with the dilated kernel. */
export function convData(x: Value, w: Value, shape: readonly number[], attrs: ConvAttrs): Float64Array {
  const out = new Float64Array(sizeOf(shape))
  const xStrides = stridesOf(x.shape)
  const perGroup = w.shape[1]
  const outPerGroup = w.shape[0] / attrs.groups
  forEachIndex(shape, (index, at) => {
    const firstChannel = Math.floor(index[1] / outPerGroup) * perGroup
    let sum = 0
    forEachIndex(w.shape.slice(1), (tap, tapAt) => {
      let from = index[0] * xStrides[0] + (firstChannel + tap[0]) * xStrides[1]
      for (let k = 2; k < shape.length; k++) {
        const place = inputPlace(attrs, k - 2, index[k], tap[k - 1])
        if (place < 0 || place >= x.shape[k]) return
        from += place * xStrides[k]
      }
      sum += x.data[from] * w.data[index[1] * sizeOf(w.shape.slice(1)) + tapAt]
    })
    out[at] = sum
  })
  return out
}

/** The input element under one kernel tap, or -1 for padding and the gaps of lhs dilation. */
function inputPlace(attrs: ConvAttrs, axis: number, outPlace: number, tap: number): number {
  const dilated = outPlace * attrs.stride[axis] + tap * attrs.rhsDilation[axis] - attrs.padLow[axis]
  return dilated >= 0 && dilated % attrs.lhsDilation[axis] === 0 ? dilated / attrs.lhsDilation[axis] : -1
}
