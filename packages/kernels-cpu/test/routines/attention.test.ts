import type { DType } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { planAttention, planAttentionGrad } from '../../src/routines/attention.js'
import { product } from '../../src/routines/views.js'
import {
  type Layout,
  type Values,
  randomInteger,
  randomLayout,
  randomSource,
  randomValues,
  runRoutine,
  values,
} from './harness.js'

interface Problem {
  readonly q: Values
  readonly k: Values
  readonly v: Values
  readonly causal: 'none' | 'topLeft' | 'bottomRight'
  readonly scale: number
  readonly mask?: Values
  /** The mask repeated to [B, H, T, S]. */
  readonly fullMask?: Float64Array
  readonly length?: number
}

interface Sizes {
  readonly B: number
  readonly H: number
  readonly G: number
  readonly T: number
  readonly S: number
  readonly D: number
  readonly E: number
}

function randomProblem(
  sizes: Sizes,
  dtype: DType,
  random: () => number,
  options: Partial<Problem> & { maskKind?: 'bool' | 'float' } = {},
): Problem {
  const { B, H, G, T, S, D, E } = sizes
  const wide = (shape: number[]) => {
    const base = randomValues(dtype, shape, random)
    return values(dtype, shape, (at) => 2 * base.data[at])
  }
  const { maskKind, ...rest } = options
  let mask: Values | undefined
  let fullMask: Float64Array | undefined
  if (maskKind !== undefined) {
    const shape = [B, H, T, S].map((extent) => (random() < 0.4 ? 1 : extent))
    mask =
      maskKind === 'bool'
        ? values('bool', shape, () => Number(random() < 0.7))
        : values('f32', shape, () => (random() < 0.2 ? -Infinity : random() * 4 - 2))
    const source = mask
    fullMask = new Float64Array(B * H * T * S).map((_, at) => {
      const index = [Math.floor(at / (H * T * S)), Math.floor(at / (T * S)) % H, Math.floor(at / S) % T, at % S]
      return source.data[shape.reduce((sum, extent, axis) => sum * extent + (extent === 1 ? 0 : index[axis]), 0)]
    })
  }
  return {
    q: wide([B, H, T, D]),
    k: wide([B, G, S, D]),
    v: wide([B, G, S, E]),
    causal: 'none',
    scale: 1 / Math.sqrt(D),
    mask,
    fullMask,
    ...rest,
  }
}

function attrsOf({ causal, scale, mask }: Problem) {
  const kind = mask === undefined ? 'none' : mask.dtype === 'bool' ? 'bool' : 'float'
  return { causal, scale, mask: kind }
}

interface Operand {
  readonly values: Values
  readonly layout?: Layout
}

function optional({ mask, length }: Problem): Operand[] {
  const operands: Operand[] = []
  if (mask !== undefined) operands.push({ values: mask })
  if (length !== undefined) operands.push({ values: values('i32', [], () => length) })
  return operands
}

interface Run {
  readonly random?: () => number
  /** Random layouts of the operands when given. */
  readonly layouts?: () => number
  readonly relaxed?: boolean
}

function placed(operand: Values, run: Run): Operand {
  return { values: operand, layout: run.layouts && randomLayout(operand.shape, run.layouts) }
}

function attention(problem: Problem, run: Run = {}): Values[] {
  const { q, k, v } = problem
  const [B, H, T] = q.shape
  return runRoutine(
    {
      name: 'attention',
      planner: planAttention,
      attrs: attrsOf(problem),
      operands: [placed(q, run), placed(k, run), placed(v, run), ...optional(problem)],
      results: [
        { dtype: q.dtype, shape: [B, H, T, v.shape[3]] },
        { dtype: 'f32', shape: [B, H, T] },
      ],
    },
    { random: run.random ?? randomSource(1), relaxed: run.relaxed },
  )
}

function attentionGrad(problem: Problem, out: Values, lse: Values, dout: Values, run: Run = {}): Values[] {
  const { q, k, v } = problem
  return runRoutine(
    {
      name: 'attentionGrad',
      planner: planAttentionGrad,
      attrs: attrsOf(problem),
      operands: [...[q, k, v, out, lse, dout].map((operand) => placed(operand, run)), ...optional(problem)],
      results: [q, k, v].map(({ dtype, shape }) => ({ dtype, shape })),
    },
    { random: run.random ?? randomSource(1), relaxed: run.relaxed },
  )
}

/** Everything from the definition in float64: outputs, and gradients for `dout`. */
function exact({ q, k, v, causal, scale, mask, fullMask, length }: Problem, dout?: Float64Array) {
  const [B, H, T, D] = q.shape
  const [, G, S] = k.shape
  const E = v.shape[3]
  const used = Math.max(0, Math.min(length ?? S, S))
  const result = {
    out: new Float64Array(B * H * T * E),
    lse: new Float64Array(B * H * T),
    dq: new Float64Array(q.data.length),
    dk: new Float64Array(k.data.length),
    dv: new Float64Array(v.data.length),
  }
  for (let row = 0; row < B * H * T; row++) {
    const [t, h, b] = [row % T, Math.floor(row / T) % H, Math.floor(row / T / H)]
    const keyRow = (j: number) => (b * G + Math.floor(h / (H / G))) * S + j
    const last = causal === 'none' ? used : causal === 'topLeft' ? t + 1 : t + used - T + 1
    const scores = new Float64Array(S).fill(-Infinity)
    for (let j = 0; j < Math.min(used, last); j++) {
      if (mask?.dtype === 'bool' && !fullMask?.[row * S + j]) continue
      let dot = 0
      for (let d = 0; d < D; d++) dot += q.data[row * D + d] * k.data[keyRow(j) * D + d]
      scores[j] = dot * scale + (mask?.dtype === 'f32' ? (fullMask?.[row * S + j] ?? 0) : 0)
    }
    const top = Math.max(-Infinity, ...scores)
    if (top === -Infinity) {
      result.lse[row] = -Infinity
      continue
    }
    result.lse[row] = top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0))
    const weights = scores.map((score) => Math.exp(score - result.lse[row]))
    for (let j = 0; j < S; j++) {
      for (let e = 0; e < E; e++)
        result.out[row * E + e] += weights[j] === 0 ? 0 : weights[j] * v.data[keyRow(j) * E + e]
    }
    if (dout === undefined) continue
    let delta = 0
    for (let e = 0; e < E; e++) delta += dout[row * E + e] * result.out[row * E + e]
    for (let j = 0; j < S; j++) {
      if (weights[j] === 0) continue
      let dWeight = 0
      for (let e = 0; e < E; e++) {
        dWeight += dout[row * E + e] * v.data[keyRow(j) * E + e]
        result.dv[keyRow(j) * E + e] += weights[j] * dout[row * E + e]
      }
      const dScore = weights[j] * (dWeight - delta) * scale
      for (let d = 0; d < D; d++) {
        result.dq[row * D + d] += dScore * k.data[keyRow(j) * D + d]
        result.dk[keyRow(j) * D + d] += dScore * q.data[row * D + d]
      }
    }
  }
  return result
}

/** Relative to the largest element, which is what rounding in f32 (and once in a narrow dtype) allows. */
function expectClose(actual: Float64Array, wanted: Float64Array, tolerance: number): void {
  const scale = wanted.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 1e-3)
  expect(actual.length).toBe(wanted.length)
  for (let at = 0; at < wanted.length; at++) {
    if (actual[at] === wanted[at]) continue
    expect(Math.abs(actual[at] - wanted[at]) / scale).toBeLessThanOrEqual(tolerance)
  }
}

const TOLERANCE: Partial<Record<DType, number>> = { f32: 3e-6, f16: 2e-3, bf16: 1.2e-2 }

function randomSizes(random: () => number): Sizes {
  const G = randomInteger(random, 1, 3)
  return {
    B: randomInteger(random, 1, 2),
    G,
    H: G * randomInteger(random, 1, 3),
    T: randomInteger(random, 1, 40),
    S: randomInteger(random, 1, 50),
    D: randomInteger(random, 1, 20),
    E: randomInteger(random, 1, 20),
  }
}

describe('attention', () => {
  it('agrees with the definition for random sizes, masks, lengths, dtypes and strides', () => {
    const random = randomSource(1)
    for (let trial = 0; trial < 90; trial++) {
      const sizes = randomSizes(random)
      const dtype = (['f32', 'f32', 'f16', 'bf16'] as const)[trial % 4]
      const problem = randomProblem(sizes, dtype, random, {
        causal: (['none', 'topLeft', 'bottomRight'] as const)[trial % 3],
        maskKind: ([undefined, 'bool', 'float'] as const)[Math.floor(trial / 3) % 3],
        length: trial % 5 === 0 ? randomInteger(random, 0, sizes.S + 1) : undefined,
      })
      const run = { random, layouts: trial % 2 ? random : undefined, relaxed: trial % 7 !== 0 }
      const [out, lse] = attention(problem, run)
      const wanted = exact(problem)
      expectClose(lse.data, wanted.lse, 3e-6)
      expectClose(out.data, wanted.out, TOLERANCE[dtype] as number)
    }
  })

  it('crosses blocks of rows and keys', () => {
    const random = randomSource(2)
    for (const causal of ['none', 'topLeft', 'bottomRight'] as const) {
      const problem = randomProblem({ B: 1, H: 4, G: 2, T: 70, S: 300, D: 24, E: 16 }, 'f32', random, { causal })
      const [out, lse] = attention(problem)
      const wanted = exact(problem)
      expectClose(out.data, wanted.out, 3e-6)
      expectClose(lse.data, wanted.lse, 3e-6)
    }
  })

  it('gives zeros and -Infinity where a row sees nothing', () => {
    const random = randomSource(3)
    const problem = randomProblem({ B: 1, H: 1, G: 1, T: 5, S: 2, D: 4, E: 4 }, 'f32', random, {
      causal: 'bottomRight',
    })
    const [out, lse] = attention(problem)
    expect([...lse.data.slice(0, 3)]).toEqual([-Infinity, -Infinity, -Infinity])
    expect([...out.data.slice(0, 12)]).toEqual(new Array(12).fill(0))
    expect(Number.isFinite(lse.data[4])).toBe(true)
    const [none, noneLse] = attention({ ...problem, length: 0 })
    expect(none.data).toEqual(new Float64Array(20))
    expect(noneLse.data).toEqual(new Float64Array(5).fill(-Infinity))
  })

  it('never reads keys past the length', () => {
    const random = randomSource(4)
    const problem = randomProblem({ B: 1, H: 2, G: 1, T: 3, S: 20, D: 8, E: 8 }, 'f32', random, {
      length: 11,
      causal: 'bottomRight',
    })
    const poison = ({ dtype, shape, data }: Values): Values => ({
      dtype,
      shape,
      data: data.map((value, at) => (at % 160 >= 88 ? NaN : value)),
    })
    const poisoned = { ...problem, k: poison(problem.k), v: poison(problem.v) }
    expect(attention(poisoned)[0].data).toEqual(attention(problem)[0].data)
  })

  it('gives the same bits for every split and layout', () => {
    const random = randomSource(5)
    const problem = randomProblem({ B: 2, H: 3, G: 3, T: 67, S: 131, D: 16, E: 8 }, 'f32', random)
    const [out, lse] = attention(problem)
    for (let trial = 0; trial < 4; trial++) {
      const again = attention(problem, { random, layouts: random })
      expect(again[0].data).toEqual(out.data)
      expect(again[1].data).toEqual(lse.data)
    }
  })

  it('handles large scores without overflow and carries NaN', () => {
    const random = randomSource(6)
    const base = randomProblem({ B: 1, H: 1, G: 1, T: 4, S: 9, D: 4, E: 4 }, 'f32', random, { scale: 500 })
    const [out, lse] = attention(base)
    const wanted = exact(base)
    expectClose(out.data, wanted.out, 1e-3)
    expectClose(lse.data, wanted.lse, 1e-5)
    const q = values('f32', base.q.shape, (at) => (at === 5 ? NaN : base.q.data[at]))
    expect([...attention({ ...base, q })[0].data].map(Number.isNaN)).toEqual(
      Array.from({ length: 16 }, (_, at) => at >> 2 === 1),
    )
  })
})

describe('attentionGrad', () => {
  function gradients(problem: Problem, random: () => number, run: Run = {}) {
    const [out, lse] = attention(problem)
    const dout = randomValues(problem.q.dtype, out.shape, random)
    return { dout, out, lse, results: attentionGrad(problem, out, lse, dout, run) }
  }

  it('agrees with the definition for random sizes, masks, lengths, dtypes and strides', () => {
    const random = randomSource(11)
    for (let trial = 0; trial < 80; trial++) {
      const base = randomSizes(random)
      // Enough pairs for the one-stage plan in every second trial.
      const sizes = trial % 2 ? { ...base, B: 4, G: 2, H: 4, T: Math.min(base.T, 17) } : base
      const dtype = (['f32', 'f32', 'f16', 'bf16'] as const)[Math.floor(trial / 2) % 4]
      const problem = randomProblem(sizes, dtype, random, {
        causal: (['none', 'topLeft', 'bottomRight'] as const)[trial % 3],
        maskKind: ([undefined, 'bool', 'float'] as const)[Math.floor(trial / 3) % 3],
        length: trial % 5 === 0 ? randomInteger(random, 0, sizes.S) : undefined,
      })
      const run = { random, layouts: trial % 4 < 2 ? random : undefined, relaxed: trial % 7 !== 0 }
      const { dout, results } = gradients(problem, random, run)
      const wanted = exact(problem, dout.data)
      const tolerance = dtype === 'f32' ? 1e-5 : 2 * (TOLERANCE[dtype] as number)
      expectClose(results[0].data, wanted.dq, tolerance)
      expectClose(results[1].data, wanted.dk, tolerance)
      expectClose(results[2].data, wanted.dv, tolerance)
    }
  })

  it('crosses blocks of rows and keys, in one stage and in two', () => {
    const random = randomSource(12)
    for (const [B, G] of [
      [1, 2],
      [4, 2],
    ]) {
      const sizes = { B, H: 2 * G, G, T: 50, S: 130, D: 12, E: 9 }
      const problem = randomProblem(sizes, 'f32', random, { causal: 'bottomRight' })
      const { dout, out, lse, results } = gradients(problem, random)
      const wanted = exact(problem, dout.data)
      expectClose(results[0].data, wanted.dq, 1e-5)
      expectClose(results[1].data, wanted.dk, 1e-5)
      expectClose(results[2].data, wanted.dv, 1e-5)
      const again = attentionGrad(problem, out, lse, dout, { random, layouts: random })
      again.forEach((result, at) => expect(result.data).toEqual(results[at].data))
    }
  })

  it('gives zero gradients where nothing is seen', () => {
    const random = randomSource(13)
    const problem = randomProblem({ B: 1, H: 2, G: 1, T: 3, S: 4, D: 5, E: 6 }, 'f32', random, { length: 0 })
    const { results } = gradients(problem, random)
    for (const result of results) expect(result.data).toEqual(new Float64Array(product(result.shape)))
  })
})

it('exponentiates within 2 ulp, and to 0 below 2⁻¹²⁵', () => {
  const random = randomSource(20)
  // With one query of 1, keys x and lse 0, the gradient of value x is exp(x) · dout.
  const S = 3000
  const x = values('f32', [1, 1, S, 1], (at) => (at < 6 ? [0, -0, 88.7, -87.4, -103, -200][at] : random() * 190 - 102))
  const one = values('f32', [1, 1, 1, 1], () => 1)
  const problem: Problem = { q: one, k: x, v: values('f32', [1, 1, S, 1], () => 0), causal: 'none', scale: 1 }
  for (const relaxed of [true, false]) {
    const lse = values('f32', [1, 1, 1], () => 0)
    const [, , dv] = attentionGrad(problem, one, lse, one, { relaxed })
    for (let at = 0; at < S; at++) {
      const wanted = Math.exp(x.data[at])
      if (Math.fround(wanted) === Infinity) continue
      const ulp = 2 ** (Math.floor(Math.log2(wanted)) - 23)
      expect(Math.abs(dv.data[at] - wanted)).toBeLessThanOrEqual(wanted < 2 ** -124.9 ? 2 ** -124.9 : 2 * ulp)
    }
  }
})
