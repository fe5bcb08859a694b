import type { DType } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { planGroupedMatmul } from '../../src/routines/groupedMatmul.js'
import { planMatmul } from '../../src/routines/matmul.js'
import {
  denseLayout,
  randomInteger,
  randomLayout,
  randomSource,
  randomValues,
  runRoutine,
  values,
  type Layout,
  type Values,
} from './harness.js'

interface Problem {
  readonly N: number
  readonly K: number
  readonly M: number
  readonly offsets: readonly number[]
}

interface Setup {
  readonly dtype?: DType
  readonly relaxed?: boolean
  readonly seed: number
  readonly strided?: boolean
}

/** Offsets as every backend reads them. */
function limitsOf({ N, offsets }: Problem): number[] {
  let before = 0
  return offsets.map((offset) => (before = Math.max(before, Math.min(N, offset))))
}

function integers(numbers: readonly number[]): Values {
  return values('i32', [numbers.length], (at) => numbers[at])
}

/** Operands with NaN in the rows that no group has. */
function operandsOf(problem: Problem, contract: 'columns' | 'rows', { dtype = 'f32', seed }: Setup): [Values, Values] {
  const random = randomSource(seed)
  const { N, K, M, offsets } = problem
  const limits = limitsOf(problem)
  const hide = (x: Values): Values => {
    const width = x.shape[1]
    const isOutside = (row: number): boolean => row < limits[0] || row >= limits[limits.length - 1]
    return { ...x, data: x.data.map((value, at) => (isOutside(Math.floor(at / width)) ? NaN : value)) }
  }
  const a = hide(randomValues(dtype, [N, K], random))
  const b = randomValues(dtype, contract === 'rows' ? [N, M] : [offsets.length - 1, K, M], random)
  return [a, contract === 'rows' ? hide(b) : b]
}

function run(problem: Problem, contract: 'columns' | 'rows', setup: Setup): { got: Values; a: Values; b: Values } {
  const { N, K, M, offsets } = problem
  const random = randomSource(setup.seed + 99)
  const [a, b] = operandsOf(problem, contract, setup)
  const layoutOf = (shape: readonly number[]): Layout =>
    setup.strided === true ? randomLayout(shape, random) : denseLayout(shape)
  const shape = contract === 'rows' ? [offsets.length - 1, K, M] : [N, M]
  const [got] = runRoutine(
    {
      name: 'groupedMatmul',
      planner: planGroupedMatmul,
      attrs: { contract },
      operands: [a, b, integers(offsets)].map((operand) => ({ values: operand, layout: layoutOf(operand.shape) })),
      results: [{ dtype: setup.dtype ?? 'f32', shape }],
    },
    { random, relaxed: setup.relaxed ?? true },
  )
  return { got, a, b }
}

/** The same by definition, in float64. */
function wanted(problem: Problem, contract: 'columns' | 'rows', a: Values, b: Values): Float64Array {
  const { N, K, M } = problem
  const limits = limitsOf(problem)
  const E = limits.length - 1
  const out = new Float64Array(contract === 'rows' ? E * K * M : N * M)
  for (let e = 0; e < E; e++)
    for (let n = limits[e]; n < limits[e + 1]; n++)
      for (let k = 0; k < K; k++)
        for (let m = 0; m < M; m++)
          if (contract === 'rows') out[(e * K + k) * M + m] += a.data[n * K + k] * b.data[n * M + m]
          else out[n * M + m] += a.data[n * K + k] * b.data[(e * K + k) * M + m]
  return out
}

function worst(got: Values, want: Float64Array, terms: number): number {
  return got.data.reduce((most, value, at) => {
    const error = Math.abs(value - want[at]) / (1 + Math.abs(want[at])) / Math.sqrt(terms + 1)
    return Number.isNaN(error) ? Infinity : Math.max(most, error)
  }, 0)
}

function randomProblem(seed: number): Problem {
  const random = randomSource(seed)
  const N = randomInteger(random, 1, seed % 5 === 0 ? 600 : 60)
  const E = randomInteger(random, 1, 6)
  const offsets = Array.from({ length: E + 1 }, () => randomInteger(random, -2, N + 2))
  if (seed % 3 !== 0) offsets.sort((x, y) => x - y)
  return { N, K: randomInteger(random, 1, seed % 4 === 0 ? 600 : 40), M: randomInteger(random, 1, 90), offsets }
}

describe('groupedMatmul', () => {
  const seeds = Array.from({ length: 30 }, (_, k) => k + 1)

  it.each(seeds)('equals its definition on random groups, strides and splits, number %i', (seed) => {
    const problem = randomProblem(seed)
    for (const contract of ['columns', 'rows'] as const)
      for (const relaxed of [true, false]) {
        const { got, a, b } = run(problem, contract, { seed, relaxed, strided: seed % 2 === 0 })
        const terms = contract === 'rows' ? problem.N : problem.K
        expect(worst(got, wanted(problem, contract, a, b), terms)).toBeLessThan(1e-6)
      }
  })

  it.each(['f16', 'bf16'] as const)('rounds once to %s', (dtype) => {
    const problem = { N: 150, K: 300, M: 40, offsets: [3, 5, 6, 20, 148] }
    for (const contract of ['columns', 'rows'] as const) {
      const { got, a, b } = run(problem, contract, { seed: 7, dtype, strided: true })
      const bound = (dtype === 'f16' ? 2 ** -11 : 2 ** -8) * 1.01
      expect(worst(got, wanted(problem, contract, a, b), 0)).toBeLessThan(bound)
    }
  })

  it.each([1, 2, 3, 64, 97, 257])('gives a group of %i rows the bits of a product of its own', (rows) => {
    const random = randomSource(rows)
    const [K, M] = [300, 70]
    const x = randomValues('f32', [rows + 5, K], random)
    const w = randomValues('f32', [2, K, M], random)
    for (const relaxed of [true, false]) {
      const [grouped] = runRoutine(
        {
          name: 'groupedMatmul',
          planner: planGroupedMatmul,
          attrs: { contract: 'columns' },
          operands: [x, w, integers([0, 3, rows + 3])].map((operand) => ({ values: operand })),
          results: [{ dtype: 'f32', shape: [rows + 5, M] }],
        },
        { random, relaxed },
      )
      const own = { ...x, shape: [rows, K], data: x.data.subarray(3 * K, (rows + 3) * K) }
      const matrix = { ...w, shape: [K, M], data: w.data.subarray(K * M) }
      const [alone] = runRoutine(
        {
          name: 'matmul',
          planner: planMatmul,
          operands: [{ values: own }, { values: matrix }],
          results: [{ dtype: 'f32', shape: [rows, M] }],
        },
        { random, relaxed },
      )
      expect(grouped.data.subarray(3 * M, (rows + 3) * M)).toEqual(alone.data)
    }
  })

  it('plans as many pieces as any offsets can need', () => {
    // 256 rows a piece: groups of one row each and the rest in front and behind.
    const problem = { N: 520, K: 3, M: 5, offsets: [257, 258, 259, 260, 261, 262] }
    const { got, a, b } = run(problem, 'columns', { seed: 3 })
    expect(worst(got, wanted(problem, 'columns', a, b), 3)).toBeLessThan(1e-6)
  })
})
