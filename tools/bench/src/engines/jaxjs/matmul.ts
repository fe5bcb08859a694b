import { blockUntilReady, jit, numpy as np, type Array as JaxArray } from '@jax-js/jax'
import type { Measurements } from '../../bench.js'
import { MATMUL_CASES } from '../../benches/matmul.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds } from '../../timing.js'
import { openJax, randomArray } from './open.js'

/** [M, K] times [K, N], or times [N, K] transposed. */
export function product(transposeB: boolean): (a: JaxArray, b: JaxArray) => JaxArray {
  return jit((a: JaxArray, b: JaxArray) => np.matmul(a, transposeB ? b.transpose() : b))
}

/** GFLOP/s */
export async function measureMatmul(): Promise<Measurements> {
  await openJax()
  return measureCases(
    MATMUL_CASES.map(({ name, M, K, N, transposeB }) => [
      name,
      async () => {
        const a = randomArray([M, K], 1)
        const b = randomArray(transposeB ? [N, K] : [K, N], 2)
        const multiply = product(transposeB)
        const ms = await bestMilliseconds(async () => {
          const out = multiply(a.ref, b.ref)
          await blockUntilReady(out)
          out.dispose()
        })
        return (2 * M * K * N) / ms / 1e6
      },
    ]),
  )
}
