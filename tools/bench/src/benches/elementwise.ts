/** Elementwise work and row reductions over [4096, 4096] f32. */
import { JAX_JS, JAX_JS_RELAXED, ONE_RELAXED, ORT_WEB, TFJS, type Bar, type Bench } from '../bench.js'

export const ELEMENTWISE_SIZE = 4096
/** `sum` is over all elements, `row sums`, softmax and layer norm (without weights) over the last axis. */
export const ELEMENTWISE_CASES = ['add', 'exp', 'sum', 'row sums', 'softmax', 'layerNorm'] as const
export type ElementwiseCase = (typeof ELEMENTWISE_CASES)[number]

/** What the copy bandwidth allows: our engine measures it under this name. */
export const atCopyBandwidth = (name: ElementwiseCase): string => `${name} at copy bandwidth`

/** ≥ 3× jax-js and ≥ 0.9× the best peer. */
const bar: Bar = {
  text: '≥ 3× jax-js, ≥ 0.9× the best peer',
  met: ({ peers, ratio }) => (peers['jax-js'] ?? 0) >= 3 && ratio !== null && ratio >= 0.9,
}

/** Only the best peer counts where jax-js is at the memory's speed, as we are; an addition has no bar. */
const bars: Partial<Record<ElementwiseCase, readonly Bar[]>> = {
  exp: [bar],
  sum: [bar],
  'row sums': [{ text: '≥ 0.9× the best peer', met: ({ ratio }) => ratio !== null && ratio >= 0.9 }],
  softmax: [bar],
  layerNorm: [bar],
}

export const elementwise: Bench = {
  name: 'elementwise',
  about: 'add, exp, sum, softmax, layer norm over [4096, 4096], one thread; share of the copy bandwidth',
  rows: ELEMENTWISE_CASES.map((name) => ({
    case: name,
    unit: 'ms',
    better: 'lower',
    ours: ONE_RELAXED,
    peers: [JAX_JS, JAX_JS_RELAXED, TFJS, ORT_WEB],
    ceiling: atCopyBandwidth(name),
    bars: bars[name],
  })),
}
