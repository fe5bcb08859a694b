import {
  add,
  compile,
  crossEntropy,
  mapTree,
  matmul,
  mul,
  relu,
  sub,
  tensor,
  valueAndGrad,
  type Tensor,
} from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { MLP } from '../../benches/mlp.js'
import { bestMilliseconds, randomIds, randomNumbers } from '../../timing.js'
import { open } from './open.js'

interface Layer {
  readonly weight: Tensor
  readonly bias: Tensor
}

function loss(layers: readonly Layer[], x: Tensor, target: Tensor): Tensor {
  let h = x
  layers.forEach(({ weight, bias }, k) => {
    h = add(matmul(h, weight), bias)
    if (k < layers.length - 1) h = relu(h)
  })
  return crossEntropy(h, target)
}

export async function measureMlp(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const { sizes, batch, learningRate } = MLP
  const step = compile(
    (layers: readonly Layer[], x: Tensor, target: Tensor) => {
      const [value, grads] = valueAndGrad((p: readonly Layer[]) => loss(p, x, target))(layers)
      const updated = layers.map((layer, k) => ({
        weight: sub(layer.weight, mul(grads[k].weight, learningRate)),
        bias: sub(layer.bias, mul(grads[k].bias, learningRate)),
      }))
      return { value, layers: updated }
    },
    { donate: [0] },
  )
  let layers: readonly Layer[] = sizes.slice(1).map((out, k) => ({
    weight: tensor(randomNumbers(sizes[k] * out, k, 0.05), { shape: [sizes[k], out] }),
    bias: tensor(new Float32Array(out), { shape: [out] }),
  }))
  layers = mapTree(layers, (leaf) => leaf)
  const x = tensor(randomNumbers(batch * sizes[0], 9), { shape: [batch, sizes[0]] })
  const target = tensor(randomIds(batch, 10, 10), { shape: [batch], dtype: 'i32' })
  const ms = await bestMilliseconds(async () => {
    ;({ layers } = await step(layers, x, target))
    await backend.sync()
  }, 3000)
  return { step: ms }
}
