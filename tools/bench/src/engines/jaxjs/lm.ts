import { blockUntilReady, jit } from '@jax-js/jax'
import type { Measurements } from '../../bench.js'
import { LM, LOSS, TRAINING } from '../../benches/lmTraining.js'
import { bestMilliseconds } from '../../timing.js'
import { batch, initialState, trainStep } from './lmModel.js'
import { openJax } from './open.js'

export async function measureLm(): Promise<Measurements> {
  await openJax()
  const step = jit(trainStep(LM))
  const [x, y] = batch(LM, 1)
  let { loss, state } = await blockUntilReady(step(initialState(LM), x.ref, y.ref))
  const [first] = await loss.data()
  const ms = await bestMilliseconds(async () => {
    ;({ loss, state } = await blockUntilReady(step(state, x.ref, y.ref)))
    loss.dispose()
  }, 6000)
  return { [LOSS]: first, [TRAINING]: (1000 * LM.batch * LM.time) / ms }
}
