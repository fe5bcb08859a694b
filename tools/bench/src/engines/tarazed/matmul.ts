import { cpuCeilings } from '@tarazed/kernels-cpu'
import { compile, evaluate, matmul, tensor, transpose, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { MATMUL_CASES } from '../../benches/matmul.js'
import { bestMilliseconds, randomNumbers } from '../../timing.js'
import { open } from './open.js'

/** GFLOP/s of every case, and the register loops of the engine. */
export async function measureMatmul(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const results: Record<string, number> = {}
  for (const { name, M, K, N, transposeB } of MATMUL_CASES) {
    const a = tensor(randomNumbers(M * K, 1), { shape: [M, K] })
    const b = tensor(randomNumbers(K * N, 2), { shape: transposeB ? [N, K] : [K, N] })
    await evaluate(a, b)
    // Donating the result's predecessor keeps one output buffer for all rounds.
    const product = compile(
      (x: Tensor, y: Tensor, out: Tensor) => ({
        out: matmul(x, transposeB ? transpose(y) : y),
        seen: out.slice([
          [0, 1],
          [0, 1],
        ]),
      }),
      { donate: [2] },
    )
    let out = tensor(new Float32Array(M * N), { shape: [M, N] })
    const ms = await bestMilliseconds(async () => {
      ;({ out } = await product(a, b, out))
      await backend.sync()
    })
    results[name] = (2 * M * K * N) / ms / 1e6
  }
  const { fmaGflops, mulAddGflops } = await cpuCeilings(backend as never)
  return { ...results, fma: fmaGflops, mulAdd: mulAddGflops }
}
