import { compile, evaluate, grad, item, scaledDotProductAttention, sum, tensor, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { randomNumbers } from '../../timing.js'
import { ids } from './gpt.js'
import { initialState, trainStep } from './gptModel.js'
import { open } from './open.js'

const STEPS = 1000
const SETTLED = 50
const MIB = 2 ** 20

export async function measureMemory(options: EngineOptions): Promise<Measurements> {
  return { ...(await compiledRun(options)), ...(await evaluatedRun(options)), ...(await attentionGrowth(options)) }
}

async function compiledRun(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const step = compile(trainStep, { donate: [0] })
  let state = initialState()
  let settledBytes = 0
  let settledAllocations = 0
  let peakBytes = 0
  for (let k = 1; k <= STEPS; k++) {
    const result = await step(state, ids(2 * k), ids(2 * k + 1))
    state = result.state
    if (k % 10 === 0) await item(result.value)
    const { rss } = process.memoryUsage()
    if (k === SETTLED) [settledBytes, settledAllocations] = [rss, backend.counters.buffersAllocated]
    if (k > SETTLED) peakBytes = Math.max(peakBytes, rss)
  }
  const allocated = backend.counters.buffersAllocated - settledAllocations
  await backend.close()
  return {
    'compiled: growth of resident memory after step 50': Math.max(0, (peakBytes - settledBytes) / MIB),
    'compiled: buffers allocated after step 50': allocated,
  }
}

async function evaluatedRun(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  let state = initialState()
  let settledBytes = 0
  let peakBytes = 0
  const times: number[] = []
  for (let k = 1; k <= STEPS; k++) {
    const start = performance.now()
    const result = trainStep(state, ids(2 * k), ids(2 * k + 1))
    await evaluate(result)
    state = result.state
    times.push(performance.now() - start)
    const { liveBytes } = backend.counters
    if (k === SETTLED) settledBytes = liveBytes
    if (k > SETTLED) peakBytes = Math.max(peakBytes, liveBytes)
  }
  await backend.close()
  // Medians of the fifty steps before, since single steps jitter and some collect garbage.
  const median = (end: number): number => times.slice(end - 50, end).sort((a, b) => a - b)[25]
  return {
    'evaluate: growth of live bytes after step 50': Math.max(0, (peakBytes - settledBytes) / MIB),
    'evaluate: step 1,000 / step 100': median(STEPS) / median(100),
  }
}

/** Peak bytes of causal attention with its gradient, inputs and results included. */
async function attentionGrowth(options: EngineOptions): Promise<Measurements> {
  const peaks: number[] = []
  for (const T of [1024, 4096]) {
    const backend = await open(options)
    const shape = [1, 2, T, 64]
    const qkv = [1, 2, 3].map((seed) => tensor(randomNumbers(2 * T * 64, seed), { shape }))
    const loss = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
      sum(scaledDotProductAttention(q, k, v, { causal: 'topLeft' }))
    await evaluate(grad(loss, { argnums: [0, 1, 2] })(qkv[0], qkv[1], qkv[2]))
    peaks.push(backend.counters.peakBytes)
    await backend.close()
  }
  return { 'attention: peak bytes, 4,096 / 1,024 tokens': peaks[1] / peaks[0] }
}
