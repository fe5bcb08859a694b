/** `evaluate`, states of tensors, errors that lose nothing. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  add,
  bytes,
  checkNumerics,
  compile,
  data,
  div,
  evaluate,
  exp,
  grad,
  item,
  log,
  matmul,
  mul,
  ones,
  openReference,
  setDefaultBackend,
  sum,
  tensor,
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

describe('evaluate', () => {
  it('is lazy until asked, then ready without a graph', async () => {
    const y = add(vector(1, 2), 3)
    expect(y.state).toBe('lazy')
    await evaluate(y)
    expect(y.state).toBe('ready')
    expect(y.node).toBeNull()
    expect([...(await data(y))]).toEqual([4, 5])
  })

  it('runs the requests of one tick as one program', async () => {
    const x = vector(1, 2, 3)
    const before = backend.counters.programsRun
    const [a, b] = await Promise.all([data(add(x, 1)), item(sum(x))])
    expect([...a]).toEqual([2, 3, 4])
    expect(b).toBe(6)
    expect(backend.counters.programsRun - before).toBe(1)
  })

  it('keeps exactly the tensors named', async () => {
    const x = vector(1, 2)
    const hidden = exp(x)
    await evaluate(mul(hidden, 2))
    expect(hidden.state).toBe('lazy')
  })

  it('reports once that a costly value is computed again', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const product = matmul(ones([3, 3]), ones([3, 3]))
    await evaluate(mul(product, 2))
    expect(warn).not.toHaveBeenCalled()
    await evaluate(add(product, 1))
    await evaluate(add(product, 3))
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn).toHaveBeenCalledWith(expect.stringMatching(/matmul \[3, 3\].*computed again.*evaluate them together/))
    warn.mockRestore()
  })

  it('shares one program between equal graphs with other numbers', async () => {
    const loaded = async (by: number): Promise<number> => {
      await data(mul(add(vector(1, 2, 3, 4, 5), by), by))
      return backend.counters.programsLoaded
    }
    const first = await loaded(2)
    expect(await loaded(7)).toBe(first)
    expect([...(await data(mul(add(vector(1, 2, 3, 4, 5), 3), 3)))]).toEqual([12, 15, 18, 21, 24])
  })

  it('keeps earlier tensors usable after a failure', async () => {
    const small = await openReference({ memoryLimitBytes: 4096 })
    const x = ones([64])
    await evaluate(x)
    const held = ones([8])
    const options = { backend: small }
    const f = compile((t: Tensor) => add(t, 1), options)
    const kept = await f(held)
    const g = compile((t: Tensor) => matmul(t.reshape([8, 1]), zeros([1, 4096])), options)
    await expect(g(held)).rejects.toThrow(/AllocationError|limit|memory/i)
    expect([...(await data(kept))]).toEqual(new Array(8).fill(2))
    await small.close()
  })

  it('fails only the requests that are at fault', async () => {
    const gone = vector(1)
    const bad = add(gone, 1)
    gone.dispose()
    const [good, failed] = await Promise.allSettled([mul(vector(5), 2).data(), bad.data()])
    expect(good).toMatchObject({ status: 'fulfilled' })
    expect(failed).toMatchObject({ status: 'rejected' })
  })

  it('reclaims dropped tensors before it says that memory is short', async () => {
    const small = openReference({ memoryLimitBytes: 2 ** 20 })
    const f = compile((t: Tensor) => add(t, 1), { backend: small })
    for (let k = 0; k < 40; k++) await evaluate(await f(ones([2 ** 15])))
    await small.close()
  })

  it('says that a tensor was disposed while it was read', async () => {
    const x = add(vector(1, 2), 0)
    await evaluate(x)
    const reading = x.data()
    x.dispose()
    await expect(reading).rejects.toThrow(/disposed/)
  })

  it('names the closed backend of a tensor', async () => {
    const other = await openReference()
    const f = compile((t: Tensor) => add(t, 1), { backend: other })
    const y = await f(ones([100]))
    await evaluate(y)
    await other.close()
    await expect(data(y)).rejects.toThrow(/was closed/)
  })

  it('gives bytes in the layout of the dtype', async () => {
    expect([...(await bytes(tensor([1, 2], { dtype: 'bf16' })))]).toEqual([0x80, 0x3f, 0x00, 0x40])
  })

  it('refuses to read a placeholder inside a transform', async () => {
    let failure: unknown
    grad((x: Tensor) => {
      data(mul(x, 2)).catch((error: unknown) => (failure = error))
      return sum(x)
    })(vector(1, 2))
    await vi.waitFor(() => expect(String(failure)).toMatch(/TracedValueError|has no value there/))
  })

  it('finds NaN and names the place', async () => {
    const bad = div(vector(1, 0, 2), vector(1, 0, 1))
    await expect(checkNumerics({ grads: { w: bad } })).rejects.toThrow(/grads\.w.*1 of 3.*NaN at \[1\]/)
    await expect(checkNumerics(log(vector(1, 2)))).resolves.toBeUndefined()
  })
})
