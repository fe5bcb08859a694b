import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/graph/tensor.js'
import * as T from '../../src/ops/index.js'
import { checkpoint, customVjp, grad, jvp, valueAndGrad, vmap } from '../../src/transforms/index.js'
import { valuesOf } from './values.js'

const x = T.tensor([0.5, 1.5, 2.4])

describe('customVjp', () => {
  /** x³ whose derivative is told to be 3x² + 1. */
  const odd = customVjp(
    (a: Tensor) => T.mul(T.mul(a, a), a),
    (ct, [a]) => [T.mul(ct, T.add(T.mul(3, T.square(a)), 1))],
    { name: 'odd' },
  )

  it('uses the given backward and not the true derivative', () => {
    expect(valuesOf(grad((a: Tensor) => T.sum(odd(a)))(x))).toEqual(
      [0.5, 1.5, 2.4].map((v) => 3 * Math.fround(v) ** 2 + 1),
    )
  })

  it('is differentiated twice through the backward, in reverse and in forward mode', () => {
    const first = (a: Tensor): Tensor => T.sum(grad((b: Tensor) => T.sum(odd(b)))(a))
    expect(valuesOf(grad(first)(x))).toEqual([0.5, 1.5, 2.4].map((v) => 6 * Math.fround(v)))
    const [, tangent] = jvp(
      grad((b: Tensor) => T.sum(odd(b))),
      [x],
      [T.ones([3])],
    )
    expect(valuesOf(tangent)).toEqual([0.5, 1.5, 2.4].map((v) => 6 * Math.fround(v)))
  })

  it('refuses a direct jvp unless it has a rule for it', () => {
    expect(() => jvp(odd, [x], [x])).toThrow('jvp: odd has a backward rule but no forward one')
    const both = customVjp(
      (a: Tensor) => T.round(a),
      (ct) => [ct],
      { customJvp: ([t]) => T.mul(t, 7) },
    )
    expect(valuesOf(jvp(both, [x], [T.ones([3])])[1])).toEqual([7, 7, 7])
  })

  it('maps its backward with the function, also for shared operands', () => {
    const scaled = customVjp(
      (a: Tensor, w: Tensor) => T.mul(a, w),
      (ct, [a, w]) => [T.mul(ct, T.mul(w, 10)), T.mul(ct, T.mul(a, 100))],
    )
    const a = T.tensor([
      [1, 2],
      [3, 4],
    ])
    const loss = (rows: Tensor, w: Tensor): Tensor => T.sum(vmap((row: Tensor) => scaled(row, w))(rows))
    const [da, dw] = grad(loss, { argnums: [0, 1] })(a, T.tensor([5, 6]))
    expect(valuesOf(da)).toEqual([50, 60, 50, 60])
    expect(valuesOf(dw)).toEqual([400, 600])
    const each = vmap(
      grad((row: Tensor, w: Tensor) => T.sum(scaled(row, w)), { argnums: 1 }),
      { inAxes: [0, null] },
    )(a, T.tensor([5, 6]))
    expect(valuesOf(each)).toEqual([100, 200, 300, 400])
  })

  it('counts a cotangent that no example changes once for every example', () => {
    const constantRule = customVjp(
      (a: Tensor, w: Tensor) => T.add(a, w),
      () => [null, T.tensor([1, 2])],
    )
    const loss = (w: Tensor): Tensor => T.sum(vmap((row: Tensor) => constantRule(row, w))(T.ones([3, 2])))
    expect(valuesOf(grad(loss)(T.tensor([0, 0])))).toEqual([3, 6])
  })

  it('refuses to lose the gradient of what it closes over', () => {
    const loss = (w: Tensor): Tensor =>
      T.sum(
        customVjp(
          (a: Tensor) => T.mul(a, w),
          (ct) => [ct],
        )(x),
      )
    expect(() => grad(loss)(x)).toThrow('through its closure, whose gradient would be lost')
    const stopped = (w: Tensor): Tensor => {
      const fixed = T.stopGradient(w)
      return T.sum(
        T.add(
          w,
          customVjp(
            (a: Tensor) => T.mul(a, fixed),
            (ct) => [ct],
          )(x),
        ),
      )
    }
    expect(valuesOf(grad(stopped)(x))).toEqual([1, 1, 1])
  })

  it('refuses a backward that gives the wrong number or shape of cotangents', () => {
    const few = customVjp((a: Tensor, b: Tensor) => T.add(a, b), ((ct: Tensor) => [ct]) as never, { name: 'few' })
    expect(() => grad((a: Tensor) => T.sum(few(a, a)))(x)).toThrow(
      'few: backward must return an array with a cotangent (or null) for each of 2 arguments',
    )
    const wrong = customVjp(
      (a: Tensor) => T.mul(a, 2),
      (ct) => [T.sum(ct)],
      { name: 'wrong' },
    )
    expect(() => grad((a: Tensor) => T.sum(wrong(a)))(x)).toThrow(
      'wrong: backward must give a tensor of shape [3] and dtype f32 at position 0, got [] f32',
    )
  })
})

describe('checkpoint', () => {
  const w = T.tensor([
    [0.1, -0.2, 0.3],
    [0.4, 0.5, -0.6],
    [0.7, 0.8, 0.9],
  ])
  const shared = T.tensor([1.1, 0.9, 1.3])
  type Wrap = (f: (h: Tensor, w: Tensor) => Tensor) => (h: Tensor, w: Tensor) => Tensor

  /** Two blocks that close over a shared weight and read their input three times, with a skip around both. */
  function network(wrap: Wrap, counts: number[]): (h: Tensor, params: { w: Tensor; s: Tensor }) => Tensor {
    return (h, { w: weight, s }) => {
      const block = (k: number): ((a: Tensor, b: Tensor) => Tensor) =>
        wrap((a, b) => {
          counts[k] = (counts[k] ?? 0) + 1
          const inner = T.tanh(T.add(T.mul(T.matmul(a, b), s), T.mul(a, s)))
          return T.add(a, T.mul(inner, T.exp(T.mul(s, 0.1))))
        })
      const middle = block(0)(h, weight)
      return T.sum(T.add(T.square(block(1)(middle, weight)), T.mul(middle, h)))
    }
  }
  const plain: Wrap = (f) => f

  it('keeps every bit of values and gradients and runs each block twice', () => {
    const counts: number[] = []
    const run = (wrap: Wrap, tally: number[]): number[] => {
      const [value, [dh, dp]] = valueAndGrad(network(wrap, tally), { argnums: [0, 1] })(x, { w, s: shared })
      return [value, dh, dp.w, dp.s].flatMap((t) => valuesOf(t, { round: true }))
    }
    expect(run(checkpoint, counts)).toEqual(run(plain, []))
    expect(counts).toEqual([2, 2])
  })

  it('gives the same second derivatives, in reverse and forward mode', () => {
    const first = (wrap: Wrap) => (h: Tensor) => T.sum(T.square(grad(network(wrap, []))(h, { w, s: shared })))
    const [a, b] = [plain, checkpoint].map((wrap) => valuesOf(grad(first(wrap as Wrap))(x)))
    a.forEach((value, k) => expect(b[k]).toBeCloseTo(value, 10))
    const [c, d] = [plain, checkpoint].map((wrap) => valuesOf(jvp(first(wrap as Wrap), [x], [T.ones([3])])[1]))
    expect(d[0]).toBeCloseTo(c[0], 10)
  })

  it('works under vmap, inside and outside of grad', () => {
    const batch = T.tensor([
      [0.5, 1.5, 2.4],
      [-1, 0.3, 0.2],
    ])
    const each = (wrap: Wrap): number[] =>
      valuesOf(vmap((h: Tensor) => grad(network(wrap, []))(h, { w, s: shared }))(batch))
    expect(each(checkpoint)).toEqual(each(plain))
    const total = (wrap: Wrap) => (s: Tensor) => T.sum(vmap((h: Tensor) => network(wrap, [])(h, { w, s }))(batch))
    const [a, b] = [plain, checkpoint].map((wrap) => valuesOf(grad(total(wrap as Wrap))(shared)))
    a.forEach((value, k) => expect(b[k]).toBeCloseTo(value, 10))
  })

  it('nests', () => {
    const counts: number[] = []
    const nested: Wrap = (f) => checkpoint((a: Tensor, b: Tensor) => checkpoint(f)(a, b))
    const [value] = [grad(network(nested, counts))(x, { w, s: shared })]
    expect(valuesOf(value)).toEqual(valuesOf(grad(network(plain, []))(x, { w, s: shared })))
  })
})
