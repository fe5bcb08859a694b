import { describe, expect, it } from 'vitest'
import type { ScanAttrs } from '../../src/graph/primitive.js'
import type { Tensor } from '../../src/graph/tensor.js'
import * as T from '../../src/ops/index.js'
import { checkGrad } from '../../src/testing/gradCheck.js'
import { nodesBelow, TensorMap } from '../../src/transforms/cloneGraph.js'
import { checkpoint, grad, scan, valueAndGrad, vmap } from '../../src/transforms/index.js'
import { valuesOf } from './values.js'

const xs = T.tensor([
  [1, 2],
  [3, 4],
  [5, 6],
])

describe('scan', () => {
  it('hands the carry on and stacks what the function gives', () => {
    const [last, sums] = scan((c: Tensor, a: Tensor) => [T.add(c, a), T.mul(c, 10)] as const, T.zeros([2]), xs)
    expect(valuesOf(last)).toEqual([9, 12])
    expect(valuesOf(sums)).toEqual([0, 0, 10, 20, 40, 60])
  })

  it('runs backwards, keeping places', () => {
    const [last, seen] = scan((c: Tensor, a: Tensor) => [T.add(T.mul(c, 2), a), c] as const, T.zeros([2]), xs, {
      reverse: true,
    })
    expect(valuesOf(last)).toEqual([27, 34])
    expect(valuesOf(seen)).toEqual([13, 16, 5, 6, 0, 0])
  })

  it('counts trips without input', () => {
    const [last, nothing] = scan(
      (c: { n: Tensor }, _: null) => [{ n: T.add(c.n, 1) }, null] as const,
      { n: T.scalar(0) },
      null,
      { length: 4 },
    )
    expect(valuesOf(last.n)).toEqual([4])
    expect(nothing).toBeNull()
  })

  it('gives the first carry back and empty stacks for no trips', () => {
    const [last, ys] = scan((c: Tensor, a: Tensor) => [T.add(c, a), c] as const, T.ones([2]), T.zeros([0, 2]))
    expect(valuesOf(last)).toEqual([1, 1])
    expect(ys.shape).toEqual([0, 2])
  })

  it('makes as many trips as are asked for at run time, from the first slice on', () => {
    const step = (c: Tensor, a: Tensor): readonly [Tensor, Tensor] => [T.add(T.mul(c, 2), a), c]
    for (const trips of [2, T.scalar(2, { dtype: 'i32' }), T.tensor(2, { dtype: 'u8' })]) {
      const [last, seen] = scan(step, T.zeros([2]), xs, { trips })
      expect(valuesOf(last)).toEqual([5, 8])
      expect(valuesOf(seen)).toEqual([0, 0, 1, 2, 0, 0])
      const [backward] = scan(step, T.zeros([2]), xs, { trips, reverse: true })
      expect(valuesOf(backward)).toEqual([7, 10])
    }
  })

  it('says what a number of trips must be', () => {
    const step = (c: Tensor, a: Tensor): readonly [Tensor, null] => [T.add(c, a), null]
    const run = (trips: unknown): unknown => scan(step, T.zeros([2]), xs, { trips: trips as number })
    expect(() => run(-1)).toThrow(/scan: trips must be a whole number of at least 0 .*got -1/)
    expect(() => run(T.zeros([]))).toThrow(/scan: trips must be an integer tensor of rank 0.*got f32\[\]/)
    expect(() => run('all')).toThrow(/scan: trips must be/)
  })

  it('makes operands of what the function closes over', () => {
    const w = T.exp(T.tensor([0, 0]))
    const [last] = scan(
      (c: Tensor, a: Tensor) => [T.add(c, T.mul(a, T.add(w, T.tensor([1, 2])))), null] as const,
      T.zeros([2]),
      xs,
    )
    expect(valuesOf(last)).toEqual([18, 36])
    const body = last.node!.attrs as { constants: number }
    expect(body.constants).toBeGreaterThan(0)
  })

  it('has derivatives in all modes, twice, with constants, several carries and integer state', () => {
    checkGrad(
      (init, slices, w, counter) => {
        const [[c, d, n], ys] = scan(
          ([a, b, k]: Tensor[], x: Tensor) => {
            const next = T.tanh(T.add(T.mul(a, w), x))
            return [[next, T.add(b, T.mul(next, a)), T.add(k, 1)], T.mul(next, b)] as const
          },
          [init, T.mul(init, 0.5), counter],
          slices,
        )
        return [c, d, ys, T.cast(n, 'f32')]
      },
      [
        { shape: [2], data: [0.3, -0.4] },
        { shape: [3, 2], data: [0.1, 0.2, -0.3, 0.4, 0.5, -0.6] },
        { shape: [2], data: [0.7, 1.1] },
        { shape: [], data: [0], dtype: 'i32' },
      ],
    )
  })

  it('has derivatives when a carry becomes dependent only in later trips', () => {
    checkGrad(
      (w) => {
        const [[, , last], ys] = scan(
          ([a, b, c]: Tensor[]) => [[T.mul(w, 1.5), T.sin(a), T.mul(T.add(b, c), w)], c] as const,
          [T.zeros([2]), T.zeros([2]), T.ones([2])],
          null,
          { length: 4, reverse: true },
        )
        return [last, ys as Tensor]
      },
      [{ shape: [2], data: [0.7, 1.1] }],
    )
  })

  it('nests, holds checkpoints, and maps', () => {
    checkGrad(
      (init, w) => {
        const inner = checkpoint((c: Tensor, a: Tensor) => T.sin(T.add(T.mul(c, w), a)))
        const [out] = scan(
          (c: Tensor, a: Tensor) =>
            [scan((d: Tensor, b: Tensor) => [inner(d, b), null] as const, c, a)[0], null] as const,
          init,
          T.tensor([
            [[0.1], [0.2]],
            [[0.3], [0.4]],
          ]),
        )
        return out
      },
      [
        { shape: [1], data: [0.3] },
        { shape: [1], data: [0.8] },
      ],
    )
  })

  it('maps with a mapped function inside', () => {
    const out = vmap(
      (row: Tensor) => scan((c: Tensor, a: Tensor) => [T.add(c, a), T.mul(c, a)] as const, T.scalar(0), row)[1],
    )(xs)
    expect(valuesOf(out)).toEqual([0, 2, 0, 12, 0, 30])
  })

  it('refuses a carry that changes and trips that are not known', () => {
    const one = T.scalar(1)
    expect(() => scan((c: Tensor) => [T.reshape(c, [1]), null] as const, one, null, { length: 2 })).toThrow(
      'the carry must keep its shapes, got [1] for [] at carry',
    )
    expect(() => scan((c: Tensor) => [T.cast(c, 'f16'), null] as const, one, null, { length: 2 })).toThrow(
      'got f16 for f32',
    )
    expect(() => scan(((c: Tensor) => [[c, c], null]) as never, one, null, { length: 2 })).toThrow(
      'must keep its structure',
    )
    expect(() => scan(((c: Tensor) => c) as never, one, null, { length: 2 })).toThrow('must return [carry, y]')
    expect(() => scan((c: Tensor) => [c, null] as const, one, null)).toThrow('give length')
    expect(() => scan((c: Tensor) => [c, null] as const, one, xs, { length: 2 })).toThrow('leading size 2, got [3, 2]')
  })

  /** Scan nodes that tensors are made of, in order. */
  function scansOf(tensors: readonly Tensor[]): { carries: number; outputs: number }[] {
    return nodesBelow(tensors, new TensorMap(), 0)
      .filter((node) => node.op === 'scan')
      .map((node) => ({ carries: (node.attrs as ScanAttrs).carries, outputs: node.outputs.length }))
  }

  it('runs the forward loop once for a value and its gradient, and stacks only what the backward loop reads', () => {
    const squares = (w: Tensor): Tensor =>
      T.sum(scan((c: Tensor, a: Tensor) => [T.tanh(T.add(T.mul(c, w), a)), null] as const, T.zeros([2]), xs)[0])
    expect(scansOf(valueAndGrad(squares)(T.ones([2])))).toEqual([
      { carries: 1, outputs: 2 },
      { carries: 2, outputs: 2 },
    ])
    const sums = (w: Tensor): Tensor =>
      T.sum(scan((c: Tensor, a: Tensor) => [T.add(c, T.mul(a, w)), null] as const, T.zeros([2]), xs)[0])
    expect(scansOf(valueAndGrad(sums)(T.ones([2])))[0]).toEqual({ carries: 1, outputs: 1 })
    expect(valuesOf(grad(sums)(T.ones([2])))).toEqual([9, 12])
  })
})
