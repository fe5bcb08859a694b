import { describe, expect, it } from 'vitest'
import { ArgumentError, DTypeError, ShapeError } from '../../src/errors.js'
import type { Tensor } from '../../src/graph/tensor.js'
import * as T from '../../src/ops/index.js'
import {
  grad,
  hessian,
  hvp,
  jacfwd,
  jacobian,
  jacrev,
  jvp,
  linearize,
  valueAndGrad,
  vjp,
} from '../../src/transforms/index.js'
import { valuesOf } from './values.js'

const x = T.tensor([1, 2, 3])

describe('grad', () => {
  it('gives the gradient of a scalar function in the structure of the argument', () => {
    const loss = (params: { w: Tensor; layers: Tensor[] }): Tensor =>
      T.sum(T.mul(T.mul(params.w, params.layers[0]), params.layers[1]))
    const gradient = grad(loss)({ w: x, layers: [T.tensor([1, 1, 2]), T.tensor([2, 0, 1])] })
    expect(valuesOf(gradient.w)).toEqual([2, 0, 2])
    expect(gradient.layers.map((t) => valuesOf(t))).toEqual([
      [2, 0, 3],
      [1, 2, 6],
    ])
  })

  it('gives a list of gradients for a list of argument numbers', () => {
    const f = (a: Tensor, b: Tensor, c: Tensor): Tensor => T.sum(T.mul(T.mul(a, b), c))
    const [da, dc] = grad(f, { argnums: [0, 2] })(x, x, T.tensor([1, 0, 1]))
    expect(valuesOf(da)).toEqual([1, 0, 3])
    expect(valuesOf(dc)).toEqual([1, 4, 9])
    expect(valuesOf(grad(f, { argnums: 1 })(x, x, x))).toEqual([1, 4, 9])
  })

  it('passes aux values on', () => {
    const [[value, aux], gradient] = valueAndGrad(
      (a: Tensor) => [T.sum(T.square(a)), { doubled: T.mul(a, 2) }] as const,
      { hasAux: true },
    )(x)
    expect(valuesOf(value)).toEqual([14])
    expect(valuesOf(aux.doubled)).toEqual([2, 4, 6])
    expect(valuesOf(gradient)).toEqual([2, 4, 6])
  })

  it('gives zeros for what the value does not depend on', () => {
    const gradient = grad((p: { used: Tensor; unused: Tensor }) => T.sum(p.used))({
      used: x,
      unused: T.tensor([[1, 2]]),
    })
    expect(valuesOf(gradient.unused)).toEqual([0, 0])
    expect(gradient.unused.shape).toEqual([1, 2])
  })

  it('nests to any depth', () => {
    const f = (a: Tensor): Tensor => T.sum(T.mul(T.sin(a), T.exp(a)))
    const third = grad((a: Tensor) => T.sum(grad((b: Tensor) => T.sum(grad(f)(b)))(a)))(x)
    const expected = [1, 2, 3].map((v) => 2 * Math.exp(v) * (Math.cos(v) - Math.sin(v)))
    valuesOf(third).forEach((value, k) => expect(value).toBeCloseTo(expected[k], 9))
  })

  it('does not confuse an inner derivative with an outer one', () => {
    const f = (a: Tensor): Tensor => T.mul(a, grad((b: Tensor) => T.mul(a, b))(T.scalar(1)))
    expect(valuesOf(grad(f)(T.scalar(3)))).toEqual([6])
  })

  it('refuses results that are no scalar float tensor, naming what it got', () => {
    expect(() => grad((a: Tensor) => a)(x)).toThrow(
      new ShapeError(
        'grad: the function must return a scalar, got shape [3]; reduce it with sum or mean, or use vjp or jacobian',
      ),
    )
    expect(() => grad((a: Tensor) => T.argmax(a))(x)).toThrow(DTypeError)
    expect(() => grad((() => 3) as never)(x)).toThrow(
      'grad: the function must return a scalar float tensor, got the number 3',
    )
    expect(() => grad((async (a: Tensor) => T.sum(a)) as never)(x)).toThrow('got a promise')
    expect(() => valueAndGrad(((a: Tensor) => [T.sum(a), 1]) as never)(x)).toThrow('use hasAux for [value, aux]')
  })

  it('refuses arguments that are no floats, naming the leaf', () => {
    const f = (p: { step: Tensor }): Tensor => T.sum(T.cast(p.step, 'f32'))
    expect(() => grad(f)({ step: T.tensor([1, 2], { dtype: 'i32' }) })).toThrow('got i32 [2] at argument 0.step')
    expect(() => grad(f, { argnums: 1 })({ step: x })).toThrow(ArgumentError)
  })
})

describe('vjp and jvp', () => {
  it('pull back and push forward through trees', () => {
    const f = (a: Tensor, b: { c: Tensor }): { product: Tensor; order: Tensor } => ({
      product: T.mul(a, b.c),
      order: T.argsort(a),
    })
    const [out, pullback] = vjp(f, x, { c: T.tensor([4, 5, 6]) })
    expect(valuesOf(out.order)).toEqual([0, 1, 2])
    const [da, db] = pullback({ product: T.tensor([1, 0, 2]), order: T.zeros([3], { dtype: 'i32' }) })
    expect(valuesOf(da)).toEqual([4, 0, 12])
    expect(valuesOf(db.c)).toEqual([1, 0, 6])
    const [, tangent] = jvp(f, [x, { c: x }], [T.tensor([1, 0, 0]), { c: T.tensor([0, 1, 0]) }])
    expect(valuesOf(tangent.product)).toEqual([1, 2, 0])
    expect(valuesOf(tangent.order)).toEqual([0, 0, 0])
  })

  it('linearize runs the function once for many tangents', () => {
    let calls = 0
    const [, push] = linearize((a: Tensor) => {
      calls++
      return T.square(a)
    }, x)
    expect(valuesOf(push(T.tensor([1, 0, 0])))).toEqual([2, 0, 0])
    expect(valuesOf(push(T.tensor([0, 0, 1])))).toEqual([0, 0, 6])
    expect(calls).toBe(1)
  })

  it('refuse tangents and cotangents that do not fit, naming the leaf', () => {
    expect(() => jvp((a: Tensor) => a, [x], [T.tensor([1, 2])])).toThrow(
      'jvp: tangents at argument 0 must have shape [3], got [2]',
    )
    const [, pullback] = vjp((a: Tensor) => ({ y: a }), x)
    expect(() => pullback({ y: T.zeros([2]) })).toThrow('vjp: cotangents at y must have shape [3], got [2]')
    expect(() => pullback({ y: T.zeros([3], { dtype: 'f16' }) })).toThrow(DTypeError)
  })
})

describe('jacobians', () => {
  const a = T.tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ])
  const f = (v: Tensor): Tensor => T.square(T.matmul(a, v))
  const v = T.tensor([1, -1])

  it('agree in both modes', () => {
    const want = [-2, -4, -6, -8, -10, -12]
    expect(valuesOf(jacrev(f)(v))).toEqual(want)
    expect(valuesOf(jacfwd(f)(v))).toEqual(want)
    expect(valuesOf(jacobian(f, { mode: 'forward' })(v))).toEqual(want)
    expect(jacrev(f)(v).shape).toEqual([3, 2])
  })

  it('have a tree of the argument for every tensor of the result', () => {
    const g = (p: { u: Tensor; w: Tensor }): { sum: Tensor } => ({ sum: T.add(p.u, T.sum(p.w)) })
    const block = jacrev(g)({ u: x, w: v }).sum
    expect(valuesOf(block.u)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1])
    expect(block.w.shape).toEqual([3, 2])
  })

  it('hessian and hvp agree', () => {
    const loss = (u: Tensor): Tensor => T.sum(T.mul(T.square(u), T.flip(u)))
    const full = valuesOf(hessian(loss)(x))
    const direction = [1, -2, 0.5]
    const [gradient, product] = hvp(loss, x, T.tensor(direction))
    expect(valuesOf(gradient)).toEqual(valuesOf(grad(loss)(x)))
    valuesOf(product).forEach((value, row) => {
      const want = direction.reduce((sum, d, column) => sum + d * full[row * 3 + column], 0)
      expect(value).toBeCloseTo(want, 9)
    })
  })
})
