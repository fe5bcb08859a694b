/** What an operator costs when there is nothing to compute. */
import { atMost, JAX_JS, ONE_RELAXED, TFJS, type Bench } from '../bench.js'

/** Operators of the compiled chain. */
export const OPERATORS = 20

export const dispatch: Bench = {
  name: 'dispatch',
  about: 'a compiled program of 20 operators on four elements, each a step of its own; a single evaluated operator',
  rows: [
    {
      case: 'compiled, per operator',
      unit: 'µs',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [JAX_JS, TFJS],
      bars: [atMost(5, 'µs')],
    },
    { case: 'evaluated, per operator', unit: 'µs', better: 'lower', ours: ONE_RELAXED, peers: [JAX_JS, TFJS] },
  ],
}
