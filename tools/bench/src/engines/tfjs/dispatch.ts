import * as tf from '@tensorflow/tfjs-core'
import type { Measurements } from '../../bench.js'
import { OPERATORS } from '../../benches/dispatch.js'
import { bestMillisecondsOf } from '../../timing.js'
import { openTensorFlow } from './open.js'

/** The chain of `tarazed/dispatch.ts`: running sums and additions in turn, x f32 [4]. There is nothing to compile it with. */
export function chain(x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    let y = x
    for (let k = 0; k < OPERATORS; k++) y = k % 2 === 0 ? tf.cumsum(y) : tf.add(y, 1e-3)
    return y
  })
}

export async function measureDispatch(): Promise<Measurements> {
  await openTensorFlow()
  const x = tf.tensor(new Float32Array([1e-3, 0, 0, 0]), [4])
  const chained = await bestMillisecondsOf(50, () => chain(x).dispose())
  const evaluated = await bestMillisecondsOf(200, () => tf.add(x, 1).dispose())
  return { 'compiled, per operator': (1000 * chained) / OPERATORS, 'evaluated, per operator': 1000 * evaluated }
}
