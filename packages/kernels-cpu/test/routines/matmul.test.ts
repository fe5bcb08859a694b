import type { DType } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { planMatmul } from '../../src/routines/matmul.js'
import { product } from '../../src/routines/views.js'
import {
  type Layout,
  type Values,
  permutedLayout,
  randomInteger,
  randomLayout,
  randomSource,
  randomValues,
  runRoutine,
} from './harness.js'
import { roundBF16, roundF16 } from './narrow.js'

interface Case {
  readonly batch: readonly number[]
  readonly M: number
  readonly N: number
  readonly K: number
}

function shapes({ batch, M, N, K }: Case): { a: number[]; b: number[]; c: number[] } {
  return { a: [...batch, M, K], b: [...batch, K, N], c: [...batch, M, N] }
}

/** Largest |result − exact| in units of Σ|a||b|, the scale of rounding errors. */
function worstError(a: Values, b: Values, result: Values, { batch, M, N, K }: Case): number {
  let worst = 0
  for (let z = 0; z < product(batch); z++) {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let exact = 0
        let scale = 1e-30
        for (let k = 0; k < K; k++) {
          const term = a.data[(z * M + m) * K + k] * b.data[(z * K + k) * N + n]
          exact += term
          scale += Math.abs(term)
        }
        const error = Math.abs(result.data[(z * M + m) * N + n] - exact) / scale
        if (Number.isNaN(error)) return NaN
        worst = Math.max(worst, error)
      }
    }
  }
  return worst
}

interface Setup {
  readonly dtype?: DType
  readonly resultType?: DType
  readonly layouts?: readonly [Layout, Layout]
  readonly relaxed?: boolean
  readonly seed?: number
}

function multiply(
  a: Values,
  b: Values,
  size: Case,
  { dtype = 'f32', resultType = dtype, layouts, relaxed, seed = 1 }: Setup,
) {
  const [result] = runRoutine(
    {
      name: 'matmul',
      planner: planMatmul,
      operands: [
        { values: a, layout: layouts?.[0] },
        { values: b, layout: layouts?.[1] },
      ],
      results: [{ dtype: resultType, shape: shapes(size).c }],
    },
    { relaxed, random: randomSource(seed) },
  )
  return result
}

const SIZES: readonly Case[] = [
  { batch: [], M: 1, N: 1, K: 1 },
  { batch: [], M: 4, N: 8, K: 256 },
  { batch: [], M: 5, N: 9, K: 257 },
  { batch: [], M: 1, N: 37, K: 300 },
  { batch: [], M: 43, N: 1, K: 301 },
  { batch: [], M: 3, N: 130, K: 17 },
  { batch: [], M: 70, N: 33, K: 65 },
  { batch: [], M: 150, N: 70, K: 40 },
  { batch: [], M: 260, N: 270, K: 33 },
  { batch: [3], M: 9, N: 7, K: 5 },
  { batch: [2, 3], M: 1, N: 21, K: 11 },
  { batch: [2, 2], M: 66, N: 20, K: 64 },
  { batch: [], M: 2, N: 3, K: 0 },
]

const UNIT: Partial<Record<DType, number>> = { f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 }

describe('matmul', () => {
  for (const relaxed of [true, false]) {
    for (const dtype of ['f32', 'f16', 'bf16'] as const) {
      it(`agrees with float64 for ${dtype}, ${relaxed ? 'relaxed' : 'plain'}, whatever the strides`, () => {
        SIZES.forEach((size, seed) => {
          const random = randomSource(seed + 10)
          const { a, b } = shapes(size)
          const left = randomValues(dtype, a, random)
          const right = randomValues(dtype, b, random)
          for (let trial = 0; trial < 3; trial++) {
            const layouts = trial === 0 ? undefined : ([randomLayout(a, random), randomLayout(b, random)] as const)
            const result = multiply(left, right, size, { dtype, layouts, relaxed, seed: seed + trial })
            const terms = Math.min(size.K, 256) + size.K / 256 + 1
            expect(worstError(left, right, result, size)).toBeLessThanOrEqual(
              terms * 2 ** -24 + (UNIT[dtype] as number),
            )
          }
        })
      })
    }

    it(`gives the same bits for all strides, splits and numbers of rows, ${relaxed ? 'relaxed' : 'plain'}`, () => {
      const random = randomSource(5)
      for (const [M, N, K] of [
        [130, 45, 300],
        [66, 130, 70],
        [200, 9, 515],
      ]) {
        const size = { batch: [], M, N, K }
        const a = randomValues('f32', [M, K], random)
        const b = randomValues('f32', [K, N], random)
        const expected = multiply(a, b, size, { relaxed })
        for (const orderA of [
          [0, 1],
          [1, 0],
        ]) {
          for (const orderB of [
            [0, 1],
            [1, 0],
          ]) {
            const layouts = [permutedLayout([M, K], orderA), permutedLayout([K, N], orderB)] as const
            const seed = randomInteger(random, 0, 1000)
            expect(multiply(a, b, size, { layouts, relaxed, seed }).data).toEqual(expected.data)
          }
        }
        const layouts = [randomLayout([M, K], random), randomLayout([K, N], random)] as const
        expect(multiply(a, b, size, { layouts, relaxed }).data).toEqual(expected.data)
        for (const rows of [1, 2, 7]) {
          const part = { ...size, M: rows }
          const top = { dtype: 'f32' as const, shape: [rows, K], data: a.data.slice(0, rows * K) }
          expect(multiply(top, b, part, { relaxed }).data).toEqual(expected.data.slice(0, rows * N))
        }
        const column = { dtype: 'f32' as const, shape: [K, 1], data: b.data.filter((_, at) => at % N === 0) }
        const first = expected.data.filter((_, at) => at % N === 0)
        expect(multiply(a, column, { ...size, N: 1 }, { relaxed }).data).toEqual(first)
      }
    })
  }

  it('rounds a narrow result once', () => {
    const random = randomSource(3)
    const size = { batch: [], M: 21, N: 19, K: 600 }
    for (const [dtype, round] of [
      ['f16', roundF16],
      ['bf16', roundBF16],
    ] as const) {
      const a = randomValues(dtype, [21, 600], random)
      const b = randomValues(dtype, [600, 19], random)
      const wide = multiply(a, b, size, { dtype, resultType: 'f32' })
      const narrow = multiply(a, b, size, { dtype })
      expect(narrow.data).toEqual(wide.data.map(round))
    }
  })

  it('takes broadcast batch axes', () => {
    const random = randomSource(8)
    const size = { batch: [3, 2], M: 10, N: 12, K: 14 }
    const one = randomValues('f32', [14, 12], random)
    const repeated = {
      ...one,
      shape: shapes(size).b,
      data: new Float64Array(6 * 14 * 12).map((_, at) => one.data[at % 168]),
    }
    const a = randomValues('f32', shapes(size).a, random)
    const broadcast = { strides: [0, 0, 12, 1], offset: 0, elements: 168 }
    const expected = multiply(a, repeated, size, {})
    const dense = { strides: [280, 140, 14, 1], offset: 0, elements: 840 }
    expect(multiply(a, repeated, size, { layouts: [dense, broadcast] }).data).toEqual(expected.data)
    const shuffledBatch = { strides: [140, 420, 14, 1], offset: 0, elements: 840 }
    expect(multiply(a, repeated, size, { layouts: [shuffledBatch, broadcast] }).data).toEqual(expected.data)
    const oneRow = {
      dtype: 'f32' as const,
      shape: [5, 40, 30],
      data: new Float64Array(6000).map((_, at) => Math.fround(Math.sin(at % 1200))),
    }
    const many = randomValues('f32', [5, 30, 300], random)
    const large = { batch: [5], M: 40, N: 300, K: 30 }
    const left = { strides: [0, 30, 1], offset: 0, elements: 1200 }
    const right = permutedLayout([5, 30, 300], [0, 1, 2])
    expect(multiply(oneRow, many, large, { layouts: [left, right] }).data).toEqual(
      multiply(oneRow, many, large, {}).data,
    )
  })

  it('wraps integers', () => {
    const random = randomSource(4)
    for (const size of [
      { batch: [2], M: 5, N: 11, K: 9 },
      { batch: [], M: 1, N: 4, K: 3 },
    ]) {
      const { a, b } = shapes(size)
      const large = () => randomInteger(random, -(2 ** 31), 2 ** 31 - 1)
      const left = { dtype: 'i32' as const, shape: a, data: new Float64Array(product(a)).map(large) }
      const right = { dtype: 'i32' as const, shape: b, data: new Float64Array(product(b)).map(large) }
      const expected = new Float64Array(product(shapes(size).c)).map((_, at) => {
        const [n, m, z] = [at % size.N, Math.floor(at / size.N) % size.M, Math.floor(at / size.N / size.M)]
        let sum = 0
        for (let k = 0; k < size.K; k++) {
          sum =
            (sum + Math.imul(left.data[(z * size.M + m) * size.K + k], right.data[(z * size.K + k) * size.N + n])) | 0
        }
        return sum
      })
      expect(multiply(left, right, size, { dtype: 'i32' }).data).toEqual(expected)
      const layouts = [randomLayout(a, random), randomLayout(b, random)] as const
      expect(multiply(left, right, size, { dtype: 'i32', layouts }).data).toEqual(expected)
    }
  })

  it('runs on memory that is not shared', () => {
    const random = randomSource(2)
    const a = randomValues('f32', [6, 7], random)
    const b = randomValues('f32', [7, 5], random)
    const call = {
      name: 'matmul' as const,
      planner: planMatmul,
      operands: [{ values: a }, { values: b }],
      results: [{ dtype: 'f32' as const, shape: [6, 5] }],
    }
    expect(runRoutine(call, { shared: false })[0].data).toEqual(runRoutine(call)[0].data)
  })
})
