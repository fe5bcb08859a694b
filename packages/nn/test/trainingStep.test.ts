import { ArgumentError, type Tensor, cast, scalar, tensor, valueAndGrad } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import {
  accumulateGradients,
  clipByGlobalNorm,
  clipByValue,
  ema,
  globalNorm,
  keepIf,
  lossScaling,
} from '../src/optim/index.js'
import { settled, value, values } from './values.js'

describe('clipping', () => {
  const grads = { a: tensor([3, 0]), b: tensor([[4]]) }

  it('measures all tensors of a tree together', () => {
    expect(value(globalNorm(grads))).toBe(5)
    expect(value(globalNorm({}))).toBe(0)
  })

  it('scales to the largest norm, keeping the direction', () => {
    const { grads: clipped, norm } = clipByGlobalNorm(grads, 1)
    expect(value(norm)).toBe(5)
    expect(value(globalNorm(clipped))).toBeCloseTo(1, 5)
    expect(values(clipped.a)[0] / values(clipped.b)[0]).toBeCloseTo(0.75, 6)
  })

  it('leaves small gradients as they are', () => {
    expect(values(clipByGlobalNorm(grads, 10).grads.a)).toEqual([3, 0])
  })

  it('keeps the dtype of every gradient', () => {
    expect(clipByGlobalNorm({ a: cast(grads.a, 'bf16') }, 1).grads.a.dtype).toBe('bf16')
  })

  it('cuts elements to a limit', () => {
    expect(values(clipByValue(tensor([-3, 0.5, 2]), 1))).toEqual([-1, 0.5, 1])
  })

  it('refuses limits that allow nothing', () => {
    expect(() => clipByGlobalNorm(grads, 0)).toThrow(/positive, got 0/)
    expect(() => clipByValue(grads, -1)).toThrow(/at least 0, got -1/)
  })
})

describe('ema', () => {
  it('starts at the first parameters', () => {
    const average = ema({ decay: 0.75 })
    const state = average.update({ x: tensor([8]) }, average.init({ x: tensor([4]) }))
    expect(values(average.value(state).x)).toEqual([5])
  })

  it('without a start is the mean, weighted, of what it saw', () => {
    const average = ema({ decay: 0.9, debias: true })
    let state = average.init({ x: tensor([100]) })
    for (const x of [2, 4]) state = settled(average.update({ x: tensor([x]) }, state))
    expect(value(average.value(state).x)).toBeCloseTo((0.09 * 2 + 0.1 * 4) / 0.19, 5)
  })

  it('averages in f32 and shares no tensor with the parameters', () => {
    const params = { x: tensor([1]), y: cast(tensor([1]), 'bf16') }
    const state = ema({ decay: 0.5 }).init(params)
    expect(state.average.x).not.toBe(params.x)
    expect(state.average.y.dtype).toBe('f32')
  })
})

describe('lossScaling', () => {
  const scaling = lossScaling({ initScale: 8, growthInterval: 3, hysteresis: 2, minScale: 2 })
  const scales = (...found: boolean[]) => {
    let state = scaling.init()
    return found.map((foundInf) => {
      state = settled(scaling.update(state, scalar(foundInf, { dtype: 'bool' })))
      return value(state.scale)
    })
  }

  it('doubles after enough good steps in a row', () => {
    expect(scales(false, false, false, false, false, false)).toEqual([8, 8, 16, 16, 16, 32])
  })

  it('halves at the second overflow, though good steps lie between, and stops at its least', () => {
    expect(scales(true, false, true, true, true, true, true)).toEqual([8, 8, 4, 4, 2, 2, 2])
  })

  it('an overflow begins the count of good steps anew', () => {
    expect(scales(false, false, true, false, false, false)).toEqual([8, 8, 8, 8, 8, 16])
  })

  it('unscales to f32 and finds infinities and NaN', () => {
    const state = scaling.init()
    const grads = (x: number) => ({ a: cast(tensor([16, x]), 'f16') })
    const { grads: unscaled, foundInf } = scaling.unscale(grads(8), state)
    expect([unscaled.a.dtype, values(unscaled.a), value(foundInf)]).toEqual(['f32', [2, 1], 0])
    expect(value(scaling.unscale(grads(Infinity), state).foundInf)).toBe(1)
    expect(value(scaling.unscale(grads(NaN), state).foundInf)).toBe(1)
  })

  it('keeps a whole step back when it overflowed', () => {
    const choose = (found: boolean): Tensor =>
      keepIf(scalar(found, { dtype: 'bool' }), { x: tensor([1]) }, { x: tensor([2]) }).x
    expect([value(choose(true)), value(choose(false))]).toEqual([1, 2])
  })
})

describe('trees of another structure', () => {
  it('are refused by keepIf and ema', () => {
    const [one, two] = [{ a: tensor([1]) }, { a: tensor([1]), b: tensor([1]) }]
    const condition = scalar(true, { dtype: 'bool' })
    expect(() => keepIf<Record<string, Tensor>>(condition, one, two)).toThrow(ArgumentError)
    const average = ema({ decay: 0.5 })
    expect(() => average.update<Record<string, Tensor>>(two, average.init(one))).toThrow(ArgumentError)
  })
})

describe('accumulateGradients', () => {
  const params = { w: tensor([0.5, -1]), b: cast(tensor([0.25]), 'bf16') }
  const batch = tensor([1, 2, 3, 4, 5, 6, 7, 9], { shape: [4, 2] })
  const loss = (p: typeof params, x: Tensor) => x.mul(p.w).sum({ axes: -1 }).add(cast(p.b, 'f32')).square().mean()

  it('gives the loss and gradients of the whole batch, in the dtypes of the parameters', () => {
    const [whole, wholeGrads] = valueAndGrad((p: typeof params) => loss(p, batch))(params)
    const [mean, grads] = accumulateGradients(loss, params, batch.reshape([2, 2, 2]))
    expect(value(mean)).toBeCloseTo(value(whole), 4)
    values(grads.w).forEach((g, k) => expect(g).toBeCloseTo(values(wholeGrads.w)[k], 4))
    expect(grads.b.dtype).toBe('bf16')
    expect(values(grads.b)).toEqual(values(wholeGrads.b))
  })

  it('refuses a batch without parts', () => {
    expect(() => accumulateGradients(loss, params, tensor([], { shape: [0, 2, 2] }))).toThrow(/got \[0, 2, 2\]/)
  })
})
