import { cpuCeilings } from '@tarazed/kernels-cpu'
import { compile, evaluate, matmul, tensor, transpose, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { MATMUL_CASES } from '../../benches/matmul.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds, randomNumbers } from '../../timing.js'
import { open } from './open.js'

/** [M, K] times [K, N], or times [N, K] transposed. */
export function product(a: Tensor, b: Tensor, transposeB: boolean): Tensor {
  return matmul(a, transposeB ? transpose(b) : b)
}

/** GFLOP/s of every case, and the register loops of the engine. */
export async function measureMatmul(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const results = await measureCases(
    MATMUL_CASES.map(({ name, M, K, N, transposeB }) => [
      name,
      async () => {
        const a = tensor(randomNumbers(M * K, 1), { shape: [M, K] })
        const b = tensor(randomNumbers(K * N, 2), { shape: transposeB ? [N, K] : [K, N] })
        let out = tensor(new Float32Array(M * N), { shape: [M, N] })
        await evaluate(a, b, out)
        // The donated third argument only lends its buffer, as in a training step: no round allocates.
        const multiply = compile((x: Tensor, y: Tensor, _out: Tensor) => product(x, y, transposeB), { donate: [2] })
        const ms = await bestMilliseconds(async () => {
          out = await multiply(a, b, out)
          await backend.sync()
        })
        return (2 * M * K * N) / ms / 1e6
      },
    ]),
  )
  const { fmaGflops, mulAddGflops } = await cpuCeilings(backend)
  return { ...results, fma: fmaGflops, mulAdd: mulAddGflops }
}
