import { describe, expect, it } from 'vitest'
import { lowerMath } from '../src/compiler/lowerMath.js'
import type { BinaryExprOp, Expr, FusedStep, MathFunction, UnaryExprOp } from '../src/program/ir.js'
import { lastPlace, MATH_RELATIVE, MATH_ULP } from '../src/testing/tolerances.js'
import { erf, erfInv } from '../src/testing/interpreter/special.js'
import { evaluateStep, type FmaMode } from './lowerMathEvaluate.js'

const MODES: readonly FmaMode[] = ['one rounding', 'two roundings']
const DENSE = { offset: 0, strides: [1], gathered: [] }

function stepOf(op: UnaryExprOp | BinaryExprOp, operands: 1 | 2): FusedStep {
  const load = (operand: number): Expr => ({
    op: 'load',
    type: 'f32',
    level: 'element',
    operand,
    dtype: 'f32',
    access: DENSE,
  })
  const loads = operands === 1 ? [load(0)] : [load(0), load(1)]
  const call = { op, type: 'f32', level: 'element', args: operands === 1 ? [0] : [0, 1] } as Expr
  const store = { operand: operands, dtype: 'f32', access: DENSE, value: operands, level: 'element' } as const
  return {
    kind: 'fused',
    label: op,
    outer: [],
    inner: 1,
    exprs: [...loads, call],
    phases: 0,
    stores: [store],
    operands: [0, 1, 2].slice(0, operands + 1),
    params: [],
  }
}

function unary(op: MathFunction, x: Float32Array, mode: FmaMode): Float32Array {
  return evaluateStep(lowerMath(stepOf(op, 1)), [x], mode)
}

/** 2^16 bit patterns spread over all f32 numbers (NaNs and infinities too); an odd stride varies every bit. */
function everyKindOfNumber(): Float32Array {
  const bits = new Uint32Array(1 << 16)
  for (let i = 0; i < bits.length; i++) bits[i] = i * 65537 + ((i * 40503) & 0xffff)
  return new Float32Array(bits.buffer)
}

const EDGES = [
  0,
  -0,
  1,
  -1,
  0.5,
  2 ** -149,
  -(2 ** -149),
  2 ** -126,
  2 ** -127,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  88.72283,
  88.72284,
  -87.33655,
  -103.27893,
  -103.97208,
  -104.5,
  355,
  710,
  Infinity,
  -Infinity,
  NaN,
]

/** Largest error in units in the last place; non-finite results must be equal (a rounded overflow may differ by one place). */
function worstUlp(x: Float32Array, got: Float32Array, exact: (x: number) => number): { ulp: number; at: number } {
  let worst = { ulp: 0, at: 0 }
  for (let i = 0; i < x.length; i++) {
    const want = exact(x[i])
    const single = Math.fround(want)
    if (Number.isFinite(single) && Number.isFinite(got[i])) {
      const ulp = Math.abs(got[i] - want) / lastPlace(want)
      if (ulp > worst.ulp) worst = { ulp, at: x[i] }
    } else if (Math.abs(want) < 3.4028e38 || Number.isNaN(got[i])) {
      if (!Object.is(got[i], single)) return { ulp: Infinity, at: x[i] }
    }
  }
  return worst
}

interface Bound {
  readonly op: keyof typeof MATH_ULP
  readonly exact: (x: number) => number
  readonly domain?: (x: number) => boolean
}

const isReducedWell = (x: number) => !(Math.abs(x) > 1000) || Math.abs(x) === Infinity

const BOUNDS: readonly Bound[] = [
  { op: 'exp', exact: Math.exp },
  { op: 'log', exact: Math.log },
  { op: 'log1p', exact: Math.log1p },
  { op: 'expm1', exact: Math.expm1 },
  { op: 'sin', exact: Math.sin, domain: isReducedWell },
  { op: 'cos', exact: Math.cos, domain: isReducedWell },
  { op: 'tanh', exact: Math.tanh },
  { op: 'erf', exact: erf },
]

describe('lowerMath', () => {
  for (const { op, exact, domain } of BOUNDS)
    for (const mode of MODES)
      it(`${op} stays within ${MATH_ULP[op]} ulp of the exact value over all f32 numbers, with ${mode} in fma`, () => {
        const random = Float32Array.from({ length: 20000 }, (_, i) => Math.sin(i * 12.9898) * (i % 2 === 0 ? 4 : 1000))
        const x = Float32Array.from([...everyKindOfNumber(), ...EDGES, ...random]).filter(domain ?? (() => true))
        const worst = worstUlp(x, unary(op, x, mode), exact)
        expect(worst.ulp, `${worst.ulp.toFixed(3)} ulp at ${worst.at}`).toBeLessThanOrEqual(MATH_ULP[op])
      })

  for (const mode of MODES) {
    it(`sin and cos are right to 3e-7 up to |x| = 2^17, with ${mode} in fma`, () => {
      const x = Float32Array.from({ length: 50000 }, (_, i) => Math.sin(i * 78.233) * 131072)
      const sin = unary('sin', x, mode)
      const cos = unary('cos', x, mode)
      const errors = Array.from(x, (value, i) =>
        Math.max(Math.abs(sin[i] - Math.sin(value)), Math.abs(cos[i] - Math.cos(value))),
      )
      expect(Math.max(...errors)).toBeLessThan(3e-7)
    })

    it(`tanh and erf never leave [-1, 1] and keep the sign of zero, with ${mode} in fma`, () => {
      const x = Float32Array.from({ length: 65536 }, (_, i) => 2 + i / 8192)
      for (const op of ['tanh', 'erf'] as const)
        expect(unary(op, x, mode).reduce((most, value) => Math.max(most, value))).toBe(1)
      for (const op of ['tanh', 'erf', 'sin'] as const)
        expect(Object.is(unary(op, Float32Array.of(-0), mode)[0], -0)).toBe(true)
    })

    it(`erfInv is within ${MATH_RELATIVE.erfInv} of the exact inverse, infinite at the ends, NaN beyond, with ${mode} in fma`, () => {
      const inside = Array.from({ length: 20000 }, (_, i) => Math.fround(Math.sin(i * 0.7297)))
      const near = Array.from({ length: 24 }, (_, i) => 1 - 2 ** -(i + 1))
      const x = Float32Array.from([...inside, ...near, 2 ** -149, 0].filter((value) => Math.abs(value) < 1))
      const got = unary('erfInv', x, mode)
      for (let i = 0; i < x.length; i++) {
        const want = erfInv(x[i])
        if (Math.abs(got[i] - want) > MATH_RELATIVE.erfInv * Math.abs(want) + 2 ** -149)
          expect([x[i], got[i]]).toEqual([x[i], want])
      }
      const ends = [...unary('erfInv', Float32Array.of(1, -1, 1.5, -2, Infinity, NaN), mode)]
      expect(ends).toEqual([Infinity, -Infinity, NaN, NaN, NaN, NaN])
    })

    it(`sin and cos give NaN beyond the range that they reduce, with ${mode} in fma`, () => {
      const x = Float32Array.of(2 ** 23, -1e30, Infinity, -Infinity, NaN)
      expect([...unary('sin', x, mode), ...unary('cos', x, mode)].every(Number.isNaN)).toBe(true)
    })

    it(`pow is within ${MATH_RELATIVE.pow} of the exact power from 1e-38 to 1e38, with ${mode} in fma`, () => {
      const { x, y } = powPairs()
      const got = evaluateStep(lowerMath(stepOf('pow', 2)), [x, y], mode)
      let worst = 0
      for (let i = 0; i < x.length; i++) {
        const want = x[i] ** y[i]
        if (Math.abs(want) < 2 ** -126 || !Number.isFinite(Math.fround(want))) {
          // gradual underflow, and the last place before infinity
          if (Math.abs(want) < 3.4028e38) expect(Math.abs(got[i] - want)).toBeLessThanOrEqual(1.5 * 2 ** -149)
          else expect(Math.abs(got[i])).toBeGreaterThan(3.4028e38)
        } else worst = Math.max(worst, Math.abs(got[i] - want) / Math.abs(want))
      }
      expect(worst).toBeLessThan(MATH_RELATIVE.pow)
    })

    it(`pow has the special values of C99, with ${mode} in fma`, () => {
      const numbers = [
        0,
        -0,
        1,
        -1,
        2,
        -2,
        0.5,
        -0.5,
        3,
        -3,
        2.5,
        2 ** -149,
        3e38,
        -3e38,
        2 ** 24,
        Infinity,
        -Infinity,
        NaN,
      ]
      const pairs = numbers.flatMap((x) => numbers.map((y) => [x, y] as const))
      const x = Float32Array.from(pairs, (pair) => pair[0])
      const y = Float32Array.from(pairs, (pair) => pair[1])
      const got = evaluateStep(lowerMath(stepOf('pow', 2)), [x, y], mode)
      const isWrong = pairs.flatMap((_, i) => {
        const want = Math.fround(c99Pow(x[i], y[i]))
        const fits =
          Number.isFinite(want) && want !== 0
            ? Math.abs(got[i] - want) <= MATH_RELATIVE.pow * Math.abs(want)
            : Object.is(got[i], want)
        return fits ? [] : [`pow(${x[i]}, ${y[i]}) = ${got[i]}, not ${want}`]
      })
      expect(isWrong).toEqual([])
    })
  }

  it('leaves only basic operators, in dependency order, with the right levels', () => {
    const functions = ['exp', 'log', 'log1p', 'expm1', 'sin', 'cos', 'tanh', 'erf', 'erfInv'] as const
    for (const op of functions) {
      const { exprs } = lowerMath(stepOf(op, 1))
      exprs.forEach((expr, at) => {
        expect([...functions, 'pow']).not.toContain(expr.op)
        if (!('args' in expr)) return
        for (const arg of expr.args) expect(arg).toBeLessThan(at)
        const isElement = expr.args.some((arg) => exprs[arg].level === 'element')
        expect(expr.level).toBe(isElement ? 'element' : 'row')
      })
    }
  })

  it('keeps loads, guards, gathers, reductions and stores pointing at the same values', () => {
    const step: FusedStep = {
      kind: 'fused',
      label: 'test',
      outer: [2],
      inner: 3,
      phases: 1,
      operands: [0, 1],
      params: [],
      exprs: [
        {
          op: 'load',
          type: 'f32',
          level: 'element',
          operand: 0,
          dtype: 'f32',
          access: { offset: 0, strides: [3, 1], gathered: [] },
        },
        { op: 'exp', type: 'f32', level: 'element', args: [0] },
        { op: 'reduce', type: 'f32', level: 'row', kind: 'sum', arg: 1, phase: 0 },
        { op: 'log', type: 'f32', level: 'row', args: [2] },
        { op: 'toI32', type: 'i32', level: 'row', args: [3] },
        { op: 'const', type: 'f32', level: 'row', value: 0 },
        { op: 'lt', type: 'bool', level: 'row', args: [5, 3] },
        {
          op: 'load',
          type: 'f32',
          level: 'row',
          operand: 0,
          dtype: 'f32',
          guard: 6,
          access: { offset: 0, strides: [3, 0], gathered: [{ expr: 4, stride: 1 }] },
        },
        { op: 'add', type: 'f32', level: 'row', args: [7, 3] },
      ],
      stores: [
        {
          operand: 1,
          dtype: 'f32',
          access: { offset: 0, strides: [1, 0], gathered: [{ expr: 4, stride: 2 }] },
          value: 8,
          level: 'row',
        },
      ],
    }
    const { exprs, stores, ...rest } = lowerMath(step)
    const { exprs: _exprs, stores: _stores, ...restBefore } = step
    expect(rest).toEqual(restBefore)
    const sum = exprs[stores[0].value]
    if (sum.op !== 'add') throw new Error(`the store reads ${sum.op}`)
    const load = exprs[sum.args[0]]
    if (load.op !== 'load' || load.guard === undefined) throw new Error('the guarded load is gone')
    const logarithm = sum.args[1]
    const toI32 = stores[0].access.gathered[0].expr
    expect(exprs[toI32]).toMatchObject({ op: 'toI32', args: [logarithm], level: 'row' })
    expect(load.access.gathered).toEqual([{ expr: toI32, stride: 1 }])
    const guard = exprs[load.guard]
    expect(guard).toMatchObject({ op: 'lt', level: 'row' })
    expect('args' in guard && guard.args[1]).toBe(logarithm)
    expect(exprs.filter((expr) => expr.op === 'reduce')).toMatchObject([{ kind: 'sum', phase: 0, level: 'row' }])
  })

  it('shares the range reduction of two functions of one value', () => {
    const step = stepOf('sin', 1)
    const both: FusedStep = {
      ...step,
      exprs: [
        ...step.exprs,
        { op: 'sin', type: 'f32', level: 'element', args: [0] },
        { op: 'add', type: 'f32', level: 'element', args: [1, 2] },
      ],
      stores: [{ ...step.stores[0], value: 3 }],
    }
    expect(lowerMath(both).exprs.length).toBe(lowerMath(step).exprs.length + 1)
  })

  it('returns a step without math functions as it is', () => {
    const step = stepOf('neg', 1)
    expect(lowerMath(step)).toBe(step)
  })
})

function powPairs(): { x: Float32Array; y: Float32Array } {
  const count = 60000
  const x = new Float32Array(count)
  const y = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const spread = Math.sin((i + 1) * 12.9898) * (i % 3 === 0 ? 1 : 126)
    x[i] = 2 ** spread
    // exponents that put the result anywhere from 2^-150 to 2^128
    y[i] = (Math.sin(i * 4.1414) * 139 - 11) / Math.log2(x[i])
    if (i % 5 === 0) x[i] = 1 + Math.sin(i) * 1e-4
    if (i % 7 === 0) {
      x[i] = -x[i]
      y[i] = Math.round(y[i])
    }
  }
  return { x, y }
}

/** JavaScript gives NaN where C99 has 1: 1^NaN and (±1)^±Infinity. */
function c99Pow(x: number, y: number): number {
  if (x === 1) return 1
  if (x === -1 && Math.abs(y) === Infinity) return 1
  return x ** y
}
