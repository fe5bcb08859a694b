/** Values of lazy tensors for these tests, by the interpreter in float64. */
import type { Tensor } from '../../src/graph/tensor.js'
import { interpret } from '../../src/testing/interpret.js'

export function valuesOf(x: Tensor, options: { round?: boolean } = {}): number[] {
  return [...interpret([x], new Map(), options)[0]]
}

/** Every element within 1e-9 of what is expected. */
export function near(got: readonly number[], want: readonly number[], tolerance = 1e-9): boolean {
  return got.length === want.length && got.every((x, k) => Math.abs(x - want[k]) <= tolerance * (1 + Math.abs(want[k])))
}
