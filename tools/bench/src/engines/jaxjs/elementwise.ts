import { blockUntilReady, jit, nn, numpy as np, type Array as JaxArray } from '@jax-js/jax'
import type { Measurements } from '../../bench.js'
import { ELEMENTWISE_CASES, ELEMENTWISE_SIZE, type ElementwiseCase } from '../../benches/elementwise.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds } from '../../timing.js'
import { openJax, randomArray } from './open.js'

/** x and y [rows, columns]; softmax and layer norm over the last axis. */
export const operations: Readonly<Record<ElementwiseCase, (x: JaxArray, y: JaxArray) => JaxArray>> = {
  add: jit((x: JaxArray, y: JaxArray) => x.add(y)),
  exp: unary((x) => np.exp(x)),
  sum: unary((x) => x.sum()),
  'row sums': unary((x) => x.sum(1)),
  softmax: unary((x) => nn.softmax(x)),
  layerNorm: unary((x) => nn.standardize(x)),
}

function unary(operation: (x: JaxArray) => JaxArray): (x: JaxArray, y: JaxArray) => JaxArray {
  const compiled = jit(operation)
  return (x, y) => {
    y.dispose() // every argument is consumed, used or not
    return compiled(x)
  }
}

/** Milliseconds. */
export async function measureElementwise(): Promise<Measurements> {
  await openJax()
  const shape = [ELEMENTWISE_SIZE, ELEMENTWISE_SIZE]
  const x = randomArray(shape, 1)
  const y = randomArray(shape, 2)
  return measureCases(
    ELEMENTWISE_CASES.map((name) => [
      name,
      () =>
        bestMilliseconds(async () => {
          const out = operations[name](x.ref, y.ref)
          await blockUntilReady(out)
          out.dispose()
        }),
    ]),
  )
}
