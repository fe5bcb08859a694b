/** A probe for NaN and infinities. */
import { isFloat } from '../dtype.js'
import { NumericsError } from '../errors.js'
import { flattenTree, type Tree } from '../pytree.js'
import { showShape } from '../shape.js'
import { evaluateWith } from './evaluate.js'
import { data } from './read.js'

/**
 * Evaluates a tree and checks every float in it. An index that was out of range shows as the NaN it reads.
 * @throws NumericsError that names the path, how many elements are bad, and the first one
 */
export async function checkNumerics(tree: Tree, name = 'value'): Promise<void> {
  const { leaves, def } = flattenTree(tree, name)
  await evaluateWith({}, leaves)
  for (const [k, leaf] of leaves.entries()) {
    if (!isFloat(leaf.dtype)) continue
    const values = await data(leaf)
    let bad = 0
    let first = -1
    values.forEach((value, at) => {
      if (Number.isFinite(value)) return
      bad++
      if (first < 0) first = at
    })
    if (bad > 0)
      throw new NumericsError(
        `checkNumerics: every element must be finite, but ${def.paths[k]} (${leaf.dtype} ${showShape(leaf.shape)}) has ${bad} of ${values.length} that are not; the first is ${values[first]} at ${showShape(unravel(first, leaf.shape))}; check indices, learning rate and divisions`,
      )
  }
}

function unravel(at: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length)
  for (let k = shape.length - 1; k >= 0; k--) {
    index[k] = at % shape[k]
    at = Math.floor(at / shape[k])
  }
  return index
}
