/** Limits on gradients. */
import { requireNumber, shown } from '../check.js'
import { ArgumentError, type Tensor, cast, flattenTree, mapTree, scalar } from '@tarazed/tensor'

/** The 2-norm of all tensors of a tree together, f32 []. */
export function globalNorm(tree: unknown): Tensor {
  const squares = flattenTree(tree).leaves.map((leaf) => cast(leaf, 'f32').square().sum())
  return squares.length === 0 ? scalar(0) : squares.reduce((sum, square) => sum.add(square)).sqrt()
}

/**
 * Scales a tree of gradients by min(1, maxNorm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_.
 *
 * @returns the gradients, and the norm before (f32 [])
 */
export function clipByGlobalNorm<G>(grads: G, maxNorm: number): { grads: G; norm: Tensor } {
  if (typeof maxNorm !== 'number' || !(maxNorm > 0))
    throw new ArgumentError(
      `clipByGlobalNorm: maxNorm is positive, got ${shown(maxNorm)}; write it as in clipByGlobalNorm(grads, 1)`,
    )
  const norm = globalNorm(grads)
  const factor = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1)
  return { grads: mapTree(grads, (grad) => grad.mul(cast(factor, grad.dtype))), norm }
}

/** Cuts every element to [-limit, limit]. */
export function clipByValue<G>(grads: G, limit: number): G {
  requireNumber('clipByValue', 'limit', limit, 0)
  return mapTree(grads, (grad) => grad.clip({ min: -limit, max: limit }))
}
