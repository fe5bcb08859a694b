/** Reductions, normalisations and cumulative folds. */
import type { DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { tensor } from '../../ops/create.js'
import { exp, mul, sub } from '../../ops/elementwise.js'
import { transpose } from '../../ops/movement.js'
import { groupNorm, layerNorm, logSoftmax, rmsNorm, softmax } from '../../ops/normalize.js'
import {
  all,
  any,
  argmax,
  argmin,
  cummax,
  cummin,
  cumprod,
  cumsum,
  logsumexp,
  max,
  mean,
  min,
  norm,
  prod,
  std,
  sum,
  variance,
} from '../../ops/reduce.js'
import { crossEntropy } from '../../ops/loss.js'
import { noise, type SuiteContext } from './context.js'

const AXES: readonly (readonly number[] | null)[] = [null, [0], [1], [2], [0, 2], [1, 2], [0, 1]]
const FOLDS = [sum, mean, max, min, logsumexp, norm, variance, std] as const

/** Wider than one result's tolerance: sums of many rounded terms that cancel. */
const SUMS = { rtol: 2e-5, atol: 2e-5 }

export function reduce(suite: SuiteContext): void {
  for (const f of FOLDS)
    suite.test(`${f.name} over all choices of axes`, () => AXES.map((axes) => f(noise([3, 7, 18]), { axes })), {
      tolerance: SUMS,
    })

  suite.test('narrow floats are summed in f32', () =>
    (['f16', 'bf16'] as const).flatMap((dtype) => [
      sum(noise([5, 300], dtype, 0, 1), { axes: 1 }),
      mean(noise([300, 5], dtype), { axes: 0 }),
    ]),
  )

  suite.test(
    'sums of more than one block',
    () => [
      sum(noise([1025])),
      sum(noise([2, 5000]), { axes: 1 }),
      sum(noise([70001], 'f32', 0, 1)),
      sum(noise([70001, 1]), { axes: 0 }),
    ],
    {
      tolerance: { rtol: 1e-5, atol: 1e-3 },
    },
  )

  suite.test('products, also of nothing', () => [
    prod(noise([4, 5], 'f32', 0.5, 1.5), { axes: 0 }),
    prod(noise([0, 3]), { axes: 0 }),
    sum(noise([3, 0]), { axes: 1 }),
  ])

  suite.test('integers wrap', () => {
    const x = tensor([2147483647, 5, -7, 100000, 100000, 3], { shape: [2, 3], dtype: 'i32' })
    return [sum(x, { axes: 1 }), prod(x, { axes: 1 }), max(x), min(x, { axes: 0 })]
  })

  suite.test('bool folds', () => [
    any(noise([4, 9], 'bool'), { axes: 1 }),
    all(noise([9, 2], 'bool'), { axes: 1 }),
    any(noise([0], 'bool')),
    all(noise([0], 'bool')),
  ])

  suite.test('arguments of extremes: the lowest index of equals, NaN first', () => {
    const ties = tensor([1, 3, 3, 0, 0, 2, NaN, 5, NaN, -1, -1, -1], { shape: [4, 3] })
    return [
      argmax(ties, { axis: 1 }),
      argmin(ties, { axis: 1 }),
      argmax(ties),
      argmin(noise([130], 'i32', -9, 9)),
      argmax(noise([5, 7], 'u8', 0, 9), { axis: 0 }),
    ]
  })

  suite.test('NaN and infinities pass through max, min and logsumexp', () => {
    const x = tensor([1, NaN, 2, -Infinity, -Infinity, -Infinity, Infinity, 1, 0], { shape: [3, 3] })
    return [max(x, { axes: 1 }), min(x, { axes: 1 }), logsumexp(x, { axes: 1 })]
  })

  for (const shape of [
    [1, 1],
    [7, 33],
    [3, 1030],
    [2, 3, 17],
  ])
    suite.test(
      `row functions of [${shape.join(', ')}]`,
      () => {
        const x = noise(shape, 'f32', -3, 3)
        const weight = noise([shape[shape.length - 1]], 'f32', 0.5, 1.5)
        return [
          softmax(x),
          logSoftmax(x),
          softmax(x, { axis: 0 }),
          layerNorm(x, weight, weight),
          rmsNorm(x, weight),
          sub(x, mean(x, { axes: -1, keepdims: true })),
        ]
      },
      { tolerance: { rtol: 2e-5, atol: 5e-6 } },
    )

  suite.test('row functions in narrow floats', () =>
    (['f16', 'bf16'] as const).flatMap((dtype: DType): Tensor[] => [
      softmax(noise([5, 37], dtype)),
      layerNorm(noise([5, 37], dtype), null, null),
    ]),
  )

  suite.test(
    'group norm and cross-entropy',
    () => {
      const target = tensor([0, 4, -100, 2], { dtype: 'i32' })
      return [
        groupNorm(noise([2, 4, 5]), null, null, { groups: 2 }),
        crossEntropy(noise([4, 5]), target),
        crossEntropy(noise([4, 5]), target, { reduction: 'none', labelSmoothing: 0.1, zLoss: 0.01 }),
      ]
    },
    { tolerance: SUMS },
  )

  suite.test(
    'reductions of transposed and computed operands',
    () => {
      const x = transpose(noise([17, 5, 9]), [2, 0, 1])
      return [sum(exp(x), { axes: [0, 2] }), max(mul(x, x), { axes: 1 }), softmax(x, { axis: 1 })]
    },
    { tolerance: SUMS },
  )

  for (const f of [cumsum, cumprod, cummax, cummin])
    suite.test(
      `${f.name} on every axis, both ways`,
      () =>
        [0, 1, 2].flatMap((axis) => [
          f(noise([3, 5, 7], 'f32', 0.5, 1.5), { axis }),
          f(noise([3, 5, 7], 'f32', 0.5, 1.5), { axis, reverse: true, exclusive: f === cumsum || f === cumprod }),
        ]),
      { tolerance: SUMS },
    )

  suite.test(
    'long and integer cumulative sums',
    () => [
      cumsum(noise([2, 3000], 'f32', 0, 1), { axis: 1 }),
      cumsum(noise([40], 'i32', -9, 9)),
      cumsum(noise([0, 3]), { axis: 0 }),
    ],
    { tolerance: SUMS },
  )
}
