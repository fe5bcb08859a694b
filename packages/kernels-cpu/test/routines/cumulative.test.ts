import type { DType } from '@tarazed/tensor'
import { expect, it } from 'vitest'
import { planCumulative } from '../../src/routines/cumulative.js'
import { product } from '../../src/routines/views.js'
import {
  DTYPES,
  type Layout,
  type Values,
  randomInteger,
  randomLayout,
  randomSource,
  randomValues,
  runRoutine,
  values,
} from './harness.js'
import { roundBF16, roundF16 } from './narrow.js'

interface Options {
  readonly kind: 'sum' | 'prod' | 'max' | 'min'
  readonly axis: number
  readonly exclusive: boolean
  readonly reverse: boolean
}

function cumulative(x: Values, options: Options, layout?: Layout): Float64Array {
  const [result] = runRoutine({
    name: 'cumulative',
    planner: planCumulative,
    attrs: { ...options },
    operands: [{ values: x, layout }],
    results: [{ dtype: x.dtype, shape: x.shape }],
  })
  return result.data
}

const ROUND: Record<DType, (value: number) => number> = {
  f32: Math.fround,
  f16: roundF16,
  bf16: roundBF16,
  i32: (value) => value | 0,
  u32: (value) => value >>> 0,
  i8: (value) => (value << 24) >> 24,
  u8: (value) => value & 255,
  bool: (value) => value & 255,
}

const LOWEST: Partial<Record<DType, number>> = { i32: -(2 ** 31), u32: 0, i8: -128, u8: 0, bool: 0 }
const HIGHEST: Partial<Record<DType, number>> = { i32: 2 ** 31 - 1, u32: 2 ** 32 - 1, i8: 127, u8: 255, bool: 255 }

function expected(x: Values, { kind, axis, exclusive, reverse }: Options): Float64Array {
  const isFloat = ['f32', 'f16', 'bf16'].includes(x.dtype)
  const hold = isFloat ? Math.fround : (value: number) => value | 0
  const start = { sum: 0, prod: 1, max: LOWEST[x.dtype] ?? -Infinity, min: HIGHEST[x.dtype] ?? Infinity }[kind]
  const fold = {
    sum: (a: number, b: number) => hold(a + b),
    prod: (a: number, b: number) => (isFloat ? Math.fround(a * b) : Math.imul(a, b)),
    max: Math.max,
    min: Math.min,
  }[kind]
  const result = x.data.slice()
  const inner = product(x.shape.slice(axis + 1))
  const count = x.shape[axis]
  for (let line = 0; line < product(x.shape) / count; line++) {
    const first = Math.floor(line / inner) * inner * count + (line % inner)
    let running = start
    for (let step = 0; step < count; step++) {
      const at = first + (reverse ? count - 1 - step : step) * inner
      const before = running
      running = fold(running, x.data[at])
      result[at] = ROUND[x.dtype](exclusive ? before : running)
    }
  }
  return result
}

it('folds in order along every axis, for every dtype and kind', () => {
  const random = randomSource(1)
  let trial = 0
  for (const dtype of DTYPES) {
    for (const kind of ['sum', 'prod', 'max', 'min'] as const) {
      for (let repeat = 0; repeat < 8; repeat++, trial++) {
        const shape = Array.from({ length: randomInteger(random, 1, 3) }, () => randomInteger(random, 1, 13))
        const x = randomValues(dtype, shape, random)
        const axis = randomInteger(random, 0, shape.length - 1)
        const exclusive = repeat % 2 === 1
        const options = { kind, axis, exclusive, reverse: repeat % 4 >= 2 }
        const layout = repeat >= 4 ? randomLayout(shape, random) : undefined
        expect(cumulative(x, options, layout)).toEqual(expected(x, options))
      }
    }
  }
  expect(trial).toBe(8 * 4 * 8)
})

it('carries NaN through maxima and minima', () => {
  const x = values('f32', [5, 6], (at) => (at === 14 ? NaN : at))
  for (const kind of ['max', 'min'] as const) {
    for (const axis of [0, 1]) {
      const options = { kind, axis, exclusive: false, reverse: false }
      expect(cumulative(x, options)).toEqual(expected(x, options))
    }
  }
})

it('walks rows wider than a block', () => {
  const x = randomValues('f32', [7, 1030], randomSource(3))
  const options = { kind: 'sum', axis: 0, exclusive: false, reverse: true } as const
  expect(cumulative(x, options)).toEqual(expected(x, options))
})
