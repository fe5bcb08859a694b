/** Gradients of a batch that is too large to hold: a part at a time. */
import {
  ArgumentError,
  type Tensor,
  cast,
  flattenTree,
  mapTree,
  scalar,
  scan,
  valueAndGrad,
  zeros,
} from '@tarazed/tensor'
import { requireFunction } from '../check.js'
import { zipTree } from '../zipTree.js'

/**
 * Mean loss and mean gradients over the parts of a batch, one part in memory at a time. Sums are kept in f32.
 * Equal to the gradients of the whole batch when `loss` is a mean and all parts count the same.
 *
 * @param loss (params, part) => f32 []
 * @param parts a tree of tensors [parts, ...]; `loss` gets slices without the leading axis
 * @returns [loss, grads]; grads in the tree and dtypes of `params`
 * @throws ArgumentError when there is no part
 */
export function accumulateGradients<P, X>(
  loss: (params: P, part: X) => Tensor,
  params: P,
  parts: X,
): [loss: Tensor, grads: P] {
  requireFunction('accumulateGradients', 'loss', loss)
  const [first] = flattenTree(parts).leaves
  if (first === undefined || first.rank === 0 || first.shape[0] === 0)
    throw new ArgumentError(
      `accumulateGradients: parts are tensors with a leading axis of at least 1, got ${first === undefined ? 'none' : `[${first.shape.join(', ')}]`}; stack the parts of the batch`,
    )
  const nothing = { loss: scalar(0), grads: mapTree(params, (leaf) => zeros(leaf.shape)) }
  const [total] = scan(
    (sum: typeof nothing, part: X) => {
      const [partLoss, partGrads] = valueAndGrad((p: P) => loss(p, part))(params)
      const grads = zipTree('accumulateGradients', sum.grads, partGrads as P, (a, b) => a.add(cast(b, 'f32')))
      return [{ loss: sum.loss.add(cast(partLoss, 'f32')), grads }, null] as const
    },
    nothing,
    parts,
  )
  const mean = zipTree('accumulateGradients', total.grads, params, (grad, p) => cast(grad.div(first.shape[0]), p.dtype))
  return [total.loss.div(first.shape[0]), mean]
}
