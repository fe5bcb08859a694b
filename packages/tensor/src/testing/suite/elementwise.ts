/** Elementwise operators over all dtypes, odd sizes and special values. */
import { DTYPES, isFloat, type DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { gelu, relu, sigmoid, silu, softplus } from '../../ops/activations.js'
import {
  bitwiseAnd,
  bitwiseNot,
  bitwiseOr,
  bitwiseXor,
  equal,
  less,
  lessEqual,
  logicalNot,
  logicalXor,
  notEqual,
  shiftLeft,
  shiftRight,
} from '../../ops/compare.js'
import { tensor } from '../../ops/create.js'
import {
  abs,
  add,
  bitcast,
  cast,
  ceil,
  clip,
  cos,
  div,
  erf,
  erfInv,
  exp,
  expm1,
  floor,
  fma,
  log,
  log1p,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  rem,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  sub,
  tanh,
  trunc,
  where,
} from '../../ops/elementwise.js'
import { noise, type SuiteContext } from './context.js'

const SHAPES: readonly (readonly number[])[] = [[], [1], [0], [3, 17], [129], [2, 3, 5]]

type Unary = readonly [name: string, f: (x: Tensor) => Tensor, low?: number, high?: number]

const UNARY: readonly Unary[] = [
  ['neg', neg],
  ['abs', abs],
  ['sign', sign],
  ['floor', floor],
  ['ceil', ceil],
  ['round', round],
  ['trunc', trunc],
  ['sqrt', sqrt, 0, 9],
  ['rsqrt', rsqrt, 0.1, 9],
  ['exp', exp, -9, 9],
  ['expm1', expm1, -3, 3],
  ['log', log, 0.01, 9],
  ['log1p', log1p, -0.9, 9],
  ['sin', sin, -20, 20],
  ['cos', cos, -20, 20],
  ['tanh', tanh, -4, 4],
  ['erf', erf, -3, 3],
  ['erfInv', erfInv, -0.95, 0.95],
  ['sigmoid', sigmoid],
  ['gelu', (x) => gelu(x)],
  ['silu', silu],
  ['softplus', softplus],
  ['relu', relu],
  ['clip', (x) => clip(x, { min: -1, max: 0.5 })],
]

const FLOATS: readonly DType[] = ['f32', 'f16', 'bf16']
const INTEGERS: readonly DType[] = ['i32', 'u32', 'i8', 'u8']

const SPECIAL = [
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  1,
  -1,
  1e-40,
  -1e-40,
  3.4e38,
  -3.4e38,
  0.5,
  1.5,
  2.5,
  -0.5,
  -2.5,
  16777217,
  2147483648,
  -2147483649,
  300,
  -300,
]

export function elementwise(suite: SuiteContext): void {
  for (const [name, f, low, high] of UNARY)
    suite.test(
      `${name} in every float dtype and shape`,
      () => FLOATS.flatMap((dtype) => SHAPES.map((shape) => f(noise(shape, dtype, low, high)))),
      {
        // Polynomials of moderate degree.
        factor: name === 'erfInv' ? 3 : 1,
      },
    )

  suite.test('arithmetic of floats broadcasts', () =>
    FLOATS.flatMap((dtype) => {
      const [a, b] = [noise([3, 1, 17], dtype), noise([5, 1], dtype, 0.5, 2, 2)]
      return [add(a, b), sub(a, b), mul(a, b), div(a, b), minimum(a, b), maximum(a, b), fma(a, b, a), pow(abs(a), b)]
    }),
  )

  suite.test('arithmetic of integers wraps, and x/0 and x%0 are 0', () =>
    INTEGERS.flatMap((dtype) => {
      const [a, b] = [
        noise([7, 9], dtype, dtype[0] === 'u' ? 0 : -128, 127),
        noise([9], dtype, dtype[0] === 'u' ? 0 : -3, 3, 5),
      ]
      return [add(a, a), sub(b, a), mul(mul(a, a), a), div(a, b), rem(a, b), minimum(a, b), maximum(a, b)]
    }),
  )

  suite.test('bits', () =>
    INTEGERS.flatMap((dtype) => {
      const [a, b] = [noise([33], dtype, dtype[0] === 'u' ? 0 : -99, 99), noise([33], dtype, 0, 7, 3)]
      return [bitwiseAnd(a, b), bitwiseOr(a, b), bitwiseXor(a, b), bitwiseNot(a), shiftLeft(a, b), shiftRight(a, b)]
    }),
  )

  suite.test('comparisons, logic and where', () => {
    const [a, b] = [noise([4, 9], 'i32', -2, 2), noise([9], 'i32', -2, 2, 4)]
    const [c, d] = [less(a, b), equal(a, b)]
    return [c, d, lessEqual(a, b), notEqual(a, b), logicalNot(c), logicalXor(c, d), where(c, cast(a, 'f32'), 2.5)]
  })

  suite.test('special values', () => {
    if (suite.backend.capabilities.flushToZero) return []
    const x = tensor(SPECIAL, { dtype: 'f32' })
    const y = tensor([...SPECIAL].reverse(), { dtype: 'f32' })
    const unary = [neg, abs, sign, floor, ceil, round, trunc, sqrt, exp, log, tanh, sigmoid, relu]
    return [
      ...unary.map((f) => f(x)),
      minimum(x, y),
      maximum(x, y),
      less(x, y),
      equal(x, x),
      notEqual(x, x),
      lessEqual(x, y),
      bitcast(x, 'i32'),
    ]
  })

  suite.test('where never lets the branch not taken through', () => {
    const x = tensor([0, 1, 4], { dtype: 'f32' })
    return where(less(x, 1), 7, log(x))
  })

  for (const from of DTYPES)
    suite.test(`casts from ${from}`, () => {
      // 1e-40 and values between f32 and float64 belong to the special values above.
      const values = isFloat(from)
        ? [
            NaN,
            Infinity,
            -Infinity,
            0,
            0.5,
            -0.5,
            1.5,
            2.5,
            -3.7,
            100,
            127.5,
            255,
            256,
            300,
            -129,
            65504,
            65536,
            1e9,
            -1e10,
          ]
        : from === 'bool'
          ? [0, 1]
          : [0, 1, 100, 127]
      const x = tensor(values, { dtype: from })
      if (!suite.has(from)) return []
      return DTYPES.filter(
        (to) => to !== from && suite.has(to) && !(suite.backend.capabilities.float64 && to !== 'f32' && isFloat(to)),
      ).map((to) => cast(x, to))
    })

  suite.test('integers keep their low bits when they are cut', () => {
    const x = tensor([-1, 128, 255, 256, 511, -129, 2147483647], { dtype: 'i32' })
    return (['u32', 'i8', 'u8', 'bool', 'f32'] as const).map((to) => cast(x, to))
  })

  suite.test('long chains and values with several readers', () => {
    const x = noise([19, 33])
    const a = tanh(add(mul(x, 0.7), 1))
    const b = mul(a, sigmoid(a))
    return [sub(b, div(a, add(mul(b, b), 1))), b, where(less(x, 0), a, neg(a))]
  })
}
