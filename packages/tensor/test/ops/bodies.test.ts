/** Routines equal their bodies of primitives, in float64. */
import { describe, expect, it } from 'vitest'
import {
  convExtent,
  attentionGradOf,
  attentionOf,
  convOf,
  cumulativeOf,
  groupedMatmulOf,
  groupedQuantMatmulOf,
} from '../../src/graph/primitives.js'
import type { AttentionAttrs, ConvAttrs } from '../../src/graph/primitive.js'
import type { Tensor } from '../../src/graph/tensor.js'
import { primitiveBodies } from '../../src/ops/bodies.js'
import { attentionBody, attentionGradBody } from '../../src/ops/bodies/attention.js'
import { convBody } from '../../src/ops/bodies/conv.js'
import { cumulativeBody } from '../../src/ops/bodies/cumulative.js'
import { groupedMatmulBody } from '../../src/ops/bodies/groupedMatmul.js'
import { dequantizeOf, groupedQuantMatmulBody, quantMatmulBody } from '../../src/ops/bodies/quantMatmul.js'
import { scalar, tensor, zeros } from '../../src/ops/index.js'
import { QUANT_FORMATS } from '../../src/program/quant.js'
import { dequantize, quantize } from '../../src/quant.js'
import { checkGrad } from '../../src/testing/gradCheck.js'
import { distance, exact, input, integers, noise, noisy } from './support.js'

function expectSame(got: readonly Tensor[], want: readonly Tensor[]): void {
  got.forEach((t, k) => {
    expect([t.shape, t.dtype]).toEqual([want[k].shape, want[k].dtype])
    expect(distance(exact(t), exact(want[k]))).toBeLessThan(1e-12)
  })
}

describe('attention', () => {
  const bool = integers([2, 1, 3, 5], 0, 2, 9).shape
  const boolMask = tensor(
    Array.from({ length: 30 }, (_, k) => (k % 5 === 0 || k > 24 ? 0 : k % 2)),
    { shape: bool, dtype: 'bool' },
  )
  const masks: [string, AttentionAttrs['mask'], Tensor[]][] = [
    ['no mask', 'none', []],
    ['a bool mask', 'bool', [boolMask]],
    ['a float mask', 'float', [noisy([1, 4, 3, 5], { seed: 8 })]],
  ]
  const cases = masks.flatMap(([name, mask, operand]) =>
    (['none', 'topLeft', 'bottomRight'] as const).flatMap((causal) =>
      [null, 3, 0, 9].map((length) => ({ name, mask, operand, causal, length })),
    ),
  )

  it.each(cases)(
    'equals its body with $name, causal $causal and $length keys in use',
    ({ mask, operand, causal, length }) => {
      const q = noisy([2, 4, 3, 6], { seed: 1 })
      const k = noisy([2, 2, 5, 6], { seed: 2 })
      const v = noisy([2, 2, 5, 7], { seed: 3 })
      const extra = length === null ? operand : [...operand, scalar(length, { dtype: 'i32' })]
      const attrs: AttentionAttrs = { causal, mask, scale: 0.5, hasLength: length !== null }
      const forward = attentionOf(q, k, v, extra, attrs)
      expectSame(attentionBody([q, k, v, ...extra], attrs), forward)
      const inputs = [q, k, v, ...forward, noisy([2, 4, 3, 7], { seed: 4 })]
      expectSame(attentionGradBody([...inputs, ...extra], attrs), attentionGradOf(inputs, extra, attrs))
    },
  )

  it('sees nothing where there are no keys', () => {
    const attrs: AttentionAttrs = { causal: 'none', mask: 'none', scale: 1, hasLength: false }
    const [out, lse] = attentionBody([zeros([1, 1, 2, 3]), zeros([1, 1, 0, 3]), zeros([1, 1, 0, 4])], attrs)
    expect([exact(out), exact(lse)]).toEqual([new Array(8).fill(0), [-Infinity, -Infinity]])
  })
})

describe('convolution', () => {
  const cases: (ConvAttrs & { name: string; x: number[]; w: number[] })[] = [
    {
      name: 'one axis',
      x: [2, 3, 9],
      w: [4, 3, 3],
      stride: [2],
      padLow: [1],
      padHigh: [2],
      lhsDilation: [1],
      rhsDilation: [2],
      groups: 1,
    },
    {
      name: 'groups',
      x: [2, 4, 5, 6],
      w: [6, 2, 3, 2],
      stride: [1, 2],
      padLow: [1, 0],
      padHigh: [0, 1],
      lhsDilation: [1, 1],
      rhsDilation: [1, 2],
      groups: 2,
    },
    {
      name: 'a dilated input, cut at the sides',
      x: [1, 2, 4, 3],
      w: [2, 2, 2, 3],
      stride: [1, 1],
      padLow: [-1, 1],
      padHigh: [2, -1],
      lhsDilation: [3, 2],
      rhsDilation: [1, 1],
      groups: 1,
    },
    {
      name: 'three axes',
      x: [1, 2, 3, 4, 3],
      w: [3, 1, 2, 2, 3],
      stride: [1, 1, 1],
      padLow: [0, 1, 0],
      padHigh: [1, 0, 0],
      lhsDilation: [1, 1, 1],
      rhsDilation: [1, 1, 1],
      groups: 1,
    },
    {
      name: 'a kernel that does not fit',
      x: [1, 1, 2],
      w: [1, 1, 3],
      stride: [1],
      padLow: [0],
      padHigh: [0],
      lhsDilation: [1],
      rhsDilation: [1],
      groups: 1,
    },
  ]
  it.each(cases)('equals its body with $name', ({ x, w, ...attrs }) => {
    const fitting = attrs.groups === 1 ? [w[0], x[1], ...w.slice(2)] : w
    const operands = [noisy(x, { seed: 5 }), noisy(fitting, { seed: 6 })] as const
    expectSame([convBody(...operands, attrs)], [convOf(...operands, attrs)])
    expect(convExtent(attrs, 0, x[2], w[2])).toBe(convBody(...operands, attrs).shape[2])
  })
})

describe('running folds', () => {
  const kinds = ['sum', 'prod', 'max', 'min'] as const
  const cases = kinds.flatMap((kind) =>
    [false, true].flatMap((exclusive) => [false, true].map((reverse) => ({ kind, exclusive, reverse }))),
  )
  it.each(cases)('equal their body: $kind, exclusive $exclusive, reverse $reverse', (attrs) => {
    for (const x of [
      noisy([3, 7, 2], { seed: 7 }),
      integers([3, 7, 2], -5, 5, 3),
      integers([3, 1, 2], 0, 9, 4, 'u32'),
      zeros([3, 0, 2]),
    ])
      expectSame([cumulativeBody(x, { ...attrs, axis: 1 })], [cumulativeOf(x, { ...attrs, axis: 1 })])
  })
})

describe('products with quantised weights', () => {
  it.each(QUANT_FORMATS)('equal products with the dequantised weight (%s)', (format) => {
    const [N, K, group] = [5, 96, 32]
    const arrays = quantize(noise(N * K, 11, 2), [N, K], format, group)
    const parts = [
      tensor(arrays.packed, { shape: [N, format === 'int8' ? K : K / 2] }),
      tensor(arrays.scale, { shape: [N, K / group] }),
      ...(arrays.zero === undefined ? [] : [tensor(arrays.zero, { shape: [N, K / group] })]),
    ]
    const wide = Array.from(dequantize(arrays))
    expect(distance(exact(dequantizeOf(parts, format, group)), wide)).toBeLessThan(1e-7)
    const x = noise(3 * K, 12)
    const attrs = { format, group, activations: 'f32', outFeatures: N } as const
    const want = Array.from({ length: 3 * N }, (_, at) => {
      const [row, column] = [Math.floor(at / N), at % N]
      return wide.slice(column * K, (column + 1) * K).reduce((sum, w, k) => sum + w * x[row * K + k], 0)
    })
    expect(distance(exact(quantMatmulBody(tensor(x, { shape: [3, K] }), parts, attrs)), want)).toBeLessThan(1e-6)
    checkGrad((operand) => quantMatmulBody(operand, parts, attrs), [input([1, K], 13)])
  })
})

describe('rows in groups', () => {
  it.each([[[0, 2, 2, 5]], [[1, 3, 4, 4]], [[-2, 3, 1, 9]], [[6, 6, 6, 6]]])(
    'equal their body with offsets %j',
    (limits) => {
      const offsets = tensor(limits, { dtype: 'i32' })
      const hidden = (n: number): number => (n < limits[0] || n >= Math.max(...limits) ? NaN : 1)
      const a = noisy([6, 3], { seed: 1 })
      const poisoned = tensor(
        Array.from(exact(a), (x, k) => x * hidden(Math.floor(k / 3))),
        { shape: [6, 3] },
      )
      const [stack, rows] = [noisy([3, 3, 4], { seed: 2 }), noisy([6, 4], { seed: 3 })]
      for (const x of [a, poisoned]) {
        expectSame([groupedMatmulBody(x, stack, offsets, 'columns')], [groupedMatmulOf(x, stack, offsets, 'columns')])
        expectSame([groupedMatmulBody(x, rows, offsets, 'rows')], [groupedMatmulOf(x, rows, offsets, 'rows')])
      }
    },
  )
})

it('quantised rows in groups equal their body', () => {
  const [E, N, K] = [3, 4, 64]
  const arrays = quantize(noise(E * N * K, 5), [E * N, K], 'int4', 32)
  const weight = [
    tensor(arrays.packed, { shape: [E * N, K / 2] }),
    tensor(arrays.scale, { shape: [E * N, 2] }),
    tensor(arrays.zero!, { shape: [E * N, 2] }),
  ]
  const attrs = { format: 'int4', group: 32, activations: 'f32', outFeatures: N } as const
  const x = noisy([6, K], { seed: 6 })
  for (const limits of [
    [0, 2, 2, 5],
    [1, 3, 4, 9],
  ]) {
    const offsets = tensor(limits, { dtype: 'i32' })
    expectSame([groupedQuantMatmulBody(x, weight, offsets, attrs)], [groupedQuantMatmulOf(x, weight, offsets, attrs)])
  }
})

it('exists for every routine but sort', () => {
  expect(Object.keys(primitiveBodies).sort()).toEqual([
    'attention',
    'attentionGrad',
    'conv',
    'cumulative',
    'groupedMatmul',
    'groupedQuantMatmul',
    'quantMatmul',
  ])
})
