/** matmul, quantMatmul and conv by their definitions. */
import { isInteger } from '../../dtype.js'
import { InternalError } from '../../errors.js'
import { NF4_LEVELS, QUANT_BLOCK, type QuantFormat } from '../../program/quant.js'
import { sizeOf, stridesOf } from '../../shape.js'
import type { Dense } from '../views.js'
import { numbers, type RoutineCall, type RoutineResults } from './context.js'

/** [Z…, M, K] × [Z…, K, N] -> [Z…, M, N] */
export function matmul({ step, operands: [a, b] }: RoutineCall): RoutineResults {
  const wraps = isInteger(step.operands[0].dtype)
  const rank = a.shape.length
  const [M, K] = a.shape.slice(rank - 2)
  const N = b.shape[rank - 1]
  const batches = sizeOf(a.shape.slice(0, rank - 2))
  const out = new Float64Array(batches * M * N)
  for (let z = 0; z < batches; z++)
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++) {
        let sum = 0
        for (let k = 0; k < K; k++) {
          const left = a.data[(z * M + m) * K + k]
          const right = b.data[(z * K + k) * N + n]
          sum = wraps ? (sum + Math.imul(left, right)) | 0 : sum + left * right
        }
        out[(z * M + m) * N + n] = sum
      }
  return [out]
}

/** x [M, K] times the dequantised weight [N, K], transposed; activations are never quantised here. */
export function quantMatmul({ step, operands }: RoutineCall): RoutineResults {
  const [x] = operands
  const [M, K] = x.shape
  const weight = dequantize(operands.slice(1), step.attrs.format as QuantFormat, Number(step.attrs.group), K)
  const N = weight.shape[0]
  const out = new Float64Array(M * N)
  for (let m = 0; m < M; m++)
    for (let n = 0; n < N; n++) {
      let sum = 0
      for (let k = 0; k < K; k++) sum += x.data[m * K + k] * weight.data[n * K + k]
      out[m * N + n] = sum
    }
  return [out]
}

/** Layout and formulas: `program/quant.ts`. */
export function dequantize(
  [packed, scale, zero]: readonly Dense[],
  format: QuantFormat,
  group: number,
  K: number,
): Dense {
  const N = packed.shape[0]
  const groups = K / group
  const data = new Float64Array(N * K)
  for (let n = 0; n < N; n++)
    for (let k = 0; k < K; k++) {
      const ofGroup = n * groups + Math.floor(k / group)
      data[n * K + k] = level(format, packed, n, k, K, zero?.data[ofGroup]) * scale.data[ofGroup]
    }
  return { shape: [N, K], data }
}

function level(format: QuantFormat, packed: Dense, n: number, k: number, K: number, zero: number | undefined): number {
  if (format === 'int8') return packed.data[n * K + k]
  const half = QUANT_BLOCK / 2
  const inBlock = k % QUANT_BLOCK
  const byte = packed.data[(n * K) / 2 + Math.floor(k / QUANT_BLOCK) * half + (inBlock % half)]
  const q = inBlock < half ? byte & 15 : byte >> 4
  switch (format) {
    case 'int4':
      if (zero === undefined) throw new InternalError('reference: int4 weights without zero points')
      return q - zero
    case 'int4sym':
      return q - 8
    case 'nf4':
      return NF4_LEVELS[q]
  }
}

/** x [N, C, S…], w [O, C/groups, K…] -> [N, O, S'…]: every output element sums over its taps. */
export function conv({ step, operands: [x, w] }: RoutineCall): RoutineResults {
  const shape = step.results[0].shape
  const [stride, padLow, lhsDilation, rhsDilation] = ['stride', 'padLow', 'lhsDilation', 'rhsDilation'].map((name) =>
    numbers(step, name),
  )
  const spatial = shape.length - 2
  const xStrides = stridesOf(x.shape)
  const taps = w.shape.slice(1)
  const tapCount = sizeOf(taps)
  const outPerGroup = w.shape[0] / Number(step.attrs.groups)
  const out = new Float64Array(sizeOf(shape))
  for (let at = 0; at < out.length; at++) {
    const index = unravel(at, shape)
    const firstChannel = Math.floor(index[1] / outPerGroup) * w.shape[1]
    for (let tapAt = 0; tapAt < tapCount; tapAt++) {
      const tap = unravel(tapAt, taps)
      let from = index[0] * xStrides[0] + (firstChannel + tap[0]) * xStrides[1]
      let isInside = true
      for (let axis = 0; axis < spatial && isInside; axis++) {
        const place = index[axis + 2] * stride[axis] + tap[axis + 1] * rhsDilation[axis] - padLow[axis]
        const source = place / lhsDilation[axis]
        isInside = Number.isInteger(source) && source >= 0 && source < x.shape[axis + 2]
        from += source * xStrides[axis + 2]
      }
      if (isInside) out[at] += x.data[from] * w.data[index[1] * tapCount + tapAt]
    }
  }
  return [out]
}

function unravel(at: number, shape: readonly number[]): number[] {
  const index = shape.map(() => 0)
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = at % shape[axis]
    at = Math.floor(at / shape[axis])
  }
  return index
}
