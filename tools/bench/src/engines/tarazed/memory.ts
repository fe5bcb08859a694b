import {
  compile,
  evaluate,
  grad,
  item,
  mapTree,
  random,
  scaledDotProductAttention,
  sum,
  tensor,
  zeros,
  type Tensor,
} from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { GPT } from '../../benches/gpt.js'
import { randomIds } from '../../timing.js'
import { initialParameters, trainStep, type State } from './gptModel.js'
import { open } from './open.js'

const STEPS = 1000

function freshState(): State {
  const params = initialParameters()
  return { params, m: mapTree(params, (t) => zeros(t.shape)), v: mapTree(params, (t) => zeros(t.shape)) }
}

function batch(seed: number): [Tensor, Tensor] {
  const ids = (offset: number): Tensor =>
    tensor(randomIds(GPT.batch * GPT.time, 2 * seed + offset, GPT.vocabulary), {
      shape: [GPT.batch, GPT.time],
      dtype: 'i32',
    })
  return [ids(0), ids(1)]
}

const MIB = 2 ** 20

export async function measureMemory(options: EngineOptions): Promise<Measurements> {
  return { ...(await compiledRun(options)), ...(await evaluatedRun(options)), ...(await attentionGrowth(options)) }
}

async function compiledRun(options: EngineOptions): Promise<Measurements> {
  await open(options)
  const step = compile(trainStep, { donate: [0] })
  let state = freshState()
  let settledBytes = 0
  let settledAllocations = 0
  let peak = 0
  for (let k = 1; k <= STEPS; k++) {
    const result = await step(state, ...batch(k))
    state = result.state
    if (k % 10 === 0) await item(result.value)
    if (k === 50) {
      settledBytes = process.memoryUsage().rss
      settledAllocations = step.stats.allocations
    }
    if (k > 50) peak = Math.max(peak, process.memoryUsage().rss)
  }
  return {
    'compiled: growth of resident memory after step 50': Math.max(0, (peak - settledBytes) / MIB),
    'compiled: buffers allocated after step 50': step.stats.allocations - settledAllocations,
  }
}

async function evaluatedRun(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  let state = freshState()
  let settled = 0
  let peak = 0
  const times: number[] = []
  for (let k = 1; k <= STEPS; k++) {
    const start = performance.now()
    const result = trainStep(state, ...batch(k))
    await evaluate(result)
    state = result.state
    times.push(performance.now() - start)
    if (k === 50) settled = backend.counters.liveBytes
    if (k > 50) peak = Math.max(peak, backend.counters.liveBytes)
  }
  const median = (from: number): number => times.slice(from - 50, from).sort((a, b) => a - b)[25]
  return {
    'evaluate: growth of live bytes after step 50': Math.max(0, (peak - settled) / MIB),
    'evaluate: step 1,000 / step 100': median(STEPS) / median(100),
  }
}

/** Peak bytes of attention with its gradient, less what lives before. */
async function attentionGrowth(options: EngineOptions): Promise<Measurements> {
  const peaks: number[] = []
  for (const T of [1024, 4096]) {
    const backend = await open(options)
    const qkv = [1, 2, 3].map((seed) => random.normal(random.key(seed), [1, 2, T, 64]))
    const loss = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
      sum(scaledDotProductAttention(q, k, v, { causal: 'topLeft' }))
    await evaluate(qkv)
    await evaluate(grad(loss, { argnums: [0, 1, 2] })(qkv[0], qkv[1], qkv[2]))
    peaks.push(backend.counters.peakBytes)
    await backend.close()
  }
  return { 'attention: peak bytes, 4,096 / 1,024 tokens': peaks[1] / peaks[0] }
}
