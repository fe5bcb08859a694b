/** Values of lazy tensors for tests, by the naive interpreter: what a test finds wrong is then in nn. */
import { type Tensor, fromBytes, mapTree, tensor } from '@tarazed/tensor'
import { interpret } from '@tarazed/tensor/testing'

/** The elements of a tensor, rounded to its dtype at every operation. */
export function values(of: Tensor): number[] {
  return [...interpret([of], new Map(), { round: true })[0]]
}

/** The one element of a tensor. */
export function value(of: Tensor): number {
  return values(of)[0]
}

/** A tree whose tensors are evaluated, so that graphs do not grow from step to step. */
export function settled<T>(tree: T): T {
  return mapTree(tree, (leaf) => {
    const elements = values(leaf)
    if (leaf.dtype === 'bf16') return bf16(elements, leaf.shape)
    return tensor(elements, { shape: leaf.shape, dtype: leaf.dtype })
  })
}

function bf16(elements: readonly number[], shape: readonly number[]): Tensor {
  const words = new Uint32Array(Float32Array.from(elements).buffer)
  const bytes = new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer)
  return fromBytes(bytes, { shape, dtype: 'bf16' })
}

/** Numbers that look random and are the same every time. */
export function wave(count: number, { scale = 1, phase = 0 } = {}): number[] {
  return Array.from({ length: count }, (_, k) => scale * Math.sin(1.7 * k + 0.3 * k * k + phase))
}
