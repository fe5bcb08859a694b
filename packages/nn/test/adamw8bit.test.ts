import {
  ArgumentError,
  type Tensor,
  compile,
  evaluate,
  openReference,
  random,
  scalar,
  setDefaultBackend,
  tensor,
  valueAndGrad,
} from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Linear, parameters } from '../src/index.js'
import { fromBlocks, levelTable, toBlocks } from '../src/optim/blockwise8bit.js'
import { type NamedTensors, type Optimizer, adamw, adamw8bit, matricesOnly, withMasters } from '../src/optim/index.js'
import { wave } from './values.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

describe('levels of eight bits', () => {
  it.each(['signed', 'unsigned'] as const)('%s: 256 of them, ascending, with 0 and 1', (levels) => {
    const table = levelTable(levels)
    expect(table).toHaveLength(256)
    expect(table).toEqual([...table].sort((a, b) => a - b))
    expect(new Set(table).size).toBe(256)
    expect([table.includes(0), table[255]]).toEqual([true, 1])
    expect(table.indexOf(0)).toBe(levels === 'signed' ? 127 : 0)
  })

  it.each(['signed', 'unsigned'] as const)('%s: a number takes one of the two levels beside it', async (levels) => {
    const sizes = wave(1000).map((x) => 10 ** (-7.2 * Math.abs(x)))
    const numbers = sizes.map((size, k) => (levels === 'signed' && k % 2 === 1 ? -size : size))
    const input = tensor(numbers) // the largest of each block is near, but not exactly, 1
    const blocks = toBlocks(input, levels)
    const [decoded, scale] = [await fromBlocks(blocks, 1000, levels).data(), await blocks.scale.data()]
    const table = levelTable(levels)
    numbers.forEach((number, k) => {
      const fraction = number / Number(scale[k >> 8])
      const above = table.findIndex((level) => level >= fraction - 1e-6 * Math.abs(fraction))
      const [low, high] = [table[Math.max(0, above - 1)], table[above]]
      const got = Number(decoded[k]) / Number(scale[k >> 8])
      expect(Math.min(Math.abs(got - low), Math.abs(got - high))).toBeLessThan(1e-6 * Math.abs(got) + 1e-12)
    })
  })

  it('keep zeros, blocks of zeros, and the largest magnitude of a block', async () => {
    const input = tensor([...Array<number>(256).fill(0), 3, 0, 1.5])
    expect([...(await fromBlocks(toBlocks(input, 'unsigned'), 259, 'unsigned').data())].slice(254)).toEqual([
      0,
      0,
      3,
      0,
      expect.closeTo(1.5, 1),
    ])
  })

  it('without sign never round a positive number to 0', async () => {
    const input = tensor([1, 1e-12, 0])
    const [, tiny, zero] = await fromBlocks(toBlocks(input, 'unsigned'), 3, 'unsigned').data()
    expect(tiny).toBeGreaterThan(0)
    expect(zero).toBe(0)
  })
})

describe('adamw8bit', () => {
  it('keeps about two bytes a parameter, and f32 for small ones', () => {
    const params = { matrix: tensor(wave(256 * 256), { shape: [256, 256] }), norm: tensor(wave(256)) }
    const { slots } = adamw8bit().init(params)
    const bytes = (name: string): number =>
      Object.values(slots).reduce((sum, named) => {
        const slot = named[name] as Tensor | undefined
        return sum + (slot === undefined ? 0 : slot.size * (slot.dtype === 'u8' ? 1 : 4))
      }, 0)
    expect(bytes('matrix') / (256 * 256)).toBeCloseTo(2.03, 2)
    expect(slots.exp_avg.matrix.dtype).toBe('u8')
    expect(slots.exp_avg.norm.dtype).toBe('f32')
    expect(bytes('norm')).toBe(8 * 256)
  })

  it('is adamw where moments stay f32', async () => {
    const params = { a: tensor(wave(12), { shape: [3, 4] }) }
    const options = { lr: 0.1, weightDecay: 0.1, decayFor: matricesOnly }
    const [plain, narrow] = [adamw(options), adamw8bit(options)]
    let [p, q] = [params, params]
    let [s, r] = [plain.init(p), narrow.init(q)]
    for (let step = 0; step < 3; step++) {
      const grads = { a: tensor(wave(12, { phase: step }), { shape: [3, 4] }) }
      ;({ params: p, state: s } = plain.update(p, grads, s))
      ;({ params: q, state: r } = narrow.update(q, grads, r))
    }
    expect(await q.a.data()).toEqual(await p.a.data())
  })

  /** A two-layer network learns a random teacher; the loss after some compiled steps. */
  async function lossAfter(optimizer: Optimizer, steps: number): Promise<number> {
    const sizes = { inFeatures: 20, outFeatures: 33 } // 660 elements: a last block that is not full
    const make = (seed: number) => ({
      first: Linear.init({ ...sizes, key: random.key(seed) }),
      second: Linear.init({ inFeatures: 33, outFeatures: 3, key: random.key(seed + 50) }),
    })
    const run = (net: ReturnType<typeof make>, x: Tensor) => net.second.forward(net.first.forward(x).tanh())
    const x = random.normal(random.key(9), [64, 20])
    const target = run(make(2), x)
    const student = make(1)
    const step = compile(
      (params: NamedTensors, state: ReturnType<Optimizer['init']>, x: Tensor, target: Tensor) => {
        const loss = (p: NamedTensors): Tensor => {
          const named = (prefix: string) =>
            Object.fromEntries(
              Object.entries(p).flatMap(([k, v]) => (k.startsWith(prefix) ? [[k.slice(prefix.length), v]] : [])),
            )
          const net = { first: student.first.with(named('first.')), second: student.second.with(named('second.')) }
          return run(net, x).sub(target).square().mean()
        }
        const [value, grads] = valueAndGrad(loss)(params)
        return { value, ...optimizer.update(params, grads, state) }
      },
      { donate: ['params', 'state'] },
    )
    let params: NamedTensors = parameters(student)
    let state = optimizer.init(params)
    let value: Tensor = scalar(0)
    for (let k = 0; k < steps; k++) ({ value, params, state } = await step(params, state, x, target))
    return (await value.item()) as number
  }

  it('converges as adamw does', async () => {
    const options = { lr: 0.01, betas: [0.9, 0.95] as const, weightDecay: 0.01 }
    const [start, plain] = [await lossAfter(adamw(options), 1), await lossAfter(adamw(options), 150)]
    const narrow = await lossAfter(adamw8bit({ ...options, minElements: 0 }), 150)
    expect(plain).toBeLessThan(start / 50)
    expect(narrow).toBeLessThan(start / 50)
    expect(narrow / plain).toBeLessThan(1.5)
  })

  it('takes no leap where the gradient of an element vanished beside large ones', async () => {
    const optimizer = adamw8bit({ lr: 0.01, weightDecay: 0, minElements: 0, betas: [0.9, 0.95] })
    const at = (first: number): { w: Tensor } => ({ w: tensor([first, ...Array<number>(255).fill(1)]) })
    let params = at(0)
    let state = optimizer.init(params)
    const seen: number[] = []
    for (let step = 0; step < 40; step++) {
      ;({ params, state } = optimizer.update(params, at(step === 0 ? 1e-4 : 0), state))
      await evaluate(params, state)
      seen.push(Number((await params.w.data())[0]))
    }
    const steps = seen.map((value, k) => Math.abs(value - (seen[k - 1] ?? 0)))
    expect(Math.max(...steps)).toBeLessThan(0.02)
    expect(Math.max(...steps)).toBeGreaterThan(0.001)
  })

  it('works on bf16 parameters with masters', async () => {
    const params = { w: tensor(wave(300)).cast('bf16') }
    const optimizer = withMasters(adamw8bit({ lr: 0.01, minElements: 0 }))
    const state = optimizer.init(params)
    const next = optimizer.update(params, { w: tensor(wave(300, { phase: 1 })).cast('bf16') }, state)
    expect(next.params.w.dtype).toBe('bf16')
    expect(Object.keys(next.state.slots).sort()).toEqual(
      ['exp_avg', 'exp_avg_scale', 'exp_avg_sq', 'exp_avg_sq_scale', 'master'].sort(),
    )
    expect(await next.params.w.data()).not.toEqual(await params.w.data())
  })

  it('refuses foreign states, gradients and options', () => {
    const params = { w: tensor(wave(300)) }
    const optimizer = adamw8bit({ minElements: 0 })
    const state = optimizer.init(params)
    expect(() => optimizer.update(params, params, adamw().init(params))).toThrow(/exp_avg as u8 \[512\] for w, got f32/)
    expect(() => optimizer.update(params, { w: tensor([1]) }, state)).toThrow(/shape of its parameter, got \[1\] for w/)
    expect(() => optimizer.update(params, { w: params.w, v: params.w } as typeof params, state)).toThrow(
      /gradient for v/,
    )
    // @ts-expect-error -- no such option
    expect(() => adamw8bit({ beta: 1 })).toThrow(ArgumentError)
    expect(() => adamw8bit({ betas: [1, 0.9] })).toThrow(/betas is in \[0, 1\), got 1/)
  })
})
