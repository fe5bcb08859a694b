import { expect, it } from 'vitest'
import { planSort } from '../../src/routines/sort.js'
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

function sort(x: Values, axis: number, descending: boolean, layout?: Layout): Values[] {
  return runRoutine({
    name: 'sort',
    planner: planSort,
    attrs: { axis, descending },
    operands: [{ values: x, layout }],
    results: [
      { dtype: x.dtype, shape: x.shape },
      { dtype: 'i32', shape: x.shape },
    ],
  })
}

/** NaN above everything; equal elements by position. */
function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a === b ? 0 : a < b ? -1 : 1
}

function expected(x: Values, axis: number, descending: boolean): { values: Float64Array; order: Float64Array } {
  const inner = product(x.shape.slice(axis + 1))
  const count = x.shape[axis]
  const sorted = { values: x.data.slice(), order: x.data.slice() }
  for (let line = 0; line < product(x.shape) / Math.max(count, 1); line++) {
    const first = Math.floor(line / inner) * inner * count + (line % inner)
    const order = Array.from({ length: count }, (_, position) => position)
    const at = (position: number) => x.data[first + position * inner]
    order.sort((a, b) => (descending ? -1 : 1) * compare(at(a), at(b)) || a - b)
    order.forEach((from, to) => {
      sorted.values[first + to * inner] = at(from)
      sorted.order[first + to * inner] = from
    })
  }
  return sorted
}

function check(x: Values, axis: number, layout?: Layout): void {
  for (const descending of [false, true]) {
    const [sorted, order] = sort(x, axis, descending, layout)
    const wanted = expected(x, axis, descending)
    expect(sorted.data).toEqual(wanted.values)
    expect(order.data).toEqual(wanted.order)
  }
}

it('sorts every dtype stably along every axis', () => {
  const random = randomSource(1)
  for (const dtype of DTYPES) {
    for (let trial = 0; trial < 12; trial++) {
      const shape = Array.from({ length: randomInteger(random, 1, 3) }, () => randomInteger(random, 1, 20))
      const axis = randomInteger(random, 0, shape.length - 1)
      const x = randomValues(dtype, shape, random)
      // Few distinct values, so that stability shows.
      const coarse = values(dtype, shape, (at) => (trial % 2 ? x.data[at] : Math.round(x.data[at] * 2)))
      check(coarse, axis, trial % 3 ? randomLayout(shape, random) : undefined)
    }
  }
})

it('puts NaN last ascending and first descending, and treats zeros of both signs as equal', () => {
  const special = [0, NaN, -0, Infinity, 1, -Infinity, NaN, -1, 0, -0, 1e-40, -1e-40, 3e38]
  for (const dtype of ['f32', 'f16', 'bf16'] as const) {
    const x = values(dtype, [special.length], (at) => special[at])
    check(x, 0)
    const [sorted] = sort(x, 0, false)
    expect(Number.isNaN(sorted.data.at(-1))).toBe(true)
  }
})

it('sorts long lines', () => {
  const random = randomSource(2)
  for (const [dtype, count] of [
    ['f32', 513],
    ['f32', 5000],
    ['i32', 2049],
    ['f16', 3000],
    ['u8', 1000],
    ['bf16', 700],
  ] as const) {
    check(randomValues(dtype, [2, count], random), 1)
    check(randomValues(dtype, [count, 3], random), 0)
    check(
      values(dtype, [count], () => 7),
      0,
    )
  }
})

it('does nothing for an empty array', () => {
  expect(sort({ dtype: 'f32', shape: [0, 3], data: new Float64Array(0) }, 0, false)[0].data.length).toBe(0)
})
