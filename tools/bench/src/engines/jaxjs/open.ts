/** jax-js on its WebAssembly device. In Node, which has no global `Worker`, it has one thread. */
import { defaultDevice, init, numpy as np, type Array as JaxArray } from '@jax-js/jax'
import { randomNumbers } from '../../timing.js'

export async function openJax(): Promise<void> {
  await init('wasm')
  defaultDevice('wasm')
}

/** The same numbers as every other engine's. */
export function randomArray(shape: readonly number[], seed: number, scale = 1): JaxArray {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return np.array(randomNumbers(count, seed, scale), { shape: [...shape] })
}
