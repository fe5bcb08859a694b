/** Every peer computes what we compute: a contest of different work would say nothing. */
import { existsSync } from 'node:fs'
import { openCpu } from '@tarazed/kernels-cpu'
import {
  compile,
  data,
  evaluate,
  flattenTree,
  item,
  setDefaultBackend,
  tensor,
  type Backend,
  type Tensor,
} from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OPERATORS } from '../src/benches/dispatch.js'
import { ELEMENTWISE_CASES } from '../src/benches/elementwise.js'
import * as dispatch from '../src/engines/tarazed/dispatch.js'
import * as elementwise from '../src/engines/tarazed/elementwise.js'
import * as gpt from '../src/engines/tarazed/gpt.js'
import * as gptModel from '../src/engines/tarazed/gptModel.js'
import * as lm from '../src/engines/tarazed/lmTraining.js'
import * as matmul from '../src/engines/tarazed/matmul.js'
import * as mlp from '../src/engines/tarazed/mlp.js'
import { randomNumbers } from '../src/timing.js'

const installed = existsSync(new URL('../node_modules/onnxruntime-web', import.meta.url))
if (!installed) console.log('peers of the benches: skipped, none is installed; `npm run bench` installs them')

const [M, K, N] = [19, 33, 21]
const SMALL_LM = { layers: 2, width: 48, heads: 3, time: 13, batch: 3, vocabulary: 37 }
const shape = [13, 45]
/** Sums of products in another order. */
const RELATIVE = 1e-4

let backend: Backend
beforeAll(async () => {
  backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
})
afterAll(() => backend.close())

/** Equal but for rounding, measured against the largest value. */
function expectClose(got: ArrayLike<number>, want: ArrayLike<number>): void {
  expect(got.length).toBe(want.length)
  let largest = 0
  let difference = 0
  for (let k = 0; k < want.length; k++) {
    largest = Math.max(largest, Math.abs(want[k]))
    difference = Math.max(difference, Math.abs(got[k] - want[k])) // NaN stays
  }
  expect(largest).toBeGreaterThan(0)
  expect(difference).toBeLessThanOrEqual(RELATIVE * largest)
}

function difference(after: ArrayLike<number>, before: ArrayLike<number>): number[] {
  return Array.from(after, (value, k) => value - before[k])
}

/** The first update is the sign of the gradient, nearly: where a gradient is only rounding, so is its sign. */
function expectMostlyEqual(got: readonly number[], want: readonly number[]): void {
  const largest = Math.max(...want.map(Math.abs))
  expect(largest).toBeGreaterThan(0)
  const different = want.filter((value, k) => !(Math.abs(got[k] - value) <= 0.01 * largest))
  expect(different.length).toBeLessThanOrEqual(0.02 * want.length)
}

const shapeOfB = (transposeB: boolean): [number, number] => (transposeB ? [N, K] : [K, N])

function ourProduct(transposeB: boolean): Promise<ArrayLike<number>> {
  const a = tensor(randomNumbers(M * K, 1), { shape: [M, K] })
  const b = tensor(randomNumbers(K * N, 2), { shape: shapeOfB(transposeB) })
  return data(matmul.product(a, b, transposeB))
}

function ourElementwise(name: (typeof ELEMENTWISE_CASES)[number]): Promise<ArrayLike<number>> {
  const count = shape[0] * shape[1]
  const x = tensor(randomNumbers(count, 1), { shape })
  const y = tensor(randomNumbers(count, 2), { shape })
  return data(elementwise.operations[name](x, y))
}

const ourChain = (): Promise<ArrayLike<number>> => data(dispatch.chain(tensor([1e-3, 0, 0, 0], { dtype: 'f32' })))

/** Loss and every parameter after one step, in the order of the tree. */
async function ourMlpStep(): Promise<{ value: number; parameters: ArrayLike<number>[] }> {
  const { value, layers } = mlp.trainStep(mlp.initialLayers(), ...mlp.batch())
  await evaluate(value, layers)
  return { value: await item(value), parameters: await allOf(layers) }
}

async function expectSameArrays(
  got: readonly { data(): Promise<ArrayLike<number>> }[],
  want: readonly ArrayLike<number>[],
) {
  expect(got.length).toBe(want.length)
  for (const [k, array] of got.entries()) expectClose(await array.data(), want[k])
}

async function allOf(tree: Parameters<typeof flattenTree>[0]): Promise<ArrayLike<number>[]> {
  return Promise.all(flattenTree(tree).leaves.map((leaf) => data(leaf)))
}

describe('our own measurements', () => {
  it('run the chain of tiny operators as a step each', async () => {
    const x = tensor([1e-3, 0, 0, 0], { dtype: 'f32' })
    expect((await compile(dispatch.chain).program(x)).steps.length).toBe(OPERATORS)
  })

  it('write products into a donated buffer without allocating', async () => {
    const a = tensor(randomNumbers(M * K, 1), { shape: [M, K] })
    const b = tensor(randomNumbers(K * N, 2), { shape: [K, N] })
    const multiply = compile((x: Tensor, y: Tensor, _out: Tensor) => matmul.product(x, y, false), { donate: [2] })
    let out = tensor(new Float32Array(M * N), { shape: [M, N] })
    await evaluate(a, b, out)
    out = await multiply(a, b, out)
    const { allocations } = multiply.stats
    for (let round = 0; round < 5; round++) out = await multiply(a, b, out)
    expect(multiply.stats.allocations).toBe(allocations)
    expectClose(await data(out), await ourProduct(false))
  })

  it('train without allocating after the first step', async () => {
    const step = compile(gptModel.trainStep, { donate: [0] })
    let { state } = await step(gptModel.initialState(), gpt.ids(1), gpt.ids(2))
    const before = backend.counters.buffersAllocated
    for (let k = 0; k < 5; k++) ({ state } = await step(state, gpt.ids(2 * k), gpt.ids(2 * k + 1)))
    await backend.sync()
    expect(backend.counters.buffersAllocated).toBe(before)
  })

  it('train the language model without allocating after the first step', async () => {
    const step = compile(lm.trainStep(lm.lmModel(SMALL_LM)), { donate: [0] })
    let { state } = await step(lm.initialState(SMALL_LM), lm.ids(SMALL_LM, 1))
    const { allocations } = step.stats
    for (let k = 0; k < 5; k++) ({ state } = await step(state, lm.ids(SMALL_LM, k)))
    expect(step.stats.allocations).toBe(allocations)
  })
})

describe.skipIf(!installed)('jax-js', () => {
  beforeAll(async () => (await import('../src/engines/jaxjs/open.js')).openJax())

  it.each([false, true])('multiplies as we do, transposed: %s', async (transposeB) => {
    const { product } = await import('../src/engines/jaxjs/matmul.js')
    const { randomArray } = await import('../src/engines/jaxjs/open.js')
    const out = product(transposeB)(randomArray([M, K], 1), randomArray(shapeOfB(transposeB), 2))
    expectClose(await out.data(), await ourProduct(transposeB))
  })

  it.each(ELEMENTWISE_CASES)('computes %s as we do', async (name) => {
    const { operations } = await import('../src/engines/jaxjs/elementwise.js')
    const { randomArray } = await import('../src/engines/jaxjs/open.js')
    const out = operations[name](randomArray(shape, 1), randomArray(shape, 2))
    expectClose(await out.data(), await ourElementwise(name))
  })

  it('takes the same step of the MLP', async () => {
    const { jit, tree } = await import('@jax-js/jax')
    const { trainStep, initialLayers, batch } = await import('../src/engines/jaxjs/mlp.js')
    const theirs = jit(trainStep)(initialLayers(), ...batch())
    const ours = await ourMlpStep()
    expectClose(await theirs.value.data(), [ours.value])
    await expectSameArrays(tree.leaves(theirs.layers), ours.parameters)
  })

  it('takes the same step of the GPT', async () => {
    const { jit, tree } = await import('@jax-js/jax')
    const { initialState, trainStep } = await import('../src/engines/jaxjs/gptModel.js')
    const { ids } = await import('../src/engines/jaxjs/gpt.js')
    const theirs = jit(trainStep)(initialState(), ids(1), ids(2))
    const ours = gptModel.trainStep(gptModel.initialState(), gpt.ids(1), gpt.ids(2))
    await evaluate(ours)
    expectClose(await theirs.value.data(), [await item(ours.value)])
    // The moments: an update divides one by the other, which turns rounding of tiny gradients into whole steps.
    for (const moments of ['m', 'v'] as const) {
      await expectSameArrays(tree.leaves(theirs.state[moments]), await allOf(ours.state[moments]))
    }
  })

  it('takes the same step of the language model', async () => {
    const { jit } = await import('@jax-js/jax')
    const { batch, initialState, trainStep } = await import('../src/engines/jaxjs/lmModel.js')
    const theirs = jit(trainStep(SMALL_LM))(initialState(SMALL_LM), ...batch(SMALL_LM, 1))
    const before = lm.initialState(SMALL_LM)
    const ours = lm.trainStep(lm.lmModel(SMALL_LM))(before, lm.ids(SMALL_LM, 1))
    await evaluate(ours)
    expectClose(await theirs.loss.data(), [await item(ours.loss)])
    const { exp_avg, exp_avg_sq } = ours.state.optimizer.slots
    expect(Object.keys(theirs.state.m)).toEqual(Object.keys(exp_avg))
    for (const [name, start] of Object.entries(before.params)) {
      expectClose(await theirs.state.m[name].data(), await data(exp_avg[name]))
      expectClose(await theirs.state.v[name].data(), await data(exp_avg_sq[name]))
      const change = async (after: { data(): Promise<ArrayLike<number>> }) =>
        difference(await after.data(), await data(start))
      expectMostlyEqual(await change(theirs.state.params[name]), await change(ours.state.params[name]))
    }
  })

  it('computes the chain of tiny operators as we do', async () => {
    const { jit, numpy } = await import('@jax-js/jax')
    const { chain } = await import('../src/engines/jaxjs/dispatch.js')
    const out = jit(chain)(numpy.array(new Float32Array([1e-3, 0, 0, 0])))
    expectClose(await out.data(), await ourChain())
  })
})

describe.skipIf(!installed)('TensorFlow.js', () => {
  beforeAll(async () => (await import('../src/engines/tfjs/open.js')).openTensorFlow())

  it.each([false, true])('multiplies as we do, transposed: %s', async (transposeB) => {
    const { product } = await import('../src/engines/tfjs/matmul.js')
    const { randomTensor } = await import('../src/engines/tfjs/open.js')
    const out = product(randomTensor([M, K], 1), randomTensor(shapeOfB(transposeB), 2), transposeB)
    expectClose(await out.data(), await ourProduct(transposeB))
  })

  it.each(ELEMENTWISE_CASES)('computes %s as we do', async (name) => {
    const { operations } = await import('../src/engines/tfjs/elementwise.js')
    const { randomTensor } = await import('../src/engines/tfjs/open.js')
    const out = operations[name](randomTensor(shape, 1), randomTensor(shape, 2))
    expectClose(await out.data(), await ourElementwise(name))
  })

  it('takes the same step of the MLP', async () => {
    const { initialLayers, makeTrainStep, batch } = await import('../src/engines/tfjs/mlp.js')
    const layers = initialLayers()
    const value = makeTrainStep(layers, ...batch())()
    const ours = await ourMlpStep()
    expectClose(await value.data(), [ours.value])
    await expectSameArrays(
      layers.flatMap(({ weight, bias }) => [weight, bias]),
      ours.parameters,
    )
  })

  it('computes the chain of tiny operators as we do', async () => {
    const { chain } = await import('../src/engines/tfjs/dispatch.js')
    const { tensor: tensorOf } = await import('@tensorflow/tfjs-core')
    expectClose(await chain(tensorOf(new Float32Array([1e-3, 0, 0, 0]), [4])).data(), await ourChain())
  })
})

describe.skipIf(!installed)('onnxruntime-web', () => {
  it.each([false, true])('multiplies as we do, transposed: %s', async (transposeB) => {
    const { product } = await import('../src/engines/ort/matmul.js')
    const { openSession, randomTensor } = await import('../src/engines/ort/session.js')
    const session = await openSession(product(M, K, N, transposeB))
    const { out } = await session.run({ a: randomTensor([M, K], 1), b: randomTensor(shapeOfB(transposeB), 2) })
    expectClose(out.data, await ourProduct(transposeB))
  })

  it.each(ELEMENTWISE_CASES)('computes %s as we do', async (name) => {
    const { feedsOf, operation } = await import('../src/engines/ort/elementwise.js')
    const { openSession } = await import('../src/engines/ort/session.js')
    const operator = operation(name, shape[0], shape[1])
    const session = await openSession(operator)
    const { out } = await session.run(feedsOf(operator))
    expectClose(out.data, await ourElementwise(name))
  })
})
