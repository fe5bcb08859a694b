import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/graph/tensor.js'
import * as p from '../../src/graph/primitives.js'
import { interpret } from '../../src/testing/interpret.js'
import type { DType } from '../../src/dtype.js'

function bound(shape: number[], dtype: DType, values: number[]): [Tensor, number[]] {
  return [p.placeholder(shape, dtype), values]
}

describe('interpret', () => {
  it('evaluates a small graph and shares nodes', () => {
    const [x, xs] = bound([2, 3], 'f32', [1, 2, 3, 4, 5, 6])
    const [y, ys] = bound([3, 2], 'f32', [1, 0, 0, 1, 1, 1])
    const z = p.matmulOf(x, y)
    const out = interpret(
      [p.binary('add', z, z), p.reduceOver('sum', z, [0, 1])],
      new Map([
        [x, xs],
        [y, ys],
      ]),
    )
    expect(out.map((a) => [...a])).toEqual([[8, 10, 20, 22], [30]])
  })

  it('wraps integers and cuts float to integer casts', () => {
    const [x, xs] = bound([3], 'u8', [250, 3, 255])
    const [f, fs] = bound([4], 'f32', [-1.5, 300.7, NaN, 3.9])
    const out = interpret(
      [p.binary('add', x, x), p.castTo(f, 'u8'), p.castTo(f, 'i8')],
      new Map([
        [x, xs],
        [f, fs],
      ]),
    )
    expect(out.map((a) => [...a])).toEqual([
      [244, 6, 254],
      [0, 255, 0, 3],
      [-1, 127, 0, 3],
    ])
  })

  it('rounds to the dtype only when asked to', () => {
    const [x, xs] = bound([1], 'bf16', [1.00390625])
    const half = p.binary('mul', x, x)
    expect([...interpret([half], new Map([[x, xs]]))[0]]).toEqual([1.00390625 ** 2])
    expect([...interpret([half], new Map([[x, xs]]), { round: true })[0]]).toEqual([1.0078125])
  })

  it('knows the first vectors of threefry', () => {
    const words = [0, 0, 0, 0].map((w) => p.scalarConst(w, 'u32'))
    const out = interpret([0, 1].map((word) => p.threefryWord(words[0], words[1], words[2], words[3], word as 0 | 1)))
    expect(out.map((a) => a[0])).toEqual([0x6b200159, 0x99ba4efe])
  })

  it('runs a scan forward and backward', () => {
    const carry = p.placeholder([], 'f32')
    const slice = p.placeholder([], 'f32')
    const next = p.binary('add', p.binary('add', carry, carry), slice)
    const body = { placeholders: [carry, slice], outputs: [next, carry] }
    const [xs, values] = bound([3], 'f32', [1, 2, 3])
    const run = (reverse: boolean): number[][] =>
      interpret(
        p.scanOf([p.scalarConst(1, 'f32'), xs], { body, constants: 0, carries: 1, trips: 3, reverse, bounded: false }),
        new Map([[xs, values]]),
      ).map((a) => [...a])
    expect(run(false)).toEqual([[19], [1, 3, 8]])
    expect(run(true)).toEqual([[25], [12, 5, 1]])
  })

  it('inverts erf', () => {
    const [x, xs] = bound([6], 'f32', [-0.999999, -0.5, 0, 1e-9, 0.3, 0.99999999])
    const [back] = interpret([p.unary('erf', p.unary('erfInv', x))], new Map([[x, xs]]))
    back.forEach((value, k) => expect(value).toBeCloseTo(xs[k], 14))
  })
})
