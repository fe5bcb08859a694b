import * as tf from '@tensorflow/tfjs-core'
import type { Measurements } from '../../bench.js'
import { ELEMENTWISE_CASES, ELEMENTWISE_SIZE, type ElementwiseCase } from '../../benches/elementwise.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds } from '../../timing.js'
import { openTensorFlow, randomTensor } from './open.js'

/** x and y [rows, columns]; softmax and layer norm over the last axis. */
export const operations: Readonly<Record<ElementwiseCase, (x: tf.Tensor, y: tf.Tensor) => tf.Tensor>> = {
  add: (x, y) => tf.add(x, y),
  exp: (x) => tf.exp(x),
  sum: (x) => tf.sum(x),
  'row sums': (x) => tf.sum(x, 1),
  softmax: (x) => tf.softmax(x),
  layerNorm: (x) => tf.tidy(() => layerNorm(x)),
}

/** Written out: several times faster than `tf.moments` or the layer of tfjs-layers, which tiles its statistics. */
function layerNorm(x: tf.Tensor): tf.Tensor {
  const centered = tf.sub(x, tf.mean(x, 1, true))
  const variance = tf.mean(tf.square(centered), 1, true) // [rows, 1]
  return tf.mul(centered, tf.rsqrt(tf.add(variance, 1e-5)))
}

/** Milliseconds. */
export async function measureElementwise(): Promise<Measurements> {
  await openTensorFlow()
  const shape = [ELEMENTWISE_SIZE, ELEMENTWISE_SIZE]
  const x = randomTensor(shape, 1)
  const y = randomTensor(shape, 2)
  return measureCases(
    ELEMENTWISE_CASES.map((name) => [name, () => bestMilliseconds(() => operations[name](x, y).dispose())]),
  )
}
