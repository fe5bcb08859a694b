/** Views, joins, padding, indexing and sorting: bit for bit in every dtype. */
import { DTYPES } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { tensor } from '../../ops/create.js'
import { add, mul } from '../../ops/elementwise.js'
import {
  dynamicSlice,
  embedding,
  gather,
  indexSelect,
  oneHot,
  scatterAdd,
  takeAlongAxis,
  updateSlice,
} from '../../ops/indexing.js'
import {
  broadcastTo,
  concat,
  diag,
  expandDims,
  flip,
  pad,
  repeat,
  reshape,
  roll,
  slice,
  split,
  squeeze,
  stack,
  swapAxes,
  tile,
  transpose,
  tril,
  triu,
} from '../../ops/movement.js'
import { unfold } from '../../ops/pool.js'
import { argsort, sort, topk } from '../../ops/sort.js'
import { EXACT } from '../tolerances.js'
import { noise, type SuiteContext } from './context.js'

const exact = { tolerance: EXACT }

export function movement(suite: SuiteContext): void {
  for (const dtype of DTYPES)
    suite.test(
      `moves ${dtype}`,
      () => {
        if (!suite.has(dtype) || suite.backend.capabilities.float64) return []
        const x = noise([3, 4, 5], dtype, 0, 100)
        return [
          transpose(x),
          swapAxes(x, 0, 1),
          reshape(transpose(x, [1, 0, 2]), [6, 10]),
          slice(x, [
            [null, null, -1],
            [1, 4, 2],
            [4, 0, -3],
          ]),
          broadcastTo(expandDims(x, 1), [3, 2, 4, 5]),
          flip(x, [0, 2]),
          concat([x, flip(x)], { axis: 1 }),
          stack([x, x], { axis: 2 }),
          roll(x, [1, -2], { axes: [0, 2] }),
          tile(x, [2, 1, 2]),
          repeat(x, 3, { axis: 1 }),
          ...split(x, [1, 3], { axis: 1 }),
        ]
      },
      exact,
    )

  suite.test('views of views, of computed values and of six axes', () => {
    const x = add(noise([2, 1, 3, 2, 1, 4]), 1)
    const turned = transpose(x, [5, 3, 1, 0, 4, 2])
    return [
      turned,
      slice(reshape(turned, [8, 6]), [
        [7, null, -2],
        [1, 6, 2],
      ]),
      squeeze(x),
      mul(swapAxes(x, 0, 5), 2),
    ]
  })

  suite.test(
    'padding',
    () => {
      const x = noise([3, 4])
      return [
        pad(
          x,
          [
            [1, 0],
            [2, 3],
          ],
          { value: 2 },
        ),
        pad(
          x,
          [
            [2, 1],
            [0, 3],
          ],
          { mode: 'reflect' },
        ),
        pad(
          x,
          [
            [2, 1],
            [4, 0],
          ],
          { mode: 'edge' },
        ),
        pad(noise([0, 2]), [
          [1, 1],
          [0, 0],
        ]),
        tril(x),
        triu(x, { k: 1 }),
        diag(noise([3])),
        diag(x, { k: -1 }),
        unfold(noise([1, 2, 5, 4]), { kernel: 2, stride: 1 }),
      ]
    },
    exact,
  )

  suite.test(
    'nothing at all',
    () => [
      transpose(noise([0, 3])),
      concat([noise([0, 2]), noise([1, 2])]),
      slice(noise([4]), [[2, 2]]),
      reshape(noise([0, 4]), [2, 0]),
      tile(noise([2]), [0]),
    ],
    exact,
  )

  suite.test('gathers; reads out of range give NaN, and 0 for integers', () => {
    const x = noise([5, 3])
    const index = tensor([4, 0, 5, -1, 2, 2], { shape: [2, 3], dtype: 'i32' })
    const rows = tensor([4, 0, 0, 3], { dtype: 'i32' })
    return [
      gather(x, index, { axis: 0 }),
      takeAlongAxis(x, index, { axis: 0 }),
      gather(noise([5, 3], 'i32', 1, 9), index, { axis: 0 }),
      embedding(x, rows),
      indexSelect(x, tensor([2, 0], { dtype: 'i32' }), { axis: 1 }),
      embedding(mul(x, 2), tensor([], { shape: [0], dtype: 'i32' })),
      oneHot(tensor([1, 3, -1, 9], { dtype: 'i32' }), 4),
    ]
  })

  suite.test('scatterAdd adds in order and drops what is out of range', () => {
    const index = tensor([0, 2, 0, 7, -1, 2, 1, 0], { shape: [8, 1], dtype: 'i32' })
    const wide = broadcastTo(index, [8, 3])
    return [
      scatterAdd(noise([4, 3]), wide, noise([8, 3], 'f32', -2, 2, 3), { axis: 0 }),
      scatterAdd(noise([4, 3], 'i32'), wide, noise([8, 3], 'i32', -5, 5), { axis: 0 }),
    ]
  })

  suite.test('slices at run-time starts are clamped', () => {
    const x = noise([5, 4])
    const at = (value: number): Tensor => tensor(value, { dtype: 'i32' })
    return [
      dynamicSlice(x, [at(1), at(2)], [3, 2]),
      dynamicSlice(x, [at(9), at(-3)], [2, 2]),
      updateSlice(x, noise([2, 3], 'f32', 5, 6), [at(2), at(1)]),
      updateSlice(add(x, 1), noise([1, 4], 'f32', 5, 6), [at(77), at(0)]),
    ]
  })

  suite.test('sorts are stable, NaN last', () => {
    const x = tensor([3, NaN, 1, 3, -0, 0, Infinity, -Infinity, NaN, 2, 2, 2], { shape: [2, 6] })
    return [
      sort(x),
      argsort(x),
      sort(x, { descending: true }),
      argsort(x, { descending: true }),
      argsort(x, { axis: 0 }),
      ...topk(x, 3),
      ...topk(x, 2, { largest: false }),
    ]
  })

  suite.test(
    'sorts of many, and of integers with ties',
    () => [
      sort(noise([3, 517])),
      argsort(noise([517, 2], 'i32', -9, 9), { axis: 0 }),
      argsort(noise([300], 'u8', 0, 5), { descending: true }),
      ...topk(noise([4, 130]), 7),
    ],
    exact,
  )
}
