/** Training step of an MLP 784-512-512-10, batch 128, SGD. */
import { atLeast, JAX_JS, JAX_JS_RELAXED, ONE_PLAIN, ONE_RELAXED, TFJS, TWO_RELAXED, type Bench } from '../bench.js'

export const MLP = { sizes: [784, 512, 512, 10], batch: 128, learningRate: 0.01 } as const

export const mlp: Bench = {
  name: 'mlp',
  about: 'training step of an MLP 784-512-512-10, batch 128',
  rows: [
    {
      case: 'step',
      label: 'step, 1 thread relaxed',
      unit: 'ms',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [JAX_JS_RELAXED, TFJS],
      bars: [atLeast(2, 'jax-js (relaxed)'), atLeast(8, 'tfjs-wasm')],
    },
    {
      case: 'step',
      label: 'step, 1 thread plain',
      unit: 'ms',
      better: 'lower',
      ours: ONE_PLAIN,
      peers: [JAX_JS, TFJS],
      bars: [atLeast(1.6, 'jax-js'), atLeast(8, 'tfjs-wasm')],
    },
    {
      case: 'step',
      label: 'step, 2 threads relaxed',
      unit: 'ms',
      better: 'lower',
      ours: TWO_RELAXED,
      peers: [JAX_JS_RELAXED],
    },
  ],
}
