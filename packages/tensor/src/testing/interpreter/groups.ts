/** Products whose groups are known at run time: every row asks which group it is in. */
import type { QuantMatmulAttrs } from '../../graph/primitive.js'
import { weightElement } from './quantized.js'
import type { Value } from './value.js'

/** Group of every row, -1 outside of all. Offsets count from 0, up to the number of rows, and never fall. */
export function groupOfRows(offsets: Value, rows: number): Int32Array {
  const groups = new Int32Array(rows).fill(-1)
  let next = Math.max(0, Math.min(rows, offsets.data[0]))
  for (let group = 0; group + 1 < offsets.data.length; group++)
    while (next < Math.min(rows, offsets.data[group + 1])) groups[next++] = group
  return groups
}

export function groupedMatmulData(a: Value, b: Value, offsets: Value, contract: 'columns' | 'rows'): Float64Array {
  const [N, K] = a.shape
  const M = b.shape[b.shape.length - 1]
  const groups = groupOfRows(offsets, N)
  const out = new Float64Array(contract === 'rows' ? (offsets.shape[0] - 1) * K * M : N * M)
  groups.forEach((group, n) => {
    if (group < 0) return
    for (let k = 0; k < K; k++)
      for (let m = 0; m < M; m++)
        if (contract === 'rows') out[(group * K + k) * M + m] += a.data[n * K + k] * b.data[n * M + m]
        else out[n * M + m] += a.data[n * K + k] * b.data[(group * K + k) * M + m]
  })
  return out
}

/** Activations are never rounded, whatever the attribute allows a backend to do. */
export function groupedQuantMatmulData(
  x: Value,
  weight: readonly Value[],
  offsets: Value,
  attrs: QuantMatmulAttrs,
): Float64Array {
  const [N, K] = x.shape
  const M = attrs.outFeatures
  const out = new Float64Array(N * M)
  groupOfRows(offsets, N).forEach((group, n) => {
    if (group < 0) return
    for (let m = 0; m < M; m++)
      for (let k = 0; k < K; k++) out[n * M + m] += x.data[n * K + k] * weightElement(weight, attrs, group * M + m, k)
  })
  return out
}
