import { compile, item, mapTree, tensor, zeros } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { GPT } from '../../benches/gpt.js'
import { bestMilliseconds, randomIds } from '../../timing.js'
import { initialParameters, trainStep, type State } from './gptModel.js'
import { open } from './open.js'

export async function measureGpt(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const { batch, time, vocabulary } = GPT
  const params = initialParameters()
  let state: State = { params, m: mapTree(params, (t) => zeros(t.shape)), v: mapTree(params, (t) => zeros(t.shape)) }
  const ids = (seed: number) =>
    tensor(randomIds(batch * time, seed, vocabulary), { shape: [batch, time], dtype: 'i32' })
  const [x, y] = [ids(1), ids(2)]
  const step = compile(trainStep, { donate: [0] })
  const start = performance.now()
  let result = await step(state, x, y)
  await item(result.value)
  const first = performance.now() - start
  const ms = await bestMilliseconds(async () => {
    ;({ state } = result)
    result = await step(state, x, y)
    await backend.sync()
  }, 4000)
  return { step: ms, 'first step': first }
}
