/** What runs tell a user who made a mistake, and what they forgive: backends, indices, call sites, shapes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  AllocationError,
  ArgumentError,
  DisposedError,
  DTypeError,
  NumericsError,
  ShapeError,
  checkNumerics,
  compile,
  dynamicSlice,
  embedding,
  evaluate,
  fromBytes,
  gather,
  grad,
  indexSelect,
  openReference,
  profile,
  scalar,
  scatterAdd,
  setDefaultBackend,
  tensor,
  updateSlice,
  zeros,
  type Backend,
  type Tensor,
} from '../../src/index.js'

let first: Backend
let second: Backend

beforeEach(() => {
  first = openReference()
  second = openReference()
  setDefaultBackend(first)
})
afterEach(() => setDefaultBackend(null))

/** The error of a promise that must fail. */
async function failure(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

const ints = (values: number[]): Tensor => tensor(values, { dtype: 'i32' })

describe('host data', () => {
  it('is used on every backend, also after the first was closed', async () => {
    const x = tensor([1, 2, 3])
    expect(await x.add(1).toArray()).toEqual([2, 3, 4])
    setDefaultBackend(second)
    expect(await x.add(2).toArray()).toEqual([3, 4, 5])
    await first.close()
    expect(await x.add(3).toArray()).toEqual([4, 5, 6])
    expect(await x.toArray()).toEqual([1, 2, 3])
  })

  it('is copied to each backend once and frees all copies', async () => {
    const x = tensor([1, 2, 3])
    const before = [first.counters.liveBytes, second.counters.liveBytes]
    for (const backend of [first, second, first, second]) {
      setDefaultBackend(backend)
      const y = x.add(1)
      await evaluate(y)
      y.dispose()
    }
    expect([first.counters.buffersAllocated, second.counters.buffersAllocated]).toEqual([3, 3])
    x.dispose()
    expect([first.counters.liveBytes, second.counters.liveBytes].map((bytes, k) => bytes - before[k] < 1024)).toEqual([
      true,
      true,
    ])
    expect((await failure(x.data())).message).toContain('disposed')
  })

  it('moves to another backend when it is too large to be kept twice', async () => {
    const size = 2 ** 18 + 1
    const x = fromBytes(new Uint8Array(size * 4).fill(0), { shape: [size], dtype: 'f32' })
    expect(await x.add(1).sum().item()).toBe(size)
    setDefaultBackend(second)
    expect(await x.add(2).sum().item()).toBe(2 * size)
    await first.close()
    expect(await x.add(1).sum().item()).toBe(size)
    await second.close()
    setDefaultBackend(openReference())
    const error = await failure(x.add(1).data())
    expect(error).toBeInstanceOf(DisposedError)
    expect(error.message).toMatch(/which was closed; its host memory was given back.*make it again from its data/)
  })

  it('may be donated on one backend after it was used on another', async () => {
    const x = tensor([1, 2])
    await evaluate(x.add(1))
    setDefaultBackend(second)
    const step = compile((w: Tensor) => w.mul(2), { donate: [0] })
    expect(await (await step(x)).toArray()).toEqual([2, 4])
    expect((await failure(x.data())).message).toContain('was donated')
  })
})

describe('a computed value', () => {
  it('is told apart on a closed backend and on another open one of the same name', async () => {
    const y = tensor([1]).add(1)
    await evaluate(y)
    setDefaultBackend(second)
    const mixed = await failure(y.add(1).data())
    expect(mixed).toBeInstanceOf(DisposedError)
    expect(mixed.message).toMatch(/was computed on another backend of the name "reference" than the one.*bytes\(\)/)
    await first.close()
    const closed = await failure(y.add(1).data())
    expect(closed.message).toMatch(/lives on backend "reference", which was closed; read values before closing it/)
  })
})

describe('checkNumerics', () => {
  const table = tensor([
    [1, 2],
    [3, 4],
  ])
  it.each<[name: string, x: () => Tensor, parts: readonly string[]]>([
    [
      'a gather of integers',
      () => gather(ints([5, 6]), ints([0, 7]), { axis: 0 }),
      ['gather', '0 … 1', '1 of 2', 'first 7'],
    ],
    ['a selection of integers', () => indexSelect(ints([5, 6]), ints([-1])), ['gather', 'first -1', '0 for integers']],
    ['a table of floats', () => embedding(table, ints([0, 1, 1, 2]).reshape([2, 2])), ['gather', 'first 2 at']],
    [
      'a dropped write',
      () => scatterAdd(zeros([3]), ints([0, 3]), tensor([1, 1]), { axis: 0 }),
      ['scatterAdd', 'lost', 'first 3'],
    ],
    ['a slice', () => dynamicSlice(zeros([4]), [scalar(3, { dtype: 'i32' })], [2]), ['dynamicSlice', '0 … 2', 'moved']],
    ['an update', () => updateSlice(zeros([4]), tensor([1, 1]), [3]), ['updateSlice', '0 … 2', 'first 3', 'moved']],
    ['a gradient', () => grad((t: Tensor) => embedding(t, ints([9])).sum())(table), ['scatterAdd', 'first 9']],
  ])('reports an index out of range of %s', async (_name, x, parts) => {
    const error = await failure(checkNumerics({ x: x() }))
    expect(error).toBeInstanceOf(NumericsError)
    for (const part of parts) expect(error.message).toContain(part)
  })

  it('accepts indices in range, and the rows that a smaller index leaves out', async () => {
    const smaller = scatterAdd(zeros([3, 4]), ints([2, 0]).reshape([2, 1]), tensor([1, 1]).reshape([2, 1]), { axis: 0 })
    await checkNumerics([smaller, dynamicSlice(zeros([4]), [2], [2]), embedding(table, ints([1, 0]))])
    expect(await smaller.sum().item()).toBe(2)
  })

  it('still names floats that are not finite', async () => {
    const error = await failure(checkNumerics({ loss: tensor([1, 0]).log() }, 'step'))
    expect(error.message).toMatch(/step\.loss .*1 of 2.*-Infinity at \[1\]/)
  })
})

describe('an error of a run', () => {
  it('names the line that asked for the value', async () => {
    const small = openReference({ memoryLimitBytes: 4096 })
    setDefaultBackend(small)
    const error = await failure(zeros([4096]).add(1).data())
    expect(error).toBeInstanceOf(AllocationError)
    expect(error.message).toMatch(/; asked for at boundary\.test\.ts:\d+$/)
    expect(error.stack).toContain(error.message)
    const compiled = await failure(compile((x: Tensor) => x.add(zeros([4096])))(tensor([1])))
    expect(compiled.message).toMatch(/asked for at boundary\.test\.ts:\d+$/)
  })

  it('names the operator whose dtype a backend does not have', async () => {
    const narrow = openReference()
    Object.assign(narrow.capabilities, { dtypes: ['f32', 'i32', 'bool'] })
    setDefaultBackend(narrow)
    const error = await failure(tensor([1]).cast('f16').data())
    expect(error).toBeInstanceOf(DTypeError)
    expect(error.message).toMatch(
      /^cast: backend "reference" has the dtypes f32, i32, bool, got f16\[1\]; cast it first/,
    )
    const compiled = await failure(compile((x: Tensor) => x.cast('f16'))(tensor([1])))
    expect(compiled.message).toMatch(/^cast: .*got f16\[1\] at boundary\.test\.ts:\d+; cast it first/)
  })
})

describe('a shape', () => {
  it('that was written into gives an error instead of foreign memory', async () => {
    const host = tensor([1, 2])
    ;(host.shape as number[])[0] = 100
    const error = await failure(host.add(1).data())
    expect(error).toBeInstanceOf(ShapeError)
    expect(error.message).toContain('do not write into x.shape, use reshape')

    const step = compile((x: Tensor) => x.add(1))
    await step(zeros([100]))
    const ready = tensor([1, 2]).mul(1)
    await evaluate(ready)
    ;(ready.shape as number[])[0] = 100
    expect(await failure(step(ready))).toBeInstanceOf(ShapeError)
  })
})

describe('the 17th signature', () => {
  it('advises fixed sizes when shapes made it, a tensor when a number did', async () => {
    const shapes = compile((x: Tensor) => x.add(1))
    for (let n = 1; n <= 16; n++) await shapes(zeros([n]))
    const padded = await failure(shapes(zeros([17])))
    expect(padded).toBeInstanceOf(ArgumentError)
    expect(padded.message).toMatch(
      /argument 0 has changed again \(.*\[16\] to .*\[17\]\); pad it to one of a few fixed sizes/,
    )
    const numbers = compile((x: Tensor, n: number) => x.add(n))
    for (let n = 1; n <= 16; n++) await numbers(zeros([1]), n)
    const counted = await failure(numbers(zeros([1]), 17))
    expect(counted.message).toMatch(/argument 1 has changed again.*scalar\(i\)/)
  })
})

describe('profile', () => {
  it('evaluates what the function returns, and says when nothing ran', async () => {
    const lazy = await profile(() => ({ y: tensor([1, 2]).exp() }))
    expect(lazy.programs).toBe(1)
    const nothing = await profile(() => 1)
    expect(nothing.programs).toBe(0)
    expect(nothing.table()).toContain('no program ran: return the tensors')
  })
})
