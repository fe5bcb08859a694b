/** Training step of a 2-layer GPT with AdamW. */
import { atLeast, atMost, JAX_JS, JAX_JS_RELAXED, ONE_PLAIN, ONE_RELAXED, TWO_RELAXED, type Bench } from '../bench.js'

export const GPT = { layers: 2, width: 128, heads: 4, time: 64, batch: 8, vocabulary: 256 } as const

/** Moments without bias correction; decay on every parameter. */
export const ADAMW = { learningRate: 1e-3, weightDecay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const

export const gpt: Bench = {
  name: 'gpt',
  about: 'training step of a 2-layer GPT (D 128, H 4, T 64, B 8, vocabulary 256) with AdamW, and its first step',
  rows: [
    {
      case: 'step',
      label: 'step, 1 thread relaxed',
      unit: 'ms',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [JAX_JS, JAX_JS_RELAXED],
      bars: [atLeast(4, 'jax-js')],
    },
    { case: 'step', label: 'step, 1 thread plain', unit: 'ms', better: 'lower', ours: ONE_PLAIN, peers: [JAX_JS] },
    {
      case: 'step',
      label: 'step, 2 threads relaxed',
      unit: 'ms',
      better: 'lower',
      ours: TWO_RELAXED,
      peers: [JAX_JS, JAX_JS_RELAXED],
      bars: [atLeast(6, 'jax-js')],
    },
    {
      case: 'first step',
      unit: 'ms',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [JAX_JS, JAX_JS_RELAXED],
      bars: [atMost(150, 'ms')],
    },
  ],
}
