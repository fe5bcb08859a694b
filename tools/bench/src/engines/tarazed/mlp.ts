import {
  add,
  compile,
  crossEntropy,
  evaluate,
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

export interface Layer {
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

/** One SGD step. */
export function trainStep(layers: readonly Layer[], x: Tensor, target: Tensor): { value: Tensor; layers: Layer[] } {
  const [value, grads] = valueAndGrad((p: readonly Layer[]) => loss(p, x, target))(layers)
  const updated = layers.map(({ weight, bias }, k) => ({
    weight: sub(weight, mul(grads[k].weight, MLP.learningRate)),
    bias: sub(bias, mul(grads[k].bias, MLP.learningRate)),
  }))
  return { value, layers: updated }
}

export function initialLayers(): Layer[] {
  const { sizes } = MLP
  return sizes.slice(1).map((out, k) => ({
    weight: tensor(randomNumbers(sizes[k] * out, k, 0.05), { shape: [sizes[k], out] }),
    bias: tensor(new Float32Array(out), { shape: [out] }),
  }))
}

/** x f32 [batch, inputs], target i32 [batch] */
export function batch(): [x: Tensor, target: Tensor] {
  const x = tensor(randomNumbers(MLP.batch * MLP.sizes[0], 9), { shape: [MLP.batch, MLP.sizes[0]] })
  return [x, tensor(randomIds(MLP.batch, 10, 10), { shape: [MLP.batch], dtype: 'i32' })]
}

export async function measureMlp(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const step = compile(trainStep, { donate: [0] })
  let layers = initialLayers()
  const [x, target] = batch()
  await evaluate(layers, x, target)
  const ms = await bestMilliseconds(async () => {
    ;({ layers } = await step(layers, x, target))
    await backend.sync()
  }, 3000)
  return { step: ms }
}
