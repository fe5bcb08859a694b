/** Tensors from data in host memory. */
import { describe, expect, it } from 'vitest'
import { bytesToData } from '../../src/runtime/hostBytes.js'
import type { Tensor } from '../../src/graph/tensor.js'
import { arange, eye, fromBytes, full, linspace, scalar, tensor, tri } from '../../src/ops/index.js'
import { rounded } from './support.js'

function stored(x: Tensor): number[] {
  if (x.storage?.kind !== 'host') throw new Error('expected a value in host memory')
  return Array.from(bytesToData(x.storage.bytes, x.dtype))
}

describe('tensor', () => {
  it('takes numbers, booleans and nested arrays', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ])
    expect([x.shape, x.dtype, x.state, stored(x)]).toEqual([[2, 3], 'f32', 'ready', [1, 2, 3, 4, 5, 6]])
    const flag = tensor(true)
    expect([flag.shape, flag.dtype, stored(flag)]).toEqual([[], 'bool', [1]])
    expect(tensor([[], []]).shape).toEqual([2, 0])
    expect(stored(tensor([true, false], { dtype: 'i8' }))).toEqual([1, 0])
  })

  it('takes the dtype of typed arrays', () => {
    expect(tensor(new Float64Array([0.1])).dtype).toBe('f32')
    expect(stored(tensor(new Float64Array([0.1])))).toEqual([Math.fround(0.1)])
    expect(tensor(new Int16Array([-3])).dtype).toBe('i32')
    expect(stored(tensor(new BigInt64Array([-3n])))).toEqual([-3])
    expect(tensor(new Uint8ClampedArray([7])).dtype).toBe('u8')
    expect(stored(tensor(Buffer.from([1, 2])))).toEqual([1, 2])
    expect(() => tensor(new BigInt64Array([2n ** 40n]))).toThrow(/tensor: .*1099511627776/)
  })

  it('rounds to the dtype that is asked for', () => {
    expect(stored(tensor([0.1, 70000], { dtype: 'f16' }))).toEqual([0.0999755859375, Infinity])
    expect(stored(tensor([0.1], { dtype: 'bf16' }))).toEqual([0.10009765625])
    expect(stored(tensor([0, 0.5, NaN], { dtype: 'bool' }))).toEqual([0, 1, 1])
    expect(stored(tensor(new Float32Array([3, -4]), { dtype: 'i32', shape: [2, 1] }))).toEqual([3, -4])
    expect(stored(tensor([4294967295], { dtype: 'u32' }))).toEqual([4294967295])
  })

  it('copies its data', () => {
    const source = new Float32Array([1, 2])
    const x = tensor(source)
    source[0] = 9
    expect(stored(x)).toEqual([1, 2])
  })
})

describe('fromBytes', () => {
  it('reads the storage layout and copies, also from a Buffer', () => {
    const source = Buffer.from(new Float32Array([1.5, -2]).buffer)
    const x = fromBytes(source, { shape: [2], dtype: 'f32' })
    source.fill(0)
    expect(stored(x)).toEqual([1.5, -2])
  })

  it('shares memory when asked to', () => {
    const bytes = new Uint8Array([1, 2])
    expect(fromBytes(bytes, { shape: [2], dtype: 'u8', copy: false }).storage).toEqual({ kind: 'host', bytes })
  })
})

describe('formulas', () => {
  it('fills, counts and spaces', () => {
    expect(rounded(full([2], -3, { dtype: 'i8' }))).toEqual([-3, -3])
    expect(rounded(arange(250, 256, { step: 2, dtype: 'u8' }))).toEqual([250, 252, 254])
    expect(rounded(arange(4294967290, 4294967295, { step: 2, dtype: 'u32' }))).toEqual([
      4294967290, 4294967292, 4294967294,
    ])
    expect(rounded(arange(-2, 3, { step: 2, dtype: 'i8' }))).toEqual([-2, 0, 2])
    expect(rounded(linspace(1, 2, 1))).toEqual([1])
    expect(rounded(linspace(0, 1, 11)).at(-1)).toBe(1)
    expect(rounded(scalar(3, { dtype: 'i32' }))).toEqual([3])
  })

  it('draws bands', () => {
    expect(rounded(eye(2, { m: 3, k: 1 }))).toEqual([0, 1, 0, 0, 0, 1])
    expect(rounded(tri(2, { m: 3 }))).toEqual([1, 0, 0, 1, 1, 0])
  })
})
