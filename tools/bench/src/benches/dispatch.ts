/** What an operator costs when there is nothing to compute. */
import { atMost, JAX_JS, ONE_RELAXED, type Bench } from '../bench.js'

export const dispatch: Bench = {
  name: 'dispatch',
  about: 'a compiled program of 20 operators on four elements, none fused with another; a single evaluated operator',
  rows: [
    {
      case: 'compiled, per operator',
      unit: 'µs',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [JAX_JS],
      bars: [atMost(5, 'µs')],
    },
    { case: 'evaluated, per operator', unit: 'µs', better: 'lower', ours: ONE_RELAXED, peers: [JAX_JS] },
  ],
}
