import { add, compile, cumsum, evaluate, tensor, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { OPERATORS } from '../../benches/dispatch.js'
import { bestMillisecondsOf } from '../../timing.js'
import { open } from './open.js'

/** Running sums and additions in turn, x f32 [4]. A running sum is a routine, so every operator stays a step of its own. */
export function chain(x: Tensor): Tensor {
  let y = x
  for (let k = 0; k < OPERATORS; k++) y = k % 2 === 0 ? cumsum(y) : add(y, 1e-3)
  return y
}

export async function measureDispatch(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const x = tensor([1e-3, 0, 0, 0], { dtype: 'f32' })
  await evaluate(x)
  const compiledChain = compile(chain)
  const { steps } = await compiledChain.program(x)
  if (steps.length !== OPERATORS) throw new Error(`dispatch: ${OPERATORS} operators became ${steps.length} steps`)
  const compiled = await bestMillisecondsOf(200, async () => {
    await compiledChain(x)
    await backend.sync()
  })
  const evaluated = await bestMillisecondsOf(200, () => evaluate(add(x, 1)))
  return { 'compiled, per operator': (1000 * compiled) / OPERATORS, 'evaluated, per operator': 1000 * evaluated }
}
