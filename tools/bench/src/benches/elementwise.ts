/** Elementwise work and row reductions over [4096, 4096] f32. */
import { JAX_JS, JAX_JS_RELAXED, ONE_RELAXED, TFJS, type Bar, type Bench } from '../bench.js'

export const ELEMENTWISE_SIZE = 4096
export const ELEMENTWISE_CASES = ['add', 'exp', 'sum', 'softmax', 'layerNorm'] as const

/** ≥ 3× jax-js and ≥ 0.9× the best peer. */
const bar: Bar = {
  text: '≥ 3× jax-js, ≥ 0.9× the best peer',
  met: ({ peers, ratio }) => (peers['jax-js'] ?? 0) >= 3 && ratio !== null && ratio >= 0.9,
}

export const elementwise: Bench = {
  name: 'elementwise',
  about: 'add, exp, sum, softmax, layer norm over [4096, 4096], one thread; share of the copy bandwidth',
  rows: ELEMENTWISE_CASES.map((name) => ({
    case: name,
    unit: 'ms',
    better: 'lower',
    ours: ONE_RELAXED,
    peers: [JAX_JS, JAX_JS_RELAXED, TFJS],
    ...(name === 'add' ? {} : { bars: [bar] }),
  })),
}
