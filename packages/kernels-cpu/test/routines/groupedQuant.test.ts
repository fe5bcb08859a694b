import { dequantize, quantize, type DType, type QuantFormat, type QuantizedArrays } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { planGroupedQuantMatmul } from '../../src/routines/groupedQuant.js'
import { planQuantMatmul } from '../../src/routines/quantMatmul.js'
import { randomLayout, randomSource, randomValues, runRoutine, values, type Values } from './harness.js'

type Activations = 'f32' | 'i16' | 'i8'

const CASES: readonly (readonly [QuantFormat, K: number, group: number])[] = [
  ['int8', 96, 32],
  ['int8', 7, 7],
  ['int4', 288, 32],
  ['int4sym', 384, 128],
  ['nf4', 320, 64],
]
const TOLERANCE: Record<Activations, number> = { f32: 2e-6, i16: 4e-4, i8: 1e-2 }
/** Groups of one, five, no, three and thirty rows, with rows in front and behind. */
const OFFSETS = [2, 3, 8, 8, 11, 41]
const N = 43
const M = 35

function partsOf(w: QuantizedArrays): Values[] {
  const plain = (dtype: DType, columns: number, data: ArrayLike<number>): Values => {
    return { dtype, shape: [w.shape[0], columns], data: Float64Array.from(data) }
  }
  const groups = w.shape[1] / w.group
  return [
    plain(w.format === 'int8' ? 'i8' : 'u8', w.packed.length / w.shape[0], w.packed),
    plain('f32', groups, w.scale),
    ...(w.zero ? [plain('u8', groups, w.zero)] : []),
  ]
}

function randomWeight(rows: number, [format, K, group]: (typeof CASES)[number], random: () => number): QuantizedArrays {
  return quantize(
    Float32Array.from({ length: rows * K }, () => random() * 2 - 0.8),
    [rows, K],
    format,
    group,
  )
}

interface Run {
  readonly activations: Activations
  readonly relaxed: boolean
  readonly random: () => number
  readonly strided?: boolean
}

function multiply(x: Values, w: QuantizedArrays, { activations, relaxed, random, strided }: Run): Float64Array {
  const offsets = values('i32', [OFFSETS.length], (at) => OFFSETS[at])
  const [result] = runRoutine(
    {
      name: 'groupedQuantMatmul',
      planner: planGroupedQuantMatmul,
      attrs: { format: w.format, group: w.group, activations },
      operands: [
        { values: x, layout: strided === true ? randomLayout(x.shape, random) : undefined },
        ...[...partsOf(w), offsets].map((part) => ({ values: part })),
      ],
      results: [{ dtype: x.dtype, shape: [N, M] }],
    },
    { relaxed, random },
  )
  return result.data
}

function groupOf(row: number): number {
  return OFFSETS.findIndex((start, e) => row >= start && row < (OFFSETS[e + 1] ?? 0))
}

/** Rows outside of all groups are NaN. */
function randomRows(dtype: DType, K: number, random: () => number): Values {
  const x = randomValues(dtype, [N, K], random)
  return { ...x, data: x.data.map((value, at) => (groupOf(Math.floor(at / K)) < 0 ? NaN : value)) }
}

/** Largest error in units of |x|·|w| (2-norms); rows outside of all groups must be zero. */
function worstError(actual: Float64Array, x: Values, w: QuantizedArrays): number {
  const wide = dequantize(w)
  const K = x.shape[1]
  let worst = 0
  for (let n = 0; n < N; n++)
    for (let m = 0; m < M; m++) {
      const e = groupOf(n)
      const at = (e * M + m) * K
      let [exact, xx, ww] = [0, 1e-30, 1e-30]
      for (let k = 0; e >= 0 && k < K; k++) {
        exact += x.data[n * K + k] * wide[at + k]
        xx += x.data[n * K + k] ** 2
        ww += wide[at + k] ** 2
      }
      const error = Math.abs(actual[n * M + m] - exact) / Math.sqrt(xx * ww)
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error)
    }
  return worst
}

describe('groupedQuantMatmul', () => {
  for (const relaxed of [true, false])
    for (const activations of ['f32', 'i16', 'i8'] as const)
      it(`agrees with dequantised weights, ${activations} activations, ${relaxed ? 'relaxed' : 'plain'}`, () => {
        CASES.forEach((kind, seed) => {
          const random = randomSource(seed + 1)
          const w = randomWeight((OFFSETS.length - 1) * M, kind, random)
          const x = randomRows('f32', kind[1], random)
          const result = multiply(x, w, { activations, relaxed, random, strided: seed % 2 === 0 })
          expect(worstError(result, x, w)).toBeLessThanOrEqual(TOLERANCE[activations])
        })
      })

  it.each([
    ['f16', 2 ** -11],
    ['bf16', 2 ** -8],
  ] as const)('takes and gives %s', (dtype, unit) => {
    const random = randomSource(30)
    const w = randomWeight((OFFSETS.length - 1) * M, ['int4', 128, 64], random)
    const x = randomRows(dtype, 128, random)
    expect(worstError(multiply(x, w, { activations: 'f32', relaxed: true, random }), x, w)).toBeLessThanOrEqual(unit)
  })

  it('gives the rows of a group the bits of a product of their own', () => {
    const random = randomSource(8)
    const kind = ['int4', 256, 128] as const
    const w = randomWeight((OFFSETS.length - 1) * M, kind, random)
    const x = randomRows('f32', 256, random)
    const parts = partsOf(w)
    for (const activations of ['f32', 'i8'] as const) {
      const grouped = multiply(x, w, { activations, relaxed: true, random })
      for (const e of [0, 1, 4]) {
        const [first, last] = [OFFSETS[e], OFFSETS[e + 1]]
        const cut = (part: Values, from: number, to: number): Values => {
          const width = part.shape[1]
          return { ...part, shape: [to - from, width], data: part.data.subarray(from * width, to * width) }
        }
        const [alone] = runRoutine({
          name: 'quantMatmul',
          planner: planQuantMatmul,
          attrs: { format: 'int4', group: 128, activations },
          operands: [cut(x, first, last), ...parts.map((part) => cut(part, e * M, (e + 1) * M))].map((operand) => ({
            values: operand,
          })),
          results: [{ dtype: 'f32', shape: [last - first, M] }],
        })
        expect(grouped.subarray(first * M, last * M)).toEqual(alone.data)
      }
    }
  })
})
