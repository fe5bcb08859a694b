import { add, compile, cumsum, data, evaluate, tensor, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { bestMillisecondsOf } from '../../timing.js'
import { open } from './open.js'

const OPERATORS = 20

export async function measureDispatch(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  // A running sum is a routine, so that every operator stays a step of its own.
  const chain = compile((x: Tensor) => {
    let y = x
    for (let k = 0; k < OPERATORS; k++) y = k % 2 === 0 ? cumsum(y) : add(y, 1e-3)
    return y
  })
  let x = tensor([1e-3, 0, 0, 0], { dtype: 'f32' })
  await evaluate(x)
  const compiled = await bestMillisecondsOf(200, async () => {
    await chain(x)
    await backend.sync()
  })
  const evaluated = await bestMillisecondsOf(200, async () => {
    await evaluate(add(x, 1))
  })
  x = add(x, 1)
  await data(x)
  return { 'compiled, per operator': (1000 * compiled) / OPERATORS, 'evaluated, per operator': 1000 * evaluated }
}
