import { matMul, tidy, transpose, type Tensor } from '@tensorflow/tfjs-core'
import type { Measurements } from '../../bench.js'
import { MATMUL_CASES } from '../../benches/matmul.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds } from '../../timing.js'
import { openTensorFlow, randomTensor } from './open.js'

/** [M, K] times [K, N], or times [N, K] transposed: first transposing is ten times faster than `matMul`'s own flag. */
export function product(a: Tensor, b: Tensor, transposeB: boolean): Tensor {
  return transposeB ? tidy(() => matMul(a, transpose(b))) : matMul(a, b)
}

/** GFLOP/s */
export async function measureMatmul(): Promise<Measurements> {
  await openTensorFlow()
  return measureCases(
    MATMUL_CASES.map(({ name, M, K, N, transposeB }) => [
      name,
      async () => {
        const a = randomTensor([M, K], 1)
        const b = randomTensor(transposeB ? [N, K] : [K, N], 2)
        const ms = await bestMilliseconds(() => product(a, b, transposeB).dispose())
        return (2 * M * K * N) / ms / 1e6
      },
    ]),
  )
}
