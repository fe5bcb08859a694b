/**
 * TensorFlow.js on its WebAssembly backend, which has SIMD and, in Node, one thread. Its operators are eager and run to
 * their end before they return, so a call is timed without reading its result.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { randomNumbers } from '../../timing.js'

export async function openTensorFlow(): Promise<void> {
  const folder = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))
  setWasmPaths(join(folder, '/'))
  if (!(await tf.setBackend('wasm'))) throw new Error('tfjs: the wasm backend did not start')
  await tf.ready()
}

/** The same numbers as every other engine's. */
export function randomTensor(shape: readonly number[], seed: number, scale = 1): tf.Tensor {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return tf.tensor(randomNumbers(count, seed, scale), shape)
}
