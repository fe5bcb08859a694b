/** Records and lists of tensors, as optimiser states and gradients are. */
import { Tensor } from '@tarazed/tensor'

/** All tensors of a tree, in order. */
export function tensorsOf(tree: unknown): Tensor[] {
  const found: Tensor[] = []
  mapTensors(tree, (tensor) => {
    found.push(tensor)
    return tensor
  })
  return found
}

/** A tree of the same form with every tensor replaced. */
export function mapTensors<T>(tree: T, replace: (tensor: Tensor) => Tensor): T {
  if (tree instanceof Tensor) return replace(tree) as T
  if (Array.isArray(tree)) return tree.map((child: unknown) => mapTensors(child, replace)) as T
  if (typeof tree !== 'object' || tree === null) return tree
  return Object.fromEntries(
    Object.entries(tree).map(([name, child]) => [name, mapTensors(child as unknown, replace)]),
  ) as T
}
