/**
 * onnxruntime-web on its WebAssembly provider, one thread. Its published binary has plain SIMD only. A run copies the
 * inputs into its memory and the result out of it; that is its interface (a result buffer that is passed to `run` is
 * ignored by this provider), so the copies belong to the time.
 */
import { env, InferenceSession, Tensor } from 'onnxruntime-web'
import { randomNumbers } from '../../timing.js'
import { onnxModel, type OneOperator } from './onnxModel.js'

export async function openSession(operator: OneOperator): Promise<InferenceSession> {
  env.wasm.numThreads = 1
  return InferenceSession.create(onnxModel(operator), { executionProviders: ['wasm'] })
}

/** The same numbers as every other engine's. */
export function randomTensor(shape: readonly number[], seed: number): Tensor {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return new Tensor('float32', randomNumbers(count, seed), shape)
}
