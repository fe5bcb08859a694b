/** Products whose groups are known at run time, by their definition. */
import type { QuantFormat } from '../../program/quant.js'
import type { Dense } from '../views.js'
import { dequantize } from './contractions.js'
import type { RoutineCall, RoutineResults } from './context.js'

/** a [N, K], b [E, K, M], offsets -> [N, M], or a [N, K], b [N, M], offsets -> [E, K, M] */
export function groupedMatmul({ step, operands: [a, b, offsets] }: RoutineCall): RoutineResults {
  const limits = groupLimits(offsets, a.shape[0])
  return [step.attrs.contract === 'rows' ? overRows(a, b, limits) : overColumns(a, b, limits)]
}

/** x [N, K], packed, scale, zero? of E weights [M, K] one after the other, offsets -> [N, M]; activations are never quantised here. */
export function groupedQuantMatmul({ step, operands }: RoutineCall): RoutineResults {
  const [x] = operands
  const [N, K] = x.shape
  const M = step.results[0].shape[1]
  const limits = groupLimits(operands[operands.length - 1], N)
  const weight = dequantize(operands.slice(1, -1), step.attrs.format as QuantFormat, Number(step.attrs.group), K)
  const out = new Float64Array(N * M)
  for (let e = 0; e + 1 < limits.length; e++)
    for (let n = limits[e]; n < limits[e + 1]; n++)
      for (let m = 0; m < M; m++) {
        let sum = 0
        for (let k = 0; k < K; k++) sum += x.data[n * K + k] * weight.data[(e * M + m) * K + k]
        out[n * M + m] = sum
      }
  return [out]
}

/** First row of every group, and the end of the last: inside 0 … rows, and never falling. */
export function groupLimits(offsets: Dense, rows: number): number[] {
  let before = 0
  return Array.from(offsets.data, (offset) => (before = Math.max(before, Math.min(rows, offset))))
}

function overColumns(a: Dense, b: Dense, limits: readonly number[]): Float64Array {
  const [N, K] = a.shape
  const [E, , M] = b.shape
  const out = new Float64Array(N * M)
  for (let e = 0; e < E; e++)
    for (let n = limits[e]; n < limits[e + 1]; n++)
      for (let m = 0; m < M; m++) {
        let sum = 0
        for (let k = 0; k < K; k++) sum += a.data[n * K + k] * b.data[(e * K + k) * M + m]
        out[n * M + m] = sum
      }
  return out
}

function overRows(a: Dense, b: Dense, limits: readonly number[]): Float64Array {
  const K = a.shape[1]
  const M = b.shape[1]
  const E = limits.length - 1
  const out = new Float64Array(E * K * M)
  for (let e = 0; e < E; e++)
    for (let k = 0; k < K; k++)
      for (let m = 0; m < M; m++) {
        let sum = 0
        for (let n = limits[e]; n < limits[e + 1]; n++) sum += a.data[n * K + k] * b.data[n * M + m]
        out[(e * K + k) * M + m] = sum
      }
  return out
}
