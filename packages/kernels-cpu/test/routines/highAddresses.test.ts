import { expect, it } from 'vitest'
import { planAttention } from '../../src/routines/attention.js'
import { planConv } from '../../src/routines/conv.js'
import { planCopy } from '../../src/routines/copy.js'
import { planCumulative } from '../../src/routines/cumulative.js'
import { planMatmul } from '../../src/routines/matmul.js'
import { planScatterAdd } from '../../src/routines/scatterAdd.js'
import { planSort } from '../../src/routines/sort.js'
import { type RoutineCall, permutedLayout, randomSource, randomValues, runRoutine, values } from './harness.js'

const random = randomSource(1)
const square = randomValues('f32', [40, 40], random)
const heads = randomValues('f32', [1, 2, 9, 8], random)
const image = randomValues('f32', [1, 3, 8, 8], random)
const kernel = randomValues('f32', [5, 3, 3, 3], random)
const two = [1, 1]
const convAttrs = { stride: two, padLow: two, padHigh: two, lhsDilation: two, rhsDilation: two, groups: 1 }

const CALLS: readonly RoutineCall[] = [
  {
    name: 'matmul',
    planner: planMatmul,
    operands: [{ values: square, layout: permutedLayout([40, 40], [1, 0]) }, { values: square }],
    results: [{ dtype: 'f32', shape: [40, 40] }],
  },
  {
    name: 'copy',
    planner: planCopy,
    operands: [{ values: square, layout: permutedLayout([40, 40], [1, 0]) }],
    results: [{ dtype: 'f32', shape: [40, 40] }],
  },
  {
    name: 'attention',
    planner: planAttention,
    attrs: { causal: 'topLeft', scale: 1, mask: 'none' },
    operands: [{ values: heads }, { values: heads }, { values: heads }],
    results: [
      { dtype: 'f32', shape: [1, 2, 9, 8] },
      { dtype: 'f32', shape: [1, 2, 9] },
    ],
  },
  {
    name: 'conv',
    planner: planConv,
    attrs: convAttrs,
    operands: [{ values: image }, { values: kernel }],
    results: [{ dtype: 'f32', shape: [1, 5, 8, 8] }],
  },
  {
    name: 'sort',
    planner: planSort,
    attrs: { axis: 1, descending: false },
    operands: [{ values: square }],
    results: [
      { dtype: 'f32', shape: [40, 40] },
      { dtype: 'i32', shape: [40, 40] },
    ],
  },
  {
    name: 'cumulative',
    planner: planCumulative,
    attrs: { kind: 'sum', axis: 0, exclusive: false, reverse: true },
    operands: [{ values: square }],
    results: [{ dtype: 'f32', shape: [40, 40] }],
  },
  {
    name: 'scatterAdd',
    planner: planScatterAdd,
    attrs: { axis: 0 },
    operands: [{ values: square }, { values: values('i32', [40, 40], (at) => (at * 7) % 40) }, { values: square }],
    results: [{ dtype: 'f32', shape: [40, 40] }],
  },
]

for (const call of CALLS) {
  it(`${call.name} works on both sides of the second gigabyte`, () => {
    const expected = runRoutine(call).map((result) => result.data)
    // Pages below the base are reserved by the operating system but never touched.
    const base = 2 ** 31 - 8192
    expect(runRoutine(call, { base }).map((result) => result.data)).toEqual(expected)
  })
}
