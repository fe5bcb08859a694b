import {
  type Tensor,
  compile,
  evaluate,
  openReference,
  random,
  setDefaultBackend,
  tensor,
  valueAndGrad,
} from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Linear, parameters } from '../src/index.js'
import { type Optimizer, adamw, clipByGlobalNorm, cosine, matricesOnly, sgd } from '../src/optim/index.js'
import { wave } from './values.js'

let backend: Awaited<ReturnType<typeof openReference>>
beforeAll(async () => {
  backend = await openReference()
  setDefaultBackend(backend)
})
afterAll(() => backend.close())

type Params = Record<string, Tensor>
const freshParams = (): Params => ({
  a: tensor(wave(12), { shape: [3, 4] }),
  b: tensor(wave(5)),
  c: tensor(wave(8), { shape: [2, 2, 2] }),
})
const gradients = (step: number): Params => ({
  a: tensor(wave(12, { phase: step }), { shape: [3, 4] }),
  b: tensor(wave(5, { phase: step })),
  c: tensor(wave(8, { phase: step }), { shape: [2, 2, 2] }),
})
const schedule = cosine({ peak: 0.1, warmup: 2, total: 10 })

describe('a compiled update', () => {
  it.each<[string, Optimizer]>([
    ['adamw', adamw({ lr: schedule, weightDecay: 0.1, decayFor: matricesOnly })],
    ['adamw with amsgrad', adamw({ lr: schedule, amsgrad: true })],
    ['sgd', sgd({ lr: schedule, momentum: 0.9 })],
  ])('of %s is one fused step for each parameter, beside those for the shared scalars', async (_name, optimizer) => {
    const update = compile(
      (params: Params, grads: Params, state: ReturnType<Optimizer['init']>) => optimizer.update(params, grads, state),
      { donate: [0, 2] },
    )
    const params = freshParams()
    const program = await update.program(params, gradients(0), optimizer.init(params))
    const elements = program.steps.map((step) => {
      expect(step.kind).toBe('fused')
      return step.kind === 'fused' ? step.outer.reduce((product, extent) => product * extent, step.inner) : 0
    })
    expect(elements.filter((count) => count > 1).sort((x, y) => x - y)).toEqual([5, 8, 12])
    expect(elements.filter((count) => count === 1).length).toBeLessThanOrEqual(3)
  })

  it('is traced and planned once, whatever the step, and equals the plain update', async () => {
    const optimizer = adamw({ lr: schedule })
    const update = compile(
      (params: Params, grads: Params, state: ReturnType<Optimizer['init']>) => optimizer.update(params, grads, state),
      { donate: [0, 2] },
    )
    let compiled = { params: freshParams(), state: optimizer.init(freshParams()) }
    let plain = { params: freshParams(), state: optimizer.init(freshParams()) }
    for (let step = 0; step < 4; step++) {
      compiled = await update(compiled.params, gradients(step), compiled.state)
      plain = optimizer.update(plain.params, gradients(step), plain.state)
      await evaluate(plain)
    }
    expect(update.stats).toMatchObject({ traces: 1, plans: 1, runs: 4 })
    for (const name of ['a', 'b', 'c'])
      expect(await compiled.params[name].data()).toEqual(await plain.params[name].data())
    expect(await compiled.state.step.item()).toBe(4)
  })

  it('trains a layer end to end', async () => {
    const layer = Linear.init({ inFeatures: 3, outFeatures: 2, key: random.key(0) })
    const optimizer = adamw({ lr: 0.05, weightDecay: 0 })
    const x = tensor(wave(30), { shape: [10, 3] })
    const target = Linear.init({ inFeatures: 3, outFeatures: 2, key: random.key(1) }).forward(x)
    const step = compile(
      (params: Params, state: ReturnType<Optimizer['init']>, input: Tensor, wanted: Tensor) => {
        const lossOf = (p: Params) => layer.with(p).forward(input).sub(wanted).square().mean()
        const [loss, grads] = valueAndGrad(lossOf)(params)
        const clipped = clipByGlobalNorm(grads, 1)
        return { loss, ...optimizer.update(params, clipped.grads, state) }
      },
      { donate: [0, 1] },
    )
    let params: Params = parameters(layer)
    let state = optimizer.init(params)
    const losses: number[] = []
    for (let k = 0; k < 150; k++) {
      const result = await step(params, state, x, target)
      ;({ params, state } = result)
      losses.push(await result.loss.item())
    }
    expect(losses[149]).toBeLessThan(0.01 * losses[0])
  })
})

describe('a module', () => {
  it('goes through a compiled function as an argument and as a result', async () => {
    const layer = Linear.init({ inFeatures: 3, outFeatures: 2, key: random.key(0) })
    const scaled = compile((module: Linear, factor: Tensor) =>
      module.with(Object.fromEntries(Object.entries(parameters(module)).map(([name, p]) => [name, p.mul(factor)]))),
    )
    const result = await scaled(layer, tensor(2))
    expect(result).toBeInstanceOf(Linear)
    expect(await result.weight.data()).toEqual(await layer.weight.mul(2).data())
  })

  it('has a gradient that is a module of gradients', async () => {
    const layer = Linear.init({ inFeatures: 3, outFeatures: 2, key: random.key(0) })
    const x = tensor(wave(6), { shape: [2, 3] })
    const [, grads] = valueAndGrad((module: Linear) => module.forward(x).sum())(layer)
    expect(Object.keys(parameters(grads))).toEqual(['weight', 'bias'])
    expect([...(await parameters(grads).bias.data())]).toEqual([2, 2])
  })
})
