/** Giving memory back at once. Nobody has to: dropped tensors are reclaimed when too many have piled up. */
import { flattenTree, type Tree } from '../pytree.js'
import { releaseTensor } from './memory.js'

/** Frees the values of all tensors in a tree now; reading them afterwards throws DisposedError. */
export function dispose(tree: Tree): void {
  for (const tensor of flattenTree(tree).leaves) {
    if (tensor.state === 'donated' || tensor.state === 'disposed') continue
    releaseTensor(tensor)
    tensor.node = null
    tensor.state = 'disposed'
  }
}
