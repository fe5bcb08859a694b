import { describe, expect, it } from 'vitest'
import type { LoopStep, Program, RoutineAttrs, RoutineName, RoutineStep } from '../src/program/ir.js'
import { NF4_LEVELS } from '../src/program/quant.js'
import { openReference } from '../src/reference/openReference.js'
import { sizeOf } from '../src/shape.js'
import { compare, FINITE_DIFFERENCES, FLOAT64 } from '../src/testing/tolerances.js'
import {
  access,
  array,
  denseView,
  element,
  fused,
  input,
  load,
  output,
  program,
  routine,
  runOnce,
  slot,
  store,
  temp,
  type HostArray,
} from './referencePrograms.js'

const exact = openReference()
const wide = openReference({ float64: true })

type Result = Pick<HostArray, 'dtype' | 'shape'>

const run = (name: RoutineName, attrs: RoutineAttrs, operands: HostArray[], results: Result[]): Promise<number[][]> =>
  runOnce(
    exact,
    routine(name, attrs, operands, results),
    operands.map(({ values }) => values),
  )

const run64 = (name: RoutineName, attrs: RoutineAttrs, operands: HostArray[], results: Result[]): Promise<number[][]> =>
  runOnce(
    wide,
    routine(name, attrs, operands, results, true),
    operands.map(({ values }) => values),
  )

const numbers = (shape: readonly number[], seed: number): HostArray =>
  array(
    'f32',
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed + i * 1.7)),
  )

describe('reference matmul', () => {
  it('takes any strides: a transposed operand, and a batch axis of stride 0', async () => {
    // a [2, 2, 3] · b [3, 2] stored transposed and shared by both batches
    const slots = [slot('f32', 12, input(0)), slot('f32', 6, input(1)), slot('f32', 8, output(0))]
    const step: RoutineStep = {
      kind: 'routine',
      name: 'matmul',
      attrs: {},
      operands: [
        denseView(0, 'f32', [2, 2, 3]),
        { slot: 1, dtype: 'f32', shape: [2, 3, 2], strides: [0, 1, 3], offset: 0 },
      ],
      results: [denseView(2, 'f32', [2, 2, 2])],
    }
    const a = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    expect(await runOnce(exact, program(slots, [step]), [a, [1, 0, 1, 0, 1, 0]])).toEqual([
      [4, 2, 10, 5, 16, 8, 22, 11],
    ])
  })

  it('wraps i32 and rounds f32 once', async () => {
    const i32 = [array('i32', [1, 2], [2147483647, 2147483647]), array('i32', [2, 1], [2147483647, 1])]
    expect(await run('matmul', {}, i32, [{ dtype: 'i32', shape: [1, 1] }])).toEqual([[-2147483648]])
    const f32 = [array('f32', [1, 3], [1e8, 1, -1e8]), array('f32', [3, 1], [1, 1, 1])]
    expect(await run('matmul', {}, f32, [{ dtype: 'f32', shape: [1, 1] }])).toEqual([[1]])
  })

  it('runs its epilogue over the finished result', async () => {
    const operands = [numbers([2, 3], 1), numbers([3, 2], 2)]
    const made = routine('matmul', {}, operands, [{ dtype: 'f32', shape: [2, 2] }])
    const epilogue = fused({
      outer: [2],
      inner: 2,
      exprs: [load(0, 'f32', access([2, 1])), { op: 'neg', type: 'f32', ...element, args: [0] }],
      stores: [store(0, 'f32', access([2, 1]), 1)],
      operands: [2],
    })
    const negated: Program = { ...made, steps: [{ ...(made.steps[0] as RoutineStep), epilogue }] }
    const values = operands.map((operand) => operand.values)
    const [plain] = await runOnce(exact, made, values)
    expect(await runOnce(exact, negated, values)).toEqual([plain.map((value) => -value)])
  })
})

describe('reference quantMatmul', () => {
  it('unpacks every format as quant.ts says', async () => {
    const K = 32
    const q = Array.from({ length: K }, (_, k) => (k * 7) % 16)
    const packed = Array.from({ length: 16 }, (_, j) => q[j] | (q[j + 16] << 4))
    const identity = array(
      'f32',
      [K, K],
      Array.from({ length: K * K }, (_, i) => Number(i % (K + 1) === 0)),
    )
    const weights = async (format: string, weight: HostArray, ...more: HostArray[]): Promise<number[]> => {
      const attrs = { format, group: 16, activations: 'f32' }
      const operands = [identity, weight, array('f32', [1, 2], [2, 0.5]), ...more]
      return (await run('quantMatmul', attrs, operands, [{ dtype: 'f32', shape: [K, 1] }]))[0]
    }
    const scale = (k: number): number => (k < 16 ? 2 : 0.5)
    const four = array('u8', [1, 16], packed)
    expect(await weights('int4', four, array('u8', [1, 2], [3, 15]))).toEqual(
      q.map((v, k) => (v - (k < 16 ? 3 : 15)) * scale(k)),
    )
    expect(await weights('int4sym', four)).toEqual(q.map((v, k) => (v - 8) * scale(k)))
    expect(await weights('nf4', four)).toEqual(q.map((v, k) => Math.fround(NF4_LEVELS[v] * scale(k))))
    const int8 = q.map((v) => v * 9 - 70)
    expect(await weights('int8', array('i8', [1, K], int8))).toEqual(int8.map((v, k) => v * scale(k)))
  })
})

describe('reference conv', () => {
  const attrs = { stride: [1], padLow: [0], padHigh: [0], lhsDilation: [1], rhsDilation: [1], groups: 1 }
  const x = array('f32', [1, 1, 5], [1, 2, 3, 4, 5])
  const w = array('f32', [1, 1, 2], [10, 1])
  const conv = async (changes: RoutineAttrs, size: number, input2 = x, weight = w, channels = 1): Promise<number[]> =>
    (await run('conv', { ...attrs, ...changes }, [input2, weight], [{ dtype: 'f32', shape: [1, channels, size] }]))[0]

  it('slides, strides, pads and dilates', async () => {
    expect(await conv({}, 4)).toEqual([12, 23, 34, 45])
    expect(await conv({ stride: [2] }, 2)).toEqual([12, 34])
    expect(await conv({ padLow: [1], padHigh: [1] }, 6)).toEqual([1, 12, 23, 34, 45, 50])
    expect(await conv({ rhsDilation: [2] }, 3)).toEqual([13, 24, 35])
    expect(await conv({ lhsDilation: [2] }, 8)).toEqual([10, 2, 20, 3, 30, 4, 40, 5])
    expect(await conv({ padLow: [-1] }, 3)).toEqual([23, 34, 45])
  })

  it('keeps groups apart, in two dimensions too', async () => {
    const grouped = await conv(
      { groups: 2 },
      1,
      array('f32', [1, 2, 2], [1, 2, 3, 4]),
      array('f32', [2, 1, 2], [1, 1, 1, 10]),
      2,
    )
    expect(grouped).toEqual([3, 43])
    const flat = {
      stride: [1, 1],
      padLow: [0, 1],
      padHigh: [0, 0],
      lhsDilation: [1, 1],
      rhsDilation: [1, 1],
      groups: 1,
    }
    const image = array('f32', [1, 1, 2, 2], [1, 2, 3, 4])
    const kernel = array('f32', [1, 1, 2, 2], [1, 10, 100, 1000])
    expect(await run('conv', flat, [image, kernel], [{ dtype: 'f32', shape: [1, 1, 1, 2] }])).toEqual([[3010, 4321]])
  })
})

describe('reference lines', () => {
  const x = array('f32', [2, 3], [1, 2, 3, 4, 5, 6])

  it('adds updates in order and drops those out of range', async () => {
    const index = array('i32', [2, 2], [2, 2, -1, 3])
    const updates = array('f32', [2, 2], [10, 20, 30, 40])
    const shape = [{ dtype: 'f32', shape: [2, 3] }] as const
    expect(await run('scatterAdd', { axis: 1 }, [x, index, updates], [...shape])).toEqual([[1, 2, 33, 4, 5, 6]])
    const rows = array('i32', [2, 3], [1, 0, 1, 1, 0, 0])
    const ones = array('f32', [2, 3], [1, 1, 1, 1, 1, 1])
    expect(await run('scatterAdd', { axis: 0 }, [x, rows, ones], [...shape])).toEqual([[1, 4, 4, 6, 5, 7]])
  })

  it('sorts stably with NaN last, and first when descending', async () => {
    const values = array('f32', [6], [3, NaN, 1, 3, -Infinity, 1])
    const results: Result[] = [
      { dtype: 'f32', shape: [6] },
      { dtype: 'i32', shape: [6] },
    ]
    expect(await run('sort', { axis: 0, descending: false }, [values], results)).toEqual([
      [-Infinity, 1, 1, 3, 3, NaN],
      [4, 2, 5, 0, 3, 1],
    ])
    expect(await run('sort', { axis: 0, descending: true }, [values], results)).toEqual([
      [NaN, 3, 3, 1, 1, -Infinity],
      [1, 0, 3, 2, 5, 4],
    ])
  })

  it('accumulates along any axis, exclusive and from the end', async () => {
    const result: Result[] = [{ dtype: 'f32', shape: [2, 3] }]
    const cumulative = async (kind: string, axis: number, exclusive = false, reverse = false): Promise<number[]> =>
      (await run('cumulative', { kind, axis, exclusive, reverse }, [x], result))[0]
    expect(await cumulative('sum', 1)).toEqual([1, 3, 6, 4, 9, 15])
    expect(await cumulative('sum', 1, true)).toEqual([0, 1, 3, 0, 4, 9])
    expect(await cumulative('sum', 1, true, true)).toEqual([5, 3, 0, 11, 6, 0])
    expect(await cumulative('prod', 0)).toEqual([1, 2, 3, 4, 10, 18])
    expect(await cumulative('max', 1, true)).toEqual([-Infinity, 1, 2, -Infinity, 4, 5])
    expect(
      await run(
        'cumulative',
        { kind: 'sum', axis: 0, exclusive: false, reverse: false },
        [array('u8', [2], [200, 100])],
        [{ dtype: 'u8', shape: [2] }],
      ),
    ).toEqual([[200, 44]])
  })

  it('copies a strided view dense', async () => {
    const step: RoutineStep = {
      kind: 'routine',
      name: 'copy',
      attrs: {},
      operands: [{ slot: 0, dtype: 'f32', shape: [3, 2], strides: [-1, 3], offset: 2 }],
      results: [denseView(1, 'f32', [3, 2])],
    }
    const made = program([slot('f32', 6, input(0)), slot('f32', 6, output(0))], [step])
    expect(await runOnce(exact, made, [x.values])).toEqual([[3, 6, 2, 5, 1, 4]])
  })
})

describe('reference attention', () => {
  const B = 1,
    H = 2,
    G = 1,
    T = 3,
    S = 4,
    D = 2,
    E = 3
  const q = numbers([B, H, T, D], 1)
  const k = numbers([B, G, S, D], 2)
  const v = numbers([B, G, S, E], 3)
  const forward: Result[] = [
    { dtype: 'f32', shape: [B, H, T, E] },
    { dtype: 'f32', shape: [B, H, T] },
  ]
  const plain = { causal: 'none', scale: 0.7, mask: 'none', hasLength: false }

  /** Weights by the definition for one row, over the keys that `sees` allows. */
  function rowByHand(h: number, t: number, sees: (s: number) => boolean): number[] {
    const keys = [0, 1, 2, 3].filter(sees)
    const scores = keys.map((s) =>
      Math.exp(
        0.7 * (q.values[(h * T + t) * D] * k.values[s * D] + q.values[(h * T + t) * D + 1] * k.values[s * D + 1]),
      ),
    )
    const total = scores.reduce((sum, score) => sum + score, 0)
    return [0, 1, 2].map((e) => keys.reduce((sum, s, i) => sum + (scores[i] / total) * v.values[s * E + e], 0))
  }

  function expectRows(out: readonly number[], sees: (t: number, s: number) => boolean): void {
    const want = [0, 1].flatMap((h) => [0, 1, 2].flatMap((t) => rowByHand(h, t, (s) => sees(t, s))))
    expect(compare(out, want, FLOAT64).message).toMatch(/^0 of|equal/)
  }

  it('shares key heads and masks by position', async () => {
    expectRows((await run64('attention', plain, [q, k, v], forward))[0], () => true)
    expectRows((await run64('attention', { ...plain, causal: 'topLeft' }, [q, k, v], forward))[0], (t, s) => s <= t)
    expectRows(
      (await run64('attention', { ...plain, causal: 'bottomRight' }, [q, k, v], forward))[0],
      (t, s) => s <= t + 1,
    )
  })

  it('takes masks that broadcast and a number of keys in use', async () => {
    const mask = array('bool', [1, 1, 1, S], [1, 0, 1, 1])
    expectRows((await run64('attention', { ...plain, mask: 'bool' }, [q, k, v, mask], forward))[0], (_, s) => s !== 1)
    const length = array('i32', [], [2])
    const limited = { ...plain, mask: 'bool', hasLength: true }
    expectRows((await run64('attention', limited, [q, k, v, mask, length], forward))[0], (_, s) => s === 0)
    const added = array(
      'f32',
      [1, 1, T, S],
      Array.from({ length: T * S }, (_, i) => (i % S === 2 ? -Infinity : 0)),
    )
    expectRows((await run64('attention', { ...plain, mask: 'float' }, [q, k, v, added], forward))[0], (_, s) => s !== 2)
  })

  it('gives zeros and lse = -Infinity for a row that sees nothing, and no gradient', async () => {
    const mask = array('bool', [1, 1, T, 1], [1, 0, 1])
    const attrs = { ...plain, mask: 'bool' }
    const [out, lse] = await run64('attention', attrs, [q, k, v, mask], forward)
    expect(out.slice(3, 6)).toEqual([0, 0, 0])
    expect([lse[1], lse[4]]).toEqual([-Infinity, -Infinity])
    const [outArray, lseArray] = [array('f32', forward[0].shape, out), array('f32', forward[1].shape, lse)]
    const back = [q, k, v].map(({ dtype, shape }) => ({ dtype, shape }))
    const [dq] = await run64(
      'attentionGrad',
      attrs,
      [q, k, v, outArray, lseArray, numbers([B, H, T, E], 9), mask],
      back,
    )
    expect(dq.slice(2, 4)).toEqual([0, 0])
    expect(dq.some(Number.isNaN)).toBe(false)
  })

  it('has gradients that agree with finite differences', async () => {
    const attrs = { ...plain, causal: 'bottomRight' }
    const dout = numbers([B, H, T, E], 9)
    const loss = async (operands: HostArray[]): Promise<number> => {
      const [out] = await run64('attention', attrs, operands, forward)
      return out.reduce((sum, value, i) => sum + value * dout.values[i], 0)
    }
    const [out, lse] = await run64('attention', attrs, [q, k, v], forward)
    const operands = [q, k, v, array('f32', forward[0].shape, out), array('f32', forward[1].shape, lse), dout]
    const back = [q, k, v].map(({ dtype, shape }) => ({ dtype, shape }))
    const gradients = await run64('attentionGrad', attrs, operands, back)
    const { step } = FINITE_DIFFERENCES
    for (const [which, operand] of [q, k, v].entries()) {
      const differences: number[] = []
      for (let i = 0; i < operand.values.length; i++) {
        const moved = (by: number): HostArray[] =>
          [q, k, v].map((other, n) =>
            n === which ? { ...other, values: other.values.map((value, j) => value + (j === i ? by : 0)) } : other,
          )
        differences.push(((await loss(moved(step))) - (await loss(moved(-step)))) / (2 * step))
      }
      expect(compare(gradients[which], differences, FINITE_DIFFERENCES).message).toMatch(/^0 of|equal/)
    }
  })
})

describe('reference loops', () => {
  /** carry' = carry · 2 + slice; both are also stacked. */
  const body = program(
    [
      slot('f32', 1, input(0)),
      slot('f32', 1, input(1)),
      slot('f32', 1, output(0)),
      slot('f32', 1, output(1)),
      slot('f32', 1, temp(0)),
    ],
    [
      fused({
        exprs: [load(0, 'f32', access([0])), { op: 'add', type: 'f32', ...element, args: [0, 0] }],
        stores: [store(1, 'f32', access([0]), 1)],
        operands: [0, 4],
      }),
      fused({
        exprs: [
          load(0, 'f32', access([0])),
          load(1, 'f32', access([0])),
          { op: 'add', type: 'f32', ...element, args: [0, 1] },
        ],
        stores: [store(2, 'f32', access([0]), 2), store(3, 'f32', access([0]), 2)],
        operands: [4, 1, 2, 3],
      }),
    ],
  )

  function loop(trips: number, reverse: boolean): Program {
    const slots = [
      slot('f32', 1, input(0)),
      slot('f32', 4, input(1)),
      slot('f32', 1, output(0)),
      slot('f32', trips, output(1)),
      slot('f32', 1, temp(0)),
      slot('f32', 1, temp(4)),
    ]
    const step: LoopStep = {
      kind: 'loop',
      trips,
      reverse,
      body,
      arenaOffset: 8,
      inputs: [
        { kind: 'carry', carry: 0 },
        { kind: 'slice', slot: 1, elements: 1 },
      ],
      outputs: [
        { kind: 'carry', carry: 0 },
        { kind: 'slice', slot: 3, elements: 1 },
      ],
      carries: [{ init: 0, final: 2, buffers: [4, 5] }],
    }
    return { ...program(slots, [step]), arenaBytes: 12 }
  }

  it('carries values, cuts slices, stacks results', async () => {
    expect(await runOnce(exact, loop(4, false), [[1], [1, 2, 3, 4]])).toEqual([[42], [3, 8, 19, 42]])
    expect(await runOnce(exact, loop(4, true), [[1], [1, 2, 3, 4]])).toEqual([[65], [65, 32, 15, 6]])
    expect(await runOnce(exact, loop(1, false), [[1], [1, 2, 3, 4]])).toEqual([[3], [3]])
  })

  it('hands the carry on in a loop of no trips', async () => {
    expect(await runOnce(exact, loop(0, false), [[7], [1, 2, 3, 4]])).toEqual([[7], []])
  })
})
