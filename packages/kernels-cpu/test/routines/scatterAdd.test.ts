import type { DType } from '@tarazed/tensor'
import { expect, it } from 'vitest'
import { planScatterAdd } from '../../src/routines/scatterAdd.js'
import { product } from '../../src/routines/views.js'
import {
  type Layout,
  type Values,
  randomInteger,
  randomLayout,
  randomSource,
  randomValues,
  runRoutine,
} from './harness.js'
import { roundBF16, roundF16 } from './narrow.js'

interface Layouts {
  readonly x?: Layout
  readonly index?: Layout
  readonly updates?: Layout
}

function scatter(x: Values, index: Values, updates: Values, axis: number, layouts: Layouts, seed: number): Values {
  const [result] = runRoutine(
    {
      name: 'scatterAdd',
      planner: planScatterAdd,
      attrs: { axis },
      operands: [
        { values: x, layout: layouts.x },
        { values: index, layout: layouts.index },
        { values: updates, layout: layouts.updates },
      ],
      results: [{ dtype: x.dtype, shape: x.shape }],
    },
    { random: randomSource(seed) },
  )
  return result
}

const ROUND: Partial<Record<DType, (value: number) => number>> = { f16: roundF16, bf16: roundBF16 }

/** Sums in f32 (or wrapping integers), in row-major order, rounded once. */
function expected(x: Values, index: Values, updates: Values, axis: number): Float64Array {
  const isInteger = x.dtype === 'i32' || x.dtype === 'u32'
  const sums = x.data.slice()
  const at = new Array<number>(x.shape.length).fill(0)
  for (let position = 0; position < product(index.shape); position++) {
    let rest = position
    for (let a = x.shape.length - 1; a >= 0; a--) {
      at[a] = rest % index.shape[a]
      rest = Math.floor(rest / index.shape[a])
    }
    at[axis] = index.data[position]
    if (at[axis] < 0 || at[axis] >= x.shape[axis]) continue
    const target = at.reduce((sum, here, a) => sum * x.shape[a] + here, 0)
    const sum = sums[target] + updates.data[position]
    sums[target] = isInteger ? (x.dtype === 'i32' ? sum | 0 : sum >>> 0) : Math.fround(sum)
  }
  return sums.map(ROUND[x.dtype] ?? ((value) => value))
}

it('adds in row-major order on every axis, dropping what is out of range', () => {
  const random = randomSource(1)
  for (let trial = 0; trial < 150; trial++) {
    const dtype = (['f32', 'f16', 'bf16', 'i32', 'u32'] as DType[])[trial % 5]
    const rank = randomInteger(random, 1, 4)
    const shape = Array.from({ length: rank }, () => randomInteger(random, 1, 9))
    const axis = randomInteger(random, 0, rank - 1)
    const indexShape = shape.map((extent, a) =>
      a === axis ? randomInteger(random, 0, 14) : randomInteger(random, 1, extent),
    )
    const x = randomValues(dtype, shape, random)
    const updates = randomValues(dtype, indexShape, random)
    const index = {
      dtype: 'i32' as const,
      shape: indexShape,
      data: new Float64Array(product(indexShape)).map(() => randomInteger(random, -2, shape[axis] + 1)),
    }
    const layouts =
      trial % 2
        ? {}
        : {
            x: randomLayout(shape, random),
            index: randomLayout(indexShape, random),
            updates: randomLayout(indexShape, random),
          }
    expect(scatter(x, index, updates, axis, layouts, trial).data).toEqual(expected(x, index, updates, axis))
  }
})

it('adds whole rows when the index is constant along the last axis', () => {
  const random = randomSource(2)
  for (const dtype of ['f32', 'f16', 'bf16', 'i32'] as const) {
    for (const [V, D, T] of [
      [11, 37, 50],
      [3, 520, 9],
      [1, 16, 4],
    ]) {
      const rows = Array.from({ length: T }, () => randomInteger(random, -1, V))
      const index = {
        dtype: 'i32' as const,
        shape: [T, D],
        data: new Float64Array(T * D).map((_, at) => rows[Math.floor(at / D)]),
      }
      const x = randomValues(dtype, [V, D], random)
      const updates = randomValues(dtype, [T, D], random)
      const layouts = { index: { strides: [1, 0], offset: 0, elements: T } }
      const result = scatter(x, index, updates, 0, layouts, T)
      expect(result.data).toEqual(expected(x, index, updates, 0))
      expect(scatter(x, index, updates, 0, {}, T).data).toEqual(result.data)
    }
  }
})
