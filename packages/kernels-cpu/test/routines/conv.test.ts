import type { DType } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { planConv } from '../../src/routines/conv.js'
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

interface Attrs {
  readonly stride: readonly number[]
  readonly padLow: readonly number[]
  readonly padHigh: readonly number[]
  readonly lhsDilation: readonly number[]
  readonly rhsDilation: readonly number[]
  readonly groups: number
}

function outputShape(x: readonly number[], w: readonly number[], attrs: Attrs): number[] {
  const spatial = x.slice(2).map((input, axis) => {
    const dilated = input === 0 ? 0 : (input - 1) * attrs.lhsDilation[axis] + 1
    const kernel = (w[axis + 2] - 1) * attrs.rhsDilation[axis] + 1
    const free = dilated + attrs.padLow[axis] + attrs.padHigh[axis] - kernel
    return free < 0 ? 0 : Math.floor(free / attrs.stride[axis]) + 1
  })
  return [x[0], w[0], ...spatial]
}

function indexOf(shape: readonly number[], position: number): number[] {
  const index = new Array<number>(shape.length)
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = position % shape[axis]
    position = Math.floor(position / shape[axis])
  }
  return index
}

function positionOf(shape: readonly number[], index: readonly number[]): number {
  return shape.reduce((sum, extent, axis) => sum * extent + index[axis], 0)
}

/** Value and Σ|terms| of one element in float64. */
function exactAt(x: Values, w: Values, attrs: Attrs, out: readonly number[]): [number, number] {
  const [n, o, ...position] = out
  const kernelShape = w.shape.slice(1)
  const group = Math.floor(o / (w.shape[0] / attrs.groups))
  let sum = 0
  let scale = 1e-30
  for (let tap = 0; tap < product(kernelShape); tap++) {
    const [c, ...k] = indexOf(kernelShape, tap)
    const dilated = position.map((p, a) => p * attrs.stride[a] - attrs.padLow[a] + k[a] * attrs.rhsDilation[a])
    if (dilated.some((d, a) => d < 0 || d % attrs.lhsDilation[a] !== 0)) continue
    const at = dilated.map((d, a) => d / attrs.lhsDilation[a])
    if (at.some((i, a) => i >= x.shape[a + 2])) continue
    const term =
      x.data[positionOf(x.shape, [n, group * kernelShape[0] + c, ...at])] * w.data[positionOf(w.shape, [o, c, ...k])]
    sum += term
    scale += Math.abs(term)
  }
  return [sum, scale]
}

function conv(x: Values, w: Values, attrs: Attrs, layouts: readonly Layout[] = [], seed = 1, relaxed = true): Values {
  const [result] = runRoutine(
    {
      name: 'conv',
      planner: planConv,
      attrs: { ...attrs },
      operands: [
        { values: x, layout: layouts[0] },
        { values: w, layout: layouts[1] },
      ],
      results: [{ dtype: x.dtype, shape: outputShape(x.shape, w.shape, attrs) }],
    },
    { random: randomSource(seed), relaxed },
  )
  return result
}

const UNIT: Partial<Record<DType, number>> = { f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 }

function expectClose(result: Values, x: Values, w: Values, attrs: Attrs): void {
  const depth = product(w.shape.slice(1))
  for (let position = 0; position < product(result.shape); position++) {
    const [exact, scale] = exactAt(x, w, attrs, indexOf(result.shape, position))
    const error = Math.abs(result.data[position] - exact) / scale
    expect(error).toBeLessThanOrEqual((depth + 1) * 2 ** -24 + (UNIT[x.dtype] as number))
  }
}

function plain(rank: number): Attrs {
  const all = (value: number) => new Array<number>(rank).fill(value)
  return { stride: all(1), padLow: all(0), padHigh: all(0), lhsDilation: all(1), rhsDilation: all(1), groups: 1 }
}

describe('conv', () => {
  it('agrees with float64 for random windows, dilations, groups, dtypes and strides', () => {
    const random = randomSource(1)
    const small = (low: number, high: number, rank: number) =>
      Array.from({ length: rank }, () => randomInteger(random, low, high))
    for (let trial = 0; trial < 150; trial++) {
      const rank = randomInteger(random, 1, 3)
      const groups = randomInteger(random, 1, 3)
      const dtype = (['f32', 'f32', 'f16', 'bf16'] as const)[trial % 4]
      const attrs = {
        stride: small(1, 3, rank),
        padLow: small(-1, 2, rank),
        padHigh: small(-1, 2, rank),
        lhsDilation: trial % 3 ? small(1, 1, rank) : small(1, 3, rank),
        rhsDilation: small(1, 2, rank),
        groups,
      }
      const xShape = [randomInteger(random, 1, 3), groups * randomInteger(random, 1, 3), ...small(1, 9, rank)]
      const wShape = [groups * randomInteger(random, 1, 6), xShape[1] / groups, ...small(1, 3, rank)]
      const x = randomValues(dtype, xShape, random)
      const w = randomValues(dtype, wShape, random)
      const layouts = trial % 2 ? [] : [randomLayout(xShape, random), randomLayout(wShape, random)]
      expectClose(conv(x, w, attrs, layouts, trial, trial % 5 !== 0), x, w, attrs)
    }
  })

  it('crosses blocks of columns, rows and depth', () => {
    const random = randomSource(2)
    const attrs = { ...plain(2), padLow: [1, 1], padHigh: [1, 1] }
    const x = randomValues('f32', [2, 33, 13, 15], random)
    const w = randomValues('f32', [70, 33, 3, 3], random)
    expectClose(conv(x, w, attrs), x, w, attrs)
  })

  it('gives the same bits for every split and layout', () => {
    const random = randomSource(3)
    const attrs = { ...plain(2), stride: [2, 1], padLow: [1, 0], padHigh: [0, 2] }
    const x = randomValues('f32', [2, 30, 9, 17], random)
    const w = randomValues('f32', [21, 30, 3, 3], random)
    const expected = conv(x, w, attrs)
    for (let seed = 0; seed < 6; seed++) {
      const layouts = [randomLayout(x.shape, random), randomLayout(w.shape, random)]
      expect(conv(x, w, attrs, layouts, seed).data).toEqual(expected.data)
    }
    const samplesLast = [permutedLayout(x.shape, [1, 2, 3, 0]), permutedLayout(w.shape, [1, 0, 2, 3])]
    expect(conv(x, w, attrs, samplesLast).data).toEqual(expected.data)
    const first = { ...x, shape: [1, 30, 9, 17], data: x.data.slice(0, x.data.length / 2) }
    expect(conv(first, w, attrs).data).toEqual(expected.data.slice(0, expected.data.length / 2))
  })

  it('is a product when the kernel is 1×1', () => {
    const random = randomSource(4)
    for (const dtype of ['f32', 'bf16'] as const) {
      const x = randomValues(dtype, [3, 40, 5, 7], random)
      const w = randomValues(dtype, [22, 40, 1, 1], random)
      const result = conv(x, w, plain(2))
      expectClose(result, x, w, plain(2))
      expect(conv(x, w, plain(2), [permutedLayout(x.shape, [1, 0, 3, 2])]).data).toEqual(result.data)
    }
  })

  it('runs one filter per channel', () => {
    const random = randomSource(5)
    const attrs = { ...plain(2), groups: 12, padLow: [1, 1], padHigh: [1, 1] }
    const x = randomValues('f32', [2, 12, 20, 21], random)
    const w = randomValues('f32', [12, 1, 3, 3], random)
    expectClose(conv(x, w, attrs), x, w, attrs)
  })

  it('computes its own gradient to the weights from transposed views', () => {
    const random = randomSource(6)
    // dw[o, c, k] = Σ over n and positions of dout[n, o, p] x[n, c, p + k]: samples become channels.
    const x = randomValues('f32', [5, 6, 8, 9], random)
    const dout = randomValues('f32', [4, 6, 6, 7], random)
    const layouts = [permutedLayout(x.shape, [1, 0, 2, 3]), permutedLayout(dout.shape, [1, 0, 2, 3])]
    const result = conv(x, dout, plain(2), layouts)
    expect(result.shape).toEqual([5, 4, 3, 3])
    expectClose(result, x, dout, plain(2))
  })

  it('gives zeros when there are no channels and nothing when there is no output', () => {
    const empty = { dtype: 'f32' as const, shape: [1, 0, 3], data: new Float64Array(0) }
    const none = { dtype: 'f32' as const, shape: [2, 0, 2], data: new Float64Array(0) }
    expect(conv(empty, none, plain(1)).data).toEqual(new Float64Array(4))
    const x = randomValues('f32', [1, 1, 2], randomSource(7))
    const wide = randomValues('f32', [1, 1, 3], randomSource(8))
    expect(conv(x, wide, plain(1)).shape).toEqual([1, 1, 0])
  })
})
