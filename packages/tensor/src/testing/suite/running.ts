/** Running: several runs in flight, donation, limits, errors that lose nothing. */
import type { Tensor } from '../../graph/tensor.js'
import { add, mul, sub } from '../../ops/elementwise.js'
import { fromBytes, ones, tensor, zeros } from '../../ops/create.js'
import { matmul } from '../../ops/matmul.js'
import { sum } from '../../ops/reduce.js'
import { evaluateWith } from '../../runtime/evaluate.js'
import { bytes, data } from '../../runtime/read.js'
import { compile } from '../../transforms/compile.js'
import { grad } from '../../transforms/grad.js'
import { mustEqual, mustReject, noise, type SuiteContext } from './context.js'

export function running(suite: SuiteContext): void {
  const { it } = suite.options

  it('keeps the order of runs in flight', async () => {
    const { backend } = suite
    const first = Array.from({ length: 6 }, (_, k) => add(noise([1000]), k))
    const second = first.map((x) => mul(x, 2))
    await Promise.all([evaluateWith({ backend }, first), evaluateWith({ backend }, second)])
    for (const [k, x] of first.entries()) mustEqual((await data(second[k]))[7], 2 * (await data(x))[7], `result ${k}`)
  })

  it('runs compiled steps one after the other without waiting for values', async () => {
    const step = compile((x: Tensor, by: Tensor) => add(mul(x, 2), by), { backend: suite.backend })
    let x: Tensor = ones([33])
    const by = ones([33])
    for (let k = 0; k < 8; k++) x = await step(x, by)
    mustEqual((await data(x))[32], 511, 'the last element')
    mustEqual([step.stats.traces, step.stats.plans, step.stats.runs], [1, 1, 8], 'traces, plans and runs')
  })

  it('updates donated arguments, whose handles are dead then', async () => {
    const { backend } = suite
    const update = compile((state: { w: Tensor }, g: Tensor) => ({ w: sub(state.w, mul(g, 0.5)) }), {
      donate: [0],
      backend,
    })
    const start = { w: ones([50]) }
    let state = start
    for (let k = 0; k < 4; k++) state = await update(state, ones([50]))
    mustEqual([...(await data(state.w))], new Array(50).fill(-1), 'the weights')
    await mustReject(
      Promise.resolve().then(() => data(start.w)),
      'DonatedError',
      /donated/,
    )
  })

  it('gives the bits of the plain function when compiled', async () => {
    if (!suite.bitwise) return
    const f = (w: Tensor, x: Tensor): Tensor => grad((v: Tensor) => sum(mul(matmul(x, v), matmul(x, v))))(w)
    const compiled = await compile(f, { backend: suite.backend })(noise([7, 5]), noise([9, 7]))
    const plain = f(noise([7, 5]), noise([9, 7]))
    await evaluateWith({ backend: suite.backend }, plain)
    mustEqual([...(await bytes(compiled))], [...(await bytes(plain))], 'the bytes of the compiled gradient')
  })

  it('repeats a run bit for bit', async () => {
    if (!suite.bitwise) return
    const build = (): Tensor => matmul(noise([33, 70]), noise([70, 9]))
    const [a, b] = [build(), build()]
    await evaluateWith({ backend: suite.backend }, a)
    await evaluateWith({ backend: suite.backend }, b)
    mustEqual([...(await bytes(a))], [...(await bytes(b))], 'the bytes of the second run')
  })

  it('keeps values apart: a later run does not change an earlier result', async () => {
    const { backend } = suite
    const x = noise([257])
    const y = add(x, 1)
    await evaluateWith({ backend }, y)
    const before = [...(await bytes(y))]
    for (let k = 0; k < 5; k++) await evaluateWith({ backend }, mul(add(y, k), 3))
    mustEqual([...(await bytes(y))], before, 'the bytes of the first result')
  })

  it('refuses dtypes that it does not declare', async () => {
    for (const dtype of suite.missing())
      await mustReject(
        evaluateWith({ backend: suite.backend }, add(fromBytes(new Uint8Array(8), { shape: [2], dtype }), 1)),
        'DTypeError',
        new RegExp(dtype),
      )
  })

  limits(suite)
}

function limits(suite: SuiteContext): void {
  const { it, openLimited } = suite.options
  if (openLimited === undefined) return

  it('refuses memory beyond its limit and stays usable', async () => {
    const backend = await openLimited(2 ** 22)
    const kept = add(ones([100]), 1)
    await evaluateWith({ backend }, kept)
    await mustReject(
      evaluateWith({ backend }, add(zeros([4096, 4096]), tensor(1))),
      'AllocationError',
      /limit|memory|bytes/i,
    )
    mustEqual((await data(kept))[99], 2, 'a value from before')
    const after = mul(kept, 3)
    await evaluateWith({ backend }, after)
    mustEqual((await data(after))[0], 6, 'a value from after')
    await backend.close()
  })

  it('names a closed backend', async () => {
    const backend = await openLimited(2 ** 24)
    const value = add(ones([5000]), 1)
    await evaluateWith({ backend }, value)
    await backend.close()
    await mustReject(
      Promise.resolve().then(() => data(value)),
      'DisposedError',
      /closed/,
    )
  })
}
