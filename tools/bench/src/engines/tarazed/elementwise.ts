import { cpuCeilings } from '@tarazed/kernels-cpu'
import { add, compile, evaluate, exp, layerNorm, softmax, sum, tensor, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import {
  atCopyBandwidth,
  ELEMENTWISE_CASES,
  ELEMENTWISE_SIZE,
  type ElementwiseCase,
} from '../../benches/elementwise.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds, randomNumbers } from '../../timing.js'
import { open } from './open.js'

/** x and y [rows, columns]; softmax and layer norm over the last axis. */
export const operations: Readonly<Record<ElementwiseCase, (x: Tensor, y: Tensor) => Tensor>> = {
  add: (x, y) => add(x, y),
  exp: (x) => exp(x),
  sum: (x) => sum(x),
  'row sums': (x) => sum(x, { axes: 1 }),
  softmax: (x) => softmax(x),
  layerNorm: (x) => layerNorm(x),
}

/** Milliseconds of every case, and what they would be at the copy bandwidth. */
export async function measureElementwise(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const n = ELEMENTWISE_SIZE
  const x = tensor(randomNumbers(n * n, 1), { shape: [n, n] })
  const y = tensor(randomNumbers(n * n, 2), { shape: [n, n] })
  await evaluate(x, y)
  const results = await measureCases(
    ELEMENTWISE_CASES.map((name) => [
      name,
      async () => {
        const { shape } = operations[name](x, y)
        const count = shape.reduce((product, extent) => product * extent, 1)
        let out = tensor(new Float32Array(count), { shape })
        await evaluate(out)
        // The donated third argument only lends its buffer, as in a training step: no round allocates.
        const run = compile((a: Tensor, b: Tensor, _out: Tensor) => operations[name](a, b), { donate: [2] })
        return bestMilliseconds(async () => {
          out = await run(x, y, out)
          await backend.sync()
        })
      },
    ]),
  )
  const { copyGBs } = await cpuCeilings(backend)
  const limits = ELEMENTWISE_CASES.map((name) => [atCopyBandwidth(name), (4 * n * n * passes[name]) / copyGBs / 1e6])
  return { ...results, ...(Object.fromEntries(limits) as Record<string, number>) }
}

/** Arrays of [4096, 4096] that must be read or written once at least. */
const passes: Readonly<Record<ElementwiseCase, number>> = {
  add: 3,
  exp: 2,
  sum: 1,
  'row sums': 1,
  softmax: 2,
  layerNorm: 2,
}
