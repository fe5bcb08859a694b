/** Methods of tensors. */
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { Tensor } from '../../src/graph/tensor.js'
import * as ops from '../../src/ops/index.js'
import { installMethods } from '../../src/ops/index.js'
import { exact } from './support.js'

const readers = {
  data: vi.fn((x: Tensor) => Promise.resolve(Float32Array.from(exact(x)))),
  bytes: vi.fn(() => Promise.resolve(new Uint8Array())),
  item: vi.fn((x: Tensor) => Promise.resolve(exact(x)[0])),
  toArray: vi.fn((x: Tensor) => Promise.resolve(exact(x))),
  dispose: vi.fn(),
}

beforeAll(() => installMethods(readers))

describe('methods', () => {
  it('mirror the functions of their names', () => {
    const x = ops.tensor([
      [1, 2],
      [3, 4],
    ])
    expect(exact(x.add(1).mul(x).sum({ axes: 1 }))).toEqual([8, 32])
    expect(exact(x.var())).toEqual(exact(ops.variance(x)))
    expect(x.reshape([4]).transpose().expandDims(0).shape).toEqual([1, 4])
    expect(x.topk(1)[1].dtype).toBe('i32')
    expect(exact(x.greater(2).where(x, 0))).toEqual([0, 0, 3, 4])
  })

  it('exist for every operator of a tensor', () => {
    const functionsOnly = [
      'arange',
      'concat',
      'einsum',
      'eye',
      'fromBytes',
      'full',
      'fullLike',
      'installMethods',
      'linspace',
      'ones',
      'onesLike',
      'scalar',
      'stack',
      'tensor',
      'tri',
      'zeros',
      'zerosLike',
    ]
    const named = (name: string): string => (name === 'variance' ? 'var' : name)
    const missing = Object.keys(ops).filter(
      (name) => !functionsOnly.includes(name) && !(named(name) in Tensor.prototype),
    )
    expect(missing).toEqual([])
  })

  it('do not show up when a tensor is enumerated', () => {
    expect(Object.keys(Tensor.prototype)).toEqual([])
  })

  it('read values through the runtime', async () => {
    expect(await ops.tensor([1, 2]).add(1).toArray()).toEqual([2, 3])
    expect(await ops.tensor([7]).item()).toBe(7)
    expect(readers.toArray).toHaveBeenCalledTimes(1)
    {
      using scoped = ops.tensor([1]) as Tensor & Disposable
      expect(scoped.rank).toBe(1)
    }
    expect(readers.dispose).toHaveBeenCalledTimes(1)
  })
})

describe('text of a tensor', () => {
  it('shows values that lie in host memory', () => {
    expect(
      inspect(
        ops.tensor([
          [1, 2.5],
          [1 / 3, NaN],
        ]),
      ),
    ).toBe('f32[2, 2] [[1, 2.5], [0.333333, NaN]]')
    expect(String(ops.tensor([true, false]))).toBe('bool[2] [true, false]')
    expect(String(ops.tensor(3, { dtype: 'i32' }))).toBe('i32[] 3')
  })

  it('shortens long axes', () => {
    expect(String(ops.tensor(Int32Array.from({ length: 100 }, (_, k) => k)))).toBe('i32[100] [0, 1, 2, …, 97, 98, 99]')
  })

  it('names the state of a lazy tensor', () => {
    expect(String(ops.zeros([2]))).toBe('f32[2] (lazy)')
  })
})
