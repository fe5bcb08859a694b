import type { DType } from '@tarazed/tensor'
import { expect, it } from 'vitest'
import { planCopy } from '../../src/routines/copy.js'
import {
  type Layout,
  type Values,
  permutedLayout,
  randomInteger,
  randomLayout,
  randomSource,
  randomValues,
  runRoutine,
  shuffled,
} from './harness.js'

function copyOf(x: Values, layout: Layout, seed: number): Values {
  const results = [{ dtype: x.dtype, shape: x.shape }]
  return runRoutine(
    { name: 'copy', planner: planCopy, operands: [{ values: x, layout }], results },
    { random: randomSource(seed) },
  )[0]
}

it('makes every view dense, for all element sizes', () => {
  const random = randomSource(1)
  for (let trial = 0; trial < 120; trial++) {
    const dtype = (['f32', 'f16', 'u8', 'i32', 'bool', 'bf16'] as DType[])[trial % 6]
    const shape = Array.from({ length: randomInteger(random, 0, 4) }, () => randomInteger(random, 1, 12))
    const x = randomValues(dtype, shape, random)
    const order = shuffled([...shape.keys()], random)
    expect(copyOf(x, randomLayout(shape, random), trial).data).toEqual(x.data)
    expect(copyOf(x, permutedLayout(shape, order), trial).data).toEqual(x.data)
  }
})

it('transposes matrices larger than a tile', () => {
  const random = randomSource(2)
  for (const dtype of ['f32', 'f16', 'u8'] as const) {
    for (const shape of [
      [131, 70],
      [3, 66, 65],
      [70, 2, 129],
    ]) {
      const x = randomValues(dtype, shape, random)
      for (const order of [
        [1, 0],
        [0, 2, 1],
        [2, 1, 0],
        [2, 0, 1],
      ].filter((axes) => axes.length === shape.length)) {
        expect(copyOf(x, permutedLayout(shape, order), 3).data).toEqual(x.data)
      }
    }
  }
})

it('repeats broadcast axes', () => {
  const x = randomValues('f32', [40], randomSource(3))
  const rows = {
    dtype: 'f32' as const,
    shape: [3, 40, 5],
    data: new Float64Array(600).map((_, at) => x.data[Math.floor(at / 5) % 40]),
  }
  expect(copyOf(rows, { strides: [0, 1, 0], offset: 0, elements: 40 }, 1).data).toEqual(rows.data)
  const columns = {
    dtype: 'f32' as const,
    shape: [40, 7, 33],
    data: new Float64Array(40 * 231).map((_, at) => x.data[Math.floor(at / 231)]),
  }
  expect(copyOf(columns, { strides: [1, 0, 0], offset: 0, elements: 40 }, 2).data).toEqual(columns.data)
})

it('does nothing for an empty array', () => {
  const x = { dtype: 'f32' as const, shape: [3, 0, 2], data: new Float64Array(0) }
  expect(copyOf(x, { strides: [0, 2, 1], offset: 0, elements: 0 }, 1).data).toEqual(new Float64Array(0))
})
