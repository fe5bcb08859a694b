import { blockUntilReady, jit, numpy as np, type Array as JaxArray } from '@jax-js/jax'
import type { Measurements } from '../../bench.js'
import { GPT } from '../../benches/gpt.js'
import { bestMilliseconds, randomIds } from '../../timing.js'
import { initialState, trainStep } from './gptModel.js'
import { openJax } from './open.js'

/** Ids i32 [B, T]. */
export function ids(seed: number): JaxArray {
  const { batch, time, vocabulary } = GPT
  return np.array(randomIds(batch * time, seed, vocabulary), { shape: [batch, time], dtype: np.int32 })
}

export async function measureGpt(): Promise<Measurements> {
  await openJax()
  const [x, y] = [ids(1), ids(2)]
  let state = await blockUntilReady(initialState())
  const step = jit(trainStep)
  const run = async (): Promise<void> => {
    const result = step(state, x.ref, y.ref)
    await blockUntilReady(result)
    result.value.dispose()
    state = result.state
  }
  const start = performance.now()
  await run()
  const first = performance.now() - start
  return { step: await bestMilliseconds(run, 4000), 'first step': first }
}
