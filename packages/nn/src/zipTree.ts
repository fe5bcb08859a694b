/** Two trees walked together. */
import { ArgumentError, type Tensor, flattenTree } from '@tarazed/tensor'

/**
 * A tree of `f(a, b)` for the tensors in equal places of two trees.
 * @param who names the caller in the error
 * @throws ArgumentError when the trees differ in structure
 */
export function zipTree<T>(who: string, a: T, b: T, f: (a: Tensor, b: Tensor) => Tensor): T {
  const [left, right] = [flattenTree(a), flattenTree(b)]
  if (left.def.key !== right.def.key)
    throw new ArgumentError(
      `${who}: the trees have one structure, got tensors at ${left.def.paths.join(', ')} and at ${right.def.paths.join(', ')}; give two trees of the same parameters`,
    )
  return left.def.build(left.leaves.map((leaf, k) => f(leaf, right.leaves[k]))) as T
}
