import { blockUntilReady, jit, numpy as np, type Array as JaxArray } from '@jax-js/jax'
import type { Measurements } from '../../bench.js'
import { OPERATORS } from '../../benches/dispatch.js'
import { bestMillisecondsOf } from '../../timing.js'
import { openJax } from './open.js'

/** The chain of `tarazed/dispatch.ts`: running sums and additions in turn, x f32 [4]. */
export function chain(x: JaxArray): JaxArray {
  let y = x
  for (let k = 0; k < OPERATORS; k++) y = k % 2 === 0 ? np.cumsum(y) : y.add(1e-3)
  return y
}

export async function measureDispatch(): Promise<Measurements> {
  await openJax()
  const compiledChain = jit(chain)
  const x = np.array(new Float32Array([1e-3, 0, 0, 0]))
  const finish = async (out: JaxArray): Promise<void> => {
    await blockUntilReady(out)
    out.dispose()
  }
  const compiled = await bestMillisecondsOf(50, () => finish(compiledChain(x.ref)))
  const evaluated = await bestMillisecondsOf(50, () => finish(x.ref.add(1)))
  return { 'compiled, per operator': (1000 * compiled) / OPERATORS, 'evaluated, per operator': 1000 * evaluated }
}
