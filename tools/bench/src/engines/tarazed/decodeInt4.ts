import { cpuCeilings } from '@tarazed/kernels-cpu'
import {
  compile,
  data,
  dequantize,
  evaluate,
  matmul,
  quantize,
  quantMatmul,
  quantWeight,
  tensor,
  transpose,
  type QuantWeight,
  type Tensor,
} from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { DECODE_CASES } from '../../benches/decodeInt4.js'
import { bestMilliseconds, randomNumbers } from '../../timing.js'
import { open } from './open.js'

const SIZE = 4096
const GROUP = 128
/** Several matrices one after the other, so that none is still in a cache. */
const MATRICES = 4

/** GB/s of packed weights, scales and zeros; the copy bandwidth counts bytes read and written. */
export async function measureDecodeInt4(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const arrays = quantize(randomNumbers(SIZE * SIZE, 3), [SIZE, SIZE], 'int4', GROUP)
  const weights = Array.from({ length: MATRICES }, () => quantWeight(arrays))
  await evaluate(weights.map(({ packed, scale, zero }) => [packed, scale, zero]))
  const x = tensor(randomNumbers(SIZE, 4), { shape: [1, SIZE] })
  await evaluate(x)
  const exact = await data(matmul(x, transpose(tensor(dequantize(arrays), { shape: [SIZE, SIZE] }))))
  const bytes = arrays.packed.byteLength + arrays.scale.byteLength + (arrays.zero?.byteLength ?? 0)
  const results: Record<string, number> = {}
  for (const { name, activations } of DECODE_CASES) {
    // The donated second argument only lends its buffers: no round allocates.
    const product = compile(
      (row: Tensor, _out: readonly Tensor[]) =>
        weights.map((weight: QuantWeight) => quantMatmul(row, weight, { activations })),
      { donate: [1] },
    )
    let out = weights.map(() => tensor(new Float32Array(SIZE), { shape: [1, SIZE] }))
    await evaluate(out)
    const ms = await bestMilliseconds(async () => {
      out = await product(x, out)
      await backend.sync()
    })
    results[name] = (MATRICES * bytes) / ms / 1e6
    results[`${name}: error`] = relativeError(await data(out[0]), exact)
  }
  return { ...results, copy: (await cpuCeilings(backend)).copyGBs }
}

/** ‖got - want‖ / ‖want‖ */
function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let difference = 0
  let size = 0
  for (let k = 0; k < want.length; k++) {
    difference += (got[k] - want[k]) ** 2
    size += want[k] ** 2
  }
  return Math.sqrt(difference / size)
}
