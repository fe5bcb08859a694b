/** `compile`, donation and states: the rules of the core, one fact a test. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  add,
  compile,
  data,
  evaluate,
  exp,
  item,
  matmul,
  mul,
  openReference,
  random,
  scalar,
  setDefaultBackend,
  sub,
  sum,
  tensor,
  updateSlice,
  valueAndGrad,
  zeros,
  type Backend,
  type Tensor,
} from '../../src/index.js'

let backend: Backend
beforeAll(async () => {
  backend = await openReference()
  setDefaultBackend(backend)
})
afterAll(() => backend.close())

const vector = (...values: number[]): Tensor => tensor(values, { dtype: 'f32' })

describe('compile', () => {
  it('traces and plans once for one signature and gives the values of the plain function', async () => {
    const f = (x: Tensor, y: Tensor): Tensor => sum(mul(exp(x), y))
    const compiled = compile(f)
    for (let k = 0; k < 5; k++) {
      const x = vector(k, 1, -1)
      const got = await item(await compiled(x, vector(1, 2, 3)))
      expect(got).toBeCloseTo(await item(f(x, vector(1, 2, 3))), 5)
    }
    expect(compiled.stats).toMatchObject({ traces: 1, plans: 1, runs: 5 })
  })

  it('allocates nothing in the steady state of a donated training step', async () => {
    const loss = (w: Tensor, x: Tensor): Tensor => sum(mul(matmul(x, w), matmul(x, w)))
    const step = compile(
      (w: Tensor, x: Tensor) => {
        const [value, grad] = valueAndGrad((p: Tensor) => loss(p, x))(w)
        return { value, w: sub(w, mul(grad, 0.01)) }
      },
      { donate: ['w'] },
    )
    let w = tensor(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      { dtype: 'f32' },
    )
    const losses: number[] = []
    let settled = 0
    for (let k = 0; k < 50; k++) {
      const result = await step(
        w,
        tensor(
          [
            [1, 0.5, -1],
            [0.2, 1, 1],
          ],
          { dtype: 'f32' },
        ),
      )
      w = result.w
      losses.push(await item(result.value))
      if (k === 3) settled = step.stats.allocations
    }
    expect(step.stats.allocations).toBe(settled)
    expect(step.stats).toMatchObject({ traces: 1, plans: 1 })
    expect(losses[49]).toBeLessThan(losses[0])
  })

  it('bakes numbers into the program and counts them as signatures, up to sixteen', async () => {
    const scale = compile((x: Tensor, by: number) => mul(x, by))
    for (let k = 0; k < 16; k++) expect(await item(await scale(scalar(2), k))).toBe(2 * k)
    await expect(scale(scalar(2), 16)).rejects.toThrow(/argument 1 has changed again .*scalar\(i\)/)
  })

  it('takes a run-time scalar without a new trace', async () => {
    const scale = compile((x: Tensor, by: Tensor) => mul(x, by))
    for (let k = 0; k < 20; k++) expect(await item(await scale(scalar(2), scalar(k)))).toBe(2 * k)
    expect(scale.stats.traces).toBe(1)
  })

  it('reads captured tensors, which stay alive and usable', async () => {
    const table = vector(1, 2, 3)
    const f = compile((x: Tensor) => add(x, table))
    expect([...(await data(await f(vector(1, 1, 1))))]).toEqual([2, 3, 4])
    expect([...(await data(table))]).toEqual([1, 2, 3])
  })

  it('evaluates lazy arguments first', async () => {
    const f = compile((x: Tensor) => mul(x, 2))
    expect([...(await data(await f(add(vector(1, 2), 1))))]).toEqual([4, 6])
  })

  it('warns about a captured random key', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const key = random.key(3)
    await evaluate(key)
    const f = compile((x: Tensor) => add(x, random.uniform(key, [2])))
    await f(vector(0, 0))
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('random key'))
    warn.mockRestore()
  })

  it('refuses to be called inside another transform, at once', () => {
    const inner = compile((x: Tensor) => mul(x, x))
    const outer = valueAndGrad((x: Tensor) => {
      void inner(x)
      return sum(x)
    })
    expect(() => outer(vector(1, 2))).toThrow(/call the plain function there/)
  })

  it('runs unfused with the same bits', async () => {
    const f = (x: Tensor): Tensor => sum(mul(exp(x), add(x, 1)))
    const x = vector(0.3, -1.2, 2.5, 0.01)
    const fused = await item(await compile(f)(x))
    const unfused = await item(await compile(f, { fuse: false })(x))
    expect(unfused).toBe(fused)
  })
})

describe('donation', () => {
  it('kills the handle and reuses its buffer', async () => {
    const f = compile((x: Tensor) => add(x, 1), { donate: [0] })
    const big = zeros([100])
    await evaluate(big)
    const y = await f(big)
    await expect(data(big)).rejects.toThrow(/was donated to a compiled call/)
    expect((await data(y))[99]).toBe(1)
    expect(
      (await f.program(zeros([100]))).slots.some((slot) => slot.place.kind === 'output' && slot.place.aliasOf === 0),
    ).toBe(true)
  })

  it('throws for a lazy graph that still reads a donated tensor', async () => {
    const f = compile((x: Tensor) => add(x, 1), { donate: [0] })
    const x = zeros([40])
    await evaluate(x)
    const lazy = mul(x, 2)
    await f(x)
    await expect(data(lazy)).rejects.toThrow(/donated/)
  })

  it('throws when a donated tensor is passed twice or captured', async () => {
    const x = zeros([40])
    await evaluate(x)
    const f = compile((a: Tensor, b: Tensor) => add(a, b), { donate: ['a'] })
    await expect(f(x, x)).rejects.toThrow(/donated and undonated/)
    const g = compile((a: Tensor) => add(a, x), { donate: [0] })
    await expect(g(x)).rejects.toThrow(/also captures it/)
    expect((await data(x))[0]).toBe(0)
  })

  it('never overwrites what a later reader needs', async () => {
    const f = compile(
      (x: Tensor) => {
        const y = add(x, 1)
        return { y, total: sum(mul(x, y)) }
      },
      { donate: [0] },
    )
    const values = Array.from({ length: 64 }, (_, k) => k)
    const { y, total } = await f(tensor(values, { dtype: 'f32' }))
    expect((await data(y))[63]).toBe(64)
    expect(await item(total)).toBe(values.reduce((s, v) => s + v * (v + 1), 0))
  })

  it('writes only the slice when a cache is donated', async () => {
    const step = compile((cache: Tensor, row: Tensor, at: Tensor) => updateSlice(cache, row, [at, 0]), {
      donate: ['cache'],
    })
    const at = (k: number): Tensor => scalar(k, { dtype: 'i32' })
    const program = await step.program(zeros([32, 8]), tensor([[1, 1, 1, 1, 1, 1, 1, 1]], { dtype: 'f32' }), at(0))
    expect(
      program.steps.map((s) => (s.kind === 'fused' ? [...s.outer, s.inner].reduce((a, b) => a * b, 1) : 0)),
    ).toEqual([8])
    let cache = zeros([32, 8])
    for (let k = 0; k < 32; k++)
      cache = await step(cache, tensor([Array.from({ length: 8 }, () => k)], { dtype: 'f32' }), at(k))
    expect([...(await data(cache))]).toEqual(Array.from({ length: 256 }, (_, k) => Math.floor(k / 8)))
    expect(step.stats.traces).toBe(1)
  })

  it('finds names behind destructured arguments and defaults', async () => {
    const f = compile(({ a }: { a: Tensor }, gift: Tensor, kept: Tensor = zeros([40])) => add(add(gift, a), kept), {
      donate: ['gift'],
    })
    const [a, gift, kept] = [zeros([40]), zeros([40]), zeros([40])]
    await evaluate(a, gift, kept)
    await f({ a }, gift, kept)
    expect([a.state, gift.state, kept.state]).toEqual(['ready', 'donated', 'ready'])
  })

  it('never lets a graph that was asked for at the same time read what a donated buffer has become', async () => {
    const f = compile((t: Tensor) => add(t, 1000), { donate: [0] })
    for (let round = 0; round < 2; round++) {
      const t = add(zeros([40]), 1)
      await evaluate(t)
      const doubled = mul(t, 2)
      const [, value] = await Promise.allSettled([f(t), doubled.data()])
      if (value.status === 'fulfilled') expect(value.value[0]).toBe(2)
      else expect(String(value.reason)).toMatch(/donated/)
    }
  })

  it('rejects names that are no arguments', async () => {
    const f = compile((x: Tensor) => x, { donate: ['params'] })
    await expect(f(vector(1))).rejects.toThrow(/donate must name arguments.*"params".*\(x\)/)
  })
})
