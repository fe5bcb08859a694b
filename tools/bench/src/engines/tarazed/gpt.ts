import { compile, evaluate, item, tensor, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { GPT } from '../../benches/gpt.js'
import { bestMilliseconds, randomIds } from '../../timing.js'
import { initialState, trainStep } from './gptModel.js'
import { open } from './open.js'

/** Ids i32 [B, T]. */
export function ids(seed: number): Tensor {
  const { batch, time, vocabulary } = GPT
  return tensor(randomIds(batch * time, seed, vocabulary), { shape: [batch, time], dtype: 'i32' })
}

export async function measureGpt(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const [x, y] = [ids(1), ids(2)]
  // The data is there before the clock starts, so that the first step is tracing, compiling and one run.
  let state = initialState()
  await evaluate(state, x, y)
  const step = compile(trainStep, { donate: [0] })
  const start = performance.now()
  let result = await step(state, x, y)
  await item(result.value)
  await backend.sync()
  const first = performance.now() - start
  const ms = await bestMilliseconds(async () => {
    ;({ state } = result)
    result = await step(state, x, y)
    await backend.sync()
  }, 4000)
  return { step: ms, 'first step': first }
}
