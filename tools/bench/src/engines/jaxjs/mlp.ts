import { blockUntilReady, jit, nn, numpy as np, valueAndGrad, type Array as JaxArray } from '@jax-js/jax'
import type { Measurements } from '../../bench.js'
import { MLP } from '../../benches/mlp.js'
import { bestMilliseconds, randomIds } from '../../timing.js'
import { openJax, randomArray } from './open.js'

/** A type, not an interface: jax-js infers its trees from aliases only. */
export type Layer = { readonly weight: JaxArray; readonly bias: JaxArray }

/** Mean cross-entropy of the rows of `oneHot`; a gather's gradient would run as a routine in JavaScript. */
function loss(layers: readonly Layer[], x: JaxArray, oneHot: JaxArray): JaxArray {
  let h = x
  layers.forEach(({ weight, bias }, k) => {
    h = np.matmul(h, weight).add(bias)
    if (k < layers.length - 1) h = nn.relu(h)
  })
  return nn.logSoftmax(h).mul(oneHot).sum(1).mean().mul(-1)
}

/** One SGD step; consumes its arguments. */
export function trainStep(
  layers: readonly Layer[],
  x: JaxArray,
  target: JaxArray,
): { value: JaxArray; layers: Layer[] } {
  const classes = MLP.sizes[MLP.sizes.length - 1]
  const [value, grads] = valueAndGrad(loss)(
    layers.map(({ weight, bias }) => ({ weight: weight.ref, bias: bias.ref })),
    x,
    nn.oneHot(target, classes),
  )
  const updated = layers.map(({ weight, bias }, k) => ({
    weight: weight.sub(grads[k].weight.mul(MLP.learningRate)),
    bias: bias.sub(grads[k].bias.mul(MLP.learningRate)),
  }))
  return { value, layers: updated }
}

export function initialLayers(): Layer[] {
  const { sizes } = MLP
  return sizes.slice(1).map((out, k) => ({
    weight: randomArray([sizes[k], out], k, 0.05),
    bias: np.zeros([out]),
  }))
}

/** x f32 [batch, inputs], target i32 [batch] */
export function batch(): [x: JaxArray, target: JaxArray] {
  const ids = randomIds(MLP.batch, 10, 10)
  return [randomArray([MLP.batch, MLP.sizes[0]], 9), np.array(ids, { shape: [MLP.batch], dtype: np.int32 })]
}

export async function measureMlp(): Promise<Measurements> {
  await openJax()
  const step = jit(trainStep)
  let layers = initialLayers()
  const [x, target] = batch()
  const ms = await bestMilliseconds(async () => {
    const result = step(layers, x.ref, target.ref)
    await blockUntilReady(result)
    result.value.dispose()
    layers = result.layers
  }, 3000)
  return { step: ms }
}
