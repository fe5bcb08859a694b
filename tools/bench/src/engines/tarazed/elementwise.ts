import { cpuCeilings } from '@tarazed/kernels-cpu'
import { add, compile, evaluate, exp, layerNorm, softmax, sum, tensor, type Tensor } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { ELEMENTWISE_SIZE } from '../../benches/elementwise.js'
import { bestMilliseconds, randomNumbers } from '../../timing.js'
import { open } from './open.js'

/** Milliseconds; results go to a donated buffer, as in a training step. */
export async function measureElementwise(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const n = ELEMENTWISE_SIZE
  const x = tensor(randomNumbers(n * n, 1), { shape: [n, n] })
  const y = tensor(randomNumbers(n * n, 2), { shape: [n, n] })
  await evaluate(x, y)
  const results: Record<string, number> = {}
  const inPlace = async (name: string, f: (x: Tensor, y: Tensor) => Tensor): Promise<void> => {
    // The third argument only lends its buffer; its corner is read so that it counts as used.
    const program = compile(
      (a: Tensor, b: Tensor, out: Tensor) => ({
        out: f(a, b),
        corner: out.slice([
          [0, 1],
          [0, 1],
        ]),
      }),
      { donate: [2] },
    )
    let out = tensor(new Float32Array(n * n), { shape: [n, n] })
    results[name] = await bestMilliseconds(async () => {
      ;({ out } = await program(x, y, out))
      await backend.sync()
    })
  }
  await inPlace('add', (a, b) => add(a, b))
  await inPlace('exp', (a) => exp(a))
  const total = compile((a: Tensor) => sum(a))
  results.sum = await bestMilliseconds(async () => {
    await total(x)
    await backend.sync()
  })
  await inPlace('softmax', (a) => softmax(a))
  await inPlace('layerNorm', (a) => layerNorm(a))
  return { ...results, copy: (await cpuCeilings(backend as never)).copyGBs }
}
