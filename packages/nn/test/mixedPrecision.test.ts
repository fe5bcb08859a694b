import { type Tensor, cast, tensor, valueAndGrad } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { type NamedTensors, castFloats, mixedPrecision } from '../src/optim/index.js'
import { values } from './values.js'

describe('mixedPrecision', () => {
  const params = { w: tensor([1 + 2 ** -10, -2.5]), norm: tensor([1 + 2 ** -10]), step: tensor([3], { dtype: 'i32' }) }

  it('rounds parameters on the way in and gives f32 gradients', () => {
    const seen: string[] = []
    const loss = mixedPrecision((p: NamedTensors, x: Tensor) => {
      seen.push(p.w.dtype)
      return cast(p.w.mul(x).sum(), 'f32')
    })
    const x = cast(tensor([2, 3]), 'bf16')
    const [value, grads] = valueAndGrad((p: NamedTensors) => loss(p, x))({ w: params.w })
    expect(seen).toContain('bf16')
    expect(values(value)).toEqual([2 - 7.5])
    expect(grads.w.dtype).toBe('f32')
    expect(values(grads.w)).toEqual([2, 3])
  })

  it('leaves integers and what it is told to keep as they are', () => {
    const narrow = castFloats(params, 'f16', (name) => name === 'norm')
    expect([narrow.w.dtype, narrow.norm.dtype, narrow.step.dtype]).toEqual(['f16', 'f32', 'i32'])
    expect(values(narrow.norm)).toEqual([1 + 2 ** -10])
  })

  it('refuses other dtypes and options', () => {
    // @ts-expect-error -- f64 is no dtype
    expect(() => mixedPrecision((p: Tensor) => p, { dtype: 'f64' })).toThrow(/dtype is one of bf16, f16, got "f64"/)
    // @ts-expect-error -- no such option
    expect(() => mixedPrecision((p: Tensor) => p, { dtypes: 'f16' })).toThrow(/got dtypes; did you mean dtype\?/)
    // @ts-expect-error -- no function
    expect(() => mixedPrecision(undefined)).toThrow(/the loss is a function/)
  })
})
