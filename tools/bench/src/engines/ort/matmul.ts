import type { Measurements } from '../../bench.js'
import { MATMUL_CASES } from '../../benches/matmul.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds } from '../../timing.js'
import type { OneOperator } from './onnxModel.js'
import { openSession, randomTensor } from './session.js'

/** a [M, K] times b [K, N], or times b [N, K] transposed. */
export function product(M: number, K: number, N: number, transposeB: boolean): OneOperator {
  const inputs = { a: [M, K], b: transposeB ? [N, K] : [K, N] }
  const output = [M, N]
  return transposeB
    ? { operator: 'Gemm', opset: 17, inputs, output, attributes: { transB: 1 } }
    : { operator: 'MatMul', opset: 17, inputs, output }
}

/** GFLOP/s */
export async function measureMatmul(): Promise<Measurements> {
  return measureCases(
    MATMUL_CASES.map(({ name, M, K, N, transposeB }) => [
      name,
      async () => {
        const operator = product(M, K, N, transposeB)
        const session = await openSession(operator)
        const feeds = { a: randomTensor(operator.inputs.a, 1), b: randomTensor(operator.inputs.b, 2) }
        const ms = await bestMilliseconds(() => session.run(feeds))
        await session.release()
        return (2 * M * K * N) / ms / 1e6
      },
    ]),
  )
}
