import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/graph/tensor.js'
import * as T from '../../src/ops/index.js'
import { grad, vmap } from '../../src/transforms/index.js'
import { near, valuesOf } from './values.js'

const rows = T.tensor([
  [1, 2, 3],
  [4, 5, 6],
])

describe('vmap', () => {
  it('maps over the named axes and puts the mapped axis where it is told', () => {
    const f = (a: Tensor, b: Tensor): Tensor => T.mul(a, T.sum(b))
    const out = vmap(f, { inAxes: [1, null], outAxes: 1 })(rows, T.tensor([1, 1]))
    expect(out.shape).toEqual([2, 3])
    expect(valuesOf(out)).toEqual([2, 4, 6, 8, 10, 12])
  })

  it('takes axes that mirror a tree', () => {
    const f = (p: { a: Tensor; b: Tensor }): { s: Tensor } => ({ s: T.add(p.a, p.b) })
    const out = vmap(f, { inAxes: [{ a: -1, b: null }] })({ a: rows, b: T.tensor([10, 20]) })
    expect(valuesOf(out.s)).toEqual([11, 24, 12, 25, 13, 26])
  })

  it('leaves what does not depend on a mapped argument as it is, and repeats it in the result', () => {
    const shared = T.exp(T.tensor([0, 0]))
    const out = vmap((a: Tensor) => [T.sum(a), shared] as const)(rows)
    expect(valuesOf(out[1])).toEqual([1, 1, 1, 1])
  })

  it('gives gradients for every example', () => {
    const loss = (w: Tensor, a: Tensor): Tensor => T.sum(T.square(T.mul(w, a)))
    const each = vmap(grad(loss), { inAxes: [null, 0] })(T.tensor([1, 1, 1]), rows)
    expect(valuesOf(each)).toEqual([2, 8, 18, 32, 50, 72])
  })

  it('can be differentiated', () => {
    const total = (w: Tensor): Tensor => T.sum(vmap((a: Tensor) => T.sum(T.square(T.mul(w, a))))(rows))
    expect(valuesOf(grad(total)(T.tensor([1, 1, 1])))).toEqual([34, 58, 90])
  })

  it('nests', () => {
    const out = vmap((a: Tensor) => vmap((b: Tensor) => T.sum(T.mul(a, b)))(rows))(rows)
    expect(valuesOf(out)).toEqual([14, 32, 32, 77])
  })

  it('maps random keys, slices at mapped starts and updates at mapped starts', () => {
    const starts = T.tensor([2, 0], { dtype: 'i32' })
    expect(valuesOf(vmap((a: Tensor, s: Tensor) => T.dynamicSlice(a, [s], [2]))(rows, starts))).toEqual([2, 3, 4, 5])
    const put = vmap((a: Tensor, s: Tensor) => T.updateSlice(a, T.tensor([0]), [s]))(rows, starts)
    expect(valuesOf(put)).toEqual([1, 2, 0, 0, 5, 6])
    const shared = vmap((s: Tensor) => T.updateSlice(T.tensor([1, 2, 3]), T.tensor([9, 8]), [s]))(starts)
    expect(valuesOf(shared)).toEqual([1, 9, 8, 9, 8, 3])
  })

  it('maps attention over lengths, masks and shared keys', () => {
    const noise = (shape: number[]): Tensor =>
      T.sin(
        T.reshape(
          T.arange(
            shape.reduce((a, b) => a * b, 1),
            { dtype: 'f32' },
          ),
          shape,
        ),
      )
    const q = noise([3, 1, 2, 2, 4])
    const [k, v] = [noise([1, 1, 5, 4]), T.cos(noise([1, 1, 5, 4]))]
    const lengths = T.tensor([1, 5, 3], { dtype: 'i32' })
    const masks = T.tensor([
      [true, false, true, true, true],
      [true, true, true, false, true],
      [false, true, true, true, true],
    ])
    const loss = (query: Tensor, length: Tensor, mask: Tensor): Tensor =>
      T.sum(T.square(T.scaledDotProductAttention(query, k, v, { length, mask })))
    const mapped = valuesOf(vmap(grad(loss))(q, lengths, masks))
    const single = [0, 1, 2].flatMap((row) => {
      const pick = (x: Tensor): Tensor => T.squeeze(T.slice(x, [[row, row + 1]]), 0)
      return valuesOf(grad(loss)(pick(q), pick(lengths), pick(masks)))
    })
    expect(near(mapped, single)).toBe(true)
    const shared = vmap((query: Tensor, mask: Tensor) => T.scaledDotProductAttention(query, k, v, { mask }))(q, masks)
    const each = [0, 1, 2].flatMap((row) => {
      const pick = (x: Tensor): Tensor => T.squeeze(T.slice(x, [[row, row + 1]]), 0)
      return valuesOf(T.scaledDotProductAttention(pick(q), k, v, { mask: pick(masks) }))
    })
    expect(near(valuesOf(shared), each)).toBe(true)
  })

  it('refuses sizes that differ, axes that do not exist and nothing mapped', () => {
    const f = (a: Tensor, b: Tensor): Tensor => T.add(a, b)
    expect(() => vmap(f)(rows, T.tensor([1, 2, 3]))).toThrow(
      'mapped axes must have one size, got 2 (argument 0 [2, 3] axis 0) and 3 (argument 1 [3] axis 0)',
    )
    expect(() => vmap(f, { inAxes: [3, 0] })(rows, rows)).toThrow('argument 0: axis must be an integer in [-2, 1]')
    expect(() => vmap(f, { inAxes: null })(rows, rows)).toThrow('at least one argument must be mapped')
    expect(() => vmap(f, { inAxes: [0] })(rows, rows)).toThrow('one entry for every argument, got 1 for 2')
    expect(() => vmap(f, { inAxes: [{ a: 0 }, 0] })(rows, rows)).toThrow('must mirror the tree')
  })
})
