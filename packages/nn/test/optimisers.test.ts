import { ArgumentError, DTypeError, ShapeError, type Tensor, cast, scalar, tensor } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import {
  type Optimizer,
  type OptimizerState,
  adafactor,
  adam,
  adamw,
  cosine,
  lion,
  matricesOnly,
  muon,
  newtonSchulz,
  partitioned,
  sgd,
  withMasters,
} from '../src/optim/index.js'
import { settled, value, values, wave } from './values.js'

type Params = Record<string, Tensor>

const matrix = () => tensor(wave(6), { shape: [2, 3] })
const target = tensor(wave(6, { phase: 1 }), { shape: [2, 3] })
const distance = (x: Tensor) => value(x.sub(target).square().sum())

/** Follows the gradient of |x - target|²/2. */
function descend(optimizer: Optimizer, steps: number, start: Tensor = matrix()) {
  let params: Params = { x: start }
  let state = optimizer.init(params)
  for (let step = 0; step < steps; step++)
    ({ params, state } = settled(optimizer.update(params, { x: params.x.sub(target) }, state)))
  return { x: params.x, state }
}

const OPTIMISERS: Record<string, Optimizer> = {
  sgd: sgd({ lr: 0.1 }),
  'sgd with momentum': sgd({ lr: 0.05, momentum: 0.8, dampening: 0.1 }),
  'sgd with nesterov': sgd({ lr: 0.05, momentum: 0.8, nesterov: true }),
  adam: adam({ lr: 0.1 }),
  'adam with amsgrad': adam({ lr: 0.1, amsgrad: true }),
  adamw: adamw({ lr: 0.1 }),
  adafactor: adafactor({ lr: 0.3 }),
  lion: lion({ lr: 0.05 }),
  muon: muon({ lr: 0.05, weightDecay: 0 }),
}

describe.each(Object.entries(OPTIMISERS))('%s', (_name, optimizer) => {
  it('descends on a quadratic', () => {
    expect(distance(descend(optimizer, 40).x)).toBeLessThan(0.05 * distance(matrix()))
  })

  it('counts its updates in an i32 scalar and keeps its slots in f32 by parameter name', () => {
    const { state } = descend(optimizer, 3)
    expect([state.step.dtype, state.step.shape, value(state.step)]).toEqual(['i32', [], 3])
    for (const byName of Object.values(state.slots)) {
      expect(Object.keys(byName)).toEqual(['x'])
      expect(byName.x.dtype).toBe('f32')
    }
  })

  it('goes on from a saved state as if it had not stopped', () => {
    const whole = descend(optimizer, 5)
    let params: Params = { x: matrix() }
    let state: OptimizerState = optimizer.init(params)
    for (let step = 0; step < 5; step++) {
      ;({ params, state } = settled(optimizer.update(params, { x: params.x.sub(target) }, state)))
      if (step === 2) state = JSON.parse(JSON.stringify(saved(state)), revived) as OptimizerState
    }
    expect(values(params.x)).toEqual(values(whole.x))
  })

  it('keeps the dtype of a bf16 parameter and updates in f32', () => {
    const params = { x: cast(matrix(), 'bf16') }
    const grads = { x: cast(target, 'bf16') }
    const next = optimizer.update(params, grads, optimizer.init(params))
    expect(next.params.x.dtype).toBe('bf16')
    const wide = { x: cast(params.x, 'f32') }
    const exact = optimizer.update(wide, { x: cast(grads.x, 'f32') }, optimizer.init(wide))
    expect(values(next.params.x)).toEqual(values(cast(exact.params.x, 'bf16')))
  })
})

const saved = (state: OptimizerState) => ({
  step: { saved: values(state.step), shape: [], dtype: 'i32' },
  slots: Object.fromEntries(
    Object.entries(state.slots).map(([kind, byName]) => [
      kind,
      Object.fromEntries(
        Object.entries(byName).map(([name, slot]) => [name, { saved: values(slot), shape: slot.shape, dtype: 'f32' }]),
      ),
    ]),
  ),
})
const revived = (_key: string, entry: { saved?: number[]; shape: number[]; dtype: 'f32' | 'i32' }) =>
  entry?.saved === undefined ? entry : tensor(entry.saved, { shape: entry.shape, dtype: entry.dtype })

describe('adamw', () => {
  it('follows its formula, computed here in float64', () => {
    const [lr, beta1, beta2, eps, decay] = [0.01, 0.9, 0.999, 1e-8, 0.1]
    const optimizer = adamw({ lr, betas: [beta1, beta2], eps, weightDecay: decay })
    let [p, m, v] = [0.7, 0, 0]
    let params: Params = { p: tensor([p]) }
    let state = optimizer.init(params)
    for (let t = 1; t <= 6; t++) {
      const g = Math.sin(t)
      ;({ params, state } = settled(optimizer.update(params, { p: tensor([g]) }, state)))
      m = beta1 * m + (1 - beta1) * g
      v = beta2 * v + (1 - beta2) * g * g
      p = p * (1 - lr * decay) - (lr * (m / (1 - beta1 ** t))) / (Math.sqrt(v / (1 - beta2 ** t)) + eps)
      expect(value(params.p)).toBeCloseTo(p, 6)
    }
  })

  it('takes a number, a tensor or a schedule as learning rate', () => {
    const rates = [0.01, scalar(0.01), cosine({ peak: 0.01, end: 0.01, total: 10 })]
    const results = rates.map((lr) => values(descend(adamw({ lr }), 3).x))
    expect(results[1]).toEqual(results[0])
    results[2].forEach((x, k) => expect(x).toBeCloseTo(results[0][k], 6))
  })

  it('decays only what decayFor chooses', () => {
    const params = { weight: tensor([[1, 2]]), bias: tensor([1, 2]) }
    const zero = { weight: tensor([[0, 0]]), bias: tensor([0, 0]) }
    const optimizer = adamw({ lr: 0.5, weightDecay: 0.5, decayFor: matricesOnly })
    const next = optimizer.update(params, zero, optimizer.init(params)).params
    expect(values(next.weight)).toEqual([0.75, 1.5])
    expect(values(next.bias)).toEqual([1, 2])
  })
})

describe('newtonSchulz', () => {
  it('brings all singular values near 1, whatever the scale and the longer side', () => {
    for (const [rows, columns] of [
      [3, 5],
      [5, 3],
      [4, 4],
    ])
      for (const scale of [1e-4, 1, 1e4]) {
        const x = newtonSchulz(tensor(wave(rows * columns, { scale }), { shape: [rows, columns] }), { steps: 10 })
        const gram = rows <= columns ? x.matmul(x.transpose()) : x.transpose().matmul(x)
        const side = Math.min(rows, columns)
        // the coefficients end between 0.68 and 1.13: that is close enough for a step, and five steps get there
        values(gram).forEach((entry, k) => {
          const diagonal = Math.floor(k / side) === k % side
          expect(Math.abs(entry - (diagonal ? 1 : 0))).toBeLessThan(0.6)
        })
      }
  })
})

describe('partitioned', () => {
  const params = { big: matrix(), small: tensor([1, 2]) }
  const grads = { big: target, small: tensor([0.5, -0.5]) }
  const byRank = (_name: string, parameter: Tensor) => (parameter.rank === 2 ? 'matrices' : 'rest')

  it('gives each parameter to the optimiser that was chosen', () => {
    const both = partitioned(byRank, { matrices: muon(), rest: adamw() })
    const next = both.update(params, grads, both.init(params))
    const alone = muon().update({ big: params.big }, { big: grads.big }, muon().init({ big: params.big }))
    expect(values(next.params.big)).toEqual(values(alone.params.big))
    expect(Object.keys(next.state.slots).sort()).toEqual([
      'matrices.momentum_buffer',
      'rest.exp_avg',
      'rest.exp_avg_sq',
    ])
    expect(value(next.state.step)).toBe(1)
  })

  it('lets an optimiser have no parameters, and names a choice that is no optimiser', () => {
    const both = partitioned(() => 'rest', { matrices: muon(), rest: sgd({ lr: 1 }) })
    expect(values(both.update(params, grads, both.init(params)).params.small)).toEqual([0.5, 2.5])
    const wrong = partitioned(() => 'nobody', { rest: sgd({ lr: 1 }) })
    expect(() => wrong.init(params)).toThrow(/one of rest, got nobody for big/)
  })
})

describe('withMasters', () => {
  const steps = 40
  const run = (optimizer: Optimizer) => {
    let params: Params = { x: cast(tensor([1]), 'bf16') }
    let state = optimizer.init(params)
    for (let step = 0; step < steps; step++)
      ({ params, state } = settled(optimizer.update(params, { x: cast(tensor([1]), 'bf16') }, state)))
    return { x: value(params.x), state }
  }

  it('keeps updates that are too small for bf16', () => {
    const lr = 0.0005 // half a last digit of a bf16 just below 1 is 0.002
    expect(run(sgd({ lr })).x).toBe(1)
    const { x, state } = run(withMasters(sgd({ lr })))
    expect(value(state.slots.master.x)).toBeCloseTo(1 - steps * lr, 5)
    expect(x).toBe(0.98046875)
  })

  it('keeps no second copy of an f32 parameter', () => {
    const params = { x: matrix(), y: cast(matrix(), 'bf16') }
    expect(Object.keys(withMasters(sgd({ lr: 1 })).init(params).slots.master)).toEqual(['y'])
  })
})

describe('what does not belong together is refused by name', () => {
  const optimizer = adamw()
  const params = { a: tensor([1, 2]), b: tensor([3]) }
  const state = optimizer.init(params)

  it('an integer parameter', () => {
    expect(() => optimizer.init({ ids: tensor([1], { dtype: 'i32' }) })).toThrow(DTypeError)
    expect(() => optimizer.init({ ids: tensor([1], { dtype: 'i32' }) })).toThrow(/got i32 for ids/)
  })

  it('a gradient that is missing, unknown or misshapen', () => {
    const update = (grads: Params) => () => optimizer.update<Params>(params, grads, state)
    expect(update({ a: params.a })).toThrow(/none for b/)
    expect(update({ ...params, c: params.a })).toThrow(/gradient for c/)
    expect(update({ a: params.a, b: params.a })).toThrow(ShapeError)
    expect(update({ a: params.a, b: params.a })).toThrow(/got \[2\] for b of \[1\]/)
  })

  it('a state of another optimiser or of other parameters', () => {
    expect(() => optimizer.update(params, params, sgd({ lr: 1 }).init(params))).toThrow(ArgumentError)
    expect(() => optimizer.update(params, params, optimizer.init({ a: params.b, b: params.b }))).toThrow(
      /keeps exp_avg \[2\] for a, got \[1\]/,
    )
  })

  it('a parameter of muon that is no matrix', () => {
    expect(() => muon().init(params)).toThrow(/a \[2\]; give the others to adamw with partitioned/)
  })
})
