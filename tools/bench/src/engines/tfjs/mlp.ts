import * as tf from '@tensorflow/tfjs-core'
// Registers the gradients, which the Node build of tfjs-core leaves out.
import '@tensorflow/tfjs-layers'
import type { Measurements } from '../../bench.js'
import { MLP } from '../../benches/mlp.js'
import { bestMilliseconds, randomIds } from '../../timing.js'
import { openTensorFlow, randomTensor } from './open.js'

export interface Layer {
  readonly weight: tf.Variable
  readonly bias: tf.Variable
}

/** One SGD step by `optimizer.minimize`, which changes the variables; returns the loss before it. */
export function makeTrainStep(layers: readonly Layer[], x: tf.Tensor, oneHot: tf.Tensor): () => tf.Tensor {
  const optimizer = tf.train.sgd(MLP.learningRate)
  const loss = (): tf.Tensor => {
    let h = x
    layers.forEach(({ weight, bias }, k) => {
      h = tf.add(tf.matMul(h, weight), bias)
      if (k < layers.length - 1) h = tf.relu(h)
    })
    return tf.losses.softmaxCrossEntropy(oneHot, h)
  }
  return () => optimizer.minimize(loss, true)
}

export function initialLayers(): Layer[] {
  const { sizes } = MLP
  return sizes.slice(1).map((out, k) => ({
    weight: tf.variable(randomTensor([sizes[k], out], k, 0.05)),
    bias: tf.variable(tf.tensor(new Float32Array(out), [out])),
  }))
}

/** x f32 [batch, inputs], targets one-hot [batch, classes] */
export function batch(): [x: tf.Tensor, oneHot: tf.Tensor] {
  const ids = tf.tensor(randomIds(MLP.batch, 10, 10), [MLP.batch], 'int32')
  return [randomTensor([MLP.batch, MLP.sizes[0]], 9), tf.oneHot(ids, MLP.sizes[MLP.sizes.length - 1])]
}

export async function measureMlp(): Promise<Measurements> {
  await openTensorFlow()
  const step = makeTrainStep(initialLayers(), ...batch())
  return { step: await bestMilliseconds(() => step().dispose(), 3000) }
}
