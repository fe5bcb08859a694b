/** Shared by the tests of the operators: values through the naive interpreter, and seeded inputs. */
import { tensor } from '../../src/ops/index.js'
import type { DType } from '../../src/dtype.js'
import type { Tensor } from '../../src/graph/tensor.js'
import { sizeOf } from '../../src/shape.js'
import { interpret } from '../../src/testing/interpret.js'
import { seededRandom } from '../../src/testing/random.js'

/** Elements of a tensor, every result rounded to its dtype. */
export function rounded(x: Tensor): number[] {
  return Array.from(interpret([x], new Map(), { round: true })[0])
}

/** Elements of a tensor in float64. */
export function exact(x: Tensor): number[] {
  return Array.from(interpret([x])[0])
}

/** Numbers in (-scale, scale). */
export function noise(count: number, seed = 1, scale = 1): Float32Array {
  const random = seededRandom(seed)
  return Float32Array.from({ length: count }, () => (random() * 2 - 1) * scale)
}

/** A tensor of numbers in (-scale, scale). */
export function noisy(
  shape: readonly number[],
  { seed = 1, scale = 1, dtype = 'f32' as DType }: { seed?: number; scale?: number; dtype?: DType } = {},
): Tensor {
  return tensor(noise(sizeOf(shape), seed, scale), { shape, dtype })
}

/** Integers in [low, high). */
export function integers(shape: readonly number[], low: number, high: number, seed = 1, dtype: DType = 'i32'): Tensor {
  const random = seededRandom(seed)
  const values = Array.from({ length: sizeOf(shape) }, () => low + Math.floor(random() * (high - low)))
  return tensor(values, { shape, dtype })
}

/** An input of `checkGrad`. */
export function input(shape: readonly number[], seed = 1, scale = 1): { shape: readonly number[]; data: Float64Array } {
  return { shape, data: Float64Array.from(noise(sizeOf(shape), seed, scale)) }
}

/** Largest |a - b| / (1 + |b|); NaN and infinities must be equal. */
export function distance(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Infinity
  return a.reduce((most, x, k) => {
    if (Object.is(x, b[k]) || x === b[k]) return most
    const gap = Math.abs(x - b[k]) / (1 + Math.abs(b[k]))
    return Math.max(most, Number.isNaN(gap) ? Infinity : gap)
  }, 0)
}
