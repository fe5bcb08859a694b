/** A probe for NaN, infinities and indices out of range. */
import { collectNodes } from '../compiler/value.js'
import { isFloat } from '../dtype.js'
import { ArgumentError, NumericsError } from '../errors.js'
import { nodeOf, type Node, type Tensor } from '../graph/tensor.js'
import { show } from '../ops/check.js'
import { flattenTree, type Tree } from '../pytree.js'
import { showShape } from '../shape.js'
import { atCallSite } from './errorSite.js'
import { evaluateWith } from './evaluate.js'
import { data } from './read.js'

/**
 * Evaluates a tree, checks every float in it, and every index that its graph reads or writes at.
 *
 * Indices are seen in tensors that are lazy when they are given: a value has no graph any more. Those of a loop body are not
 * seen, but the NaN that a float read out of range gives is.
 * @param name of the tree in messages
 * @throws NumericsError that names the path, how many elements are bad, and the first one; or the operator whose index is out
 *   of range, where reads give NaN (0 for integers), writes are dropped and starts of slices are moved
 */
export async function checkNumerics(tree: Tree, name = 'value'): Promise<void> {
  if (typeof name !== 'string')
    throw new ArgumentError(`checkNumerics: the name must be a text, got ${show(name)}; give all tensors in one tree`)
  await atCallSite(probe(tree, name))
}

async function probe(tree: Tree, name: string): Promise<void> {
  const { leaves, def } = flattenTree(tree, name)
  const indices = collectNodes(leaves).flatMap(indicesOf)
  await evaluateWith({}, [...leaves, ...indices.map((index) => index.tensor)])
  for (const index of indices) await checkIndex(index)
  for (const [k, leaf] of leaves.entries()) if (isFloat(leaf.dtype)) await checkFinite(leaf, def.paths[k])
}

async function checkFinite(leaf: Tensor, path: string): Promise<void> {
  const values = await data(leaf)
  const isBad = (value: number): boolean => !Number.isFinite(value)
  const { bad, first } = search(values, isBad)
  if (bad > 0)
    throw new NumericsError(
      `checkNumerics: every element must be finite, but ${path} (${leaf.dtype} ${showShape(leaf.shape)}) has ${bad} of ${values.length} that are not; the first is ${values[first]} at ${showShape(unravel(first, leaf.shape))}; check indices, learning rate and divisions`,
    )
}

/** An index of a graph and the places that it may name: 0 … extent - 1. */
interface Index {
  readonly node: Node
  readonly tensor: Tensor
  readonly extent: number
  readonly consequence: string
}

const READ = 'what is read there is NaN, or 0 for integers'
const DROPPED = 'what is written there is lost'
const MOVED = 'the slice is moved until it fits'

function indicesOf(node: Node): Index[] {
  switch (node.op) {
    case 'gather': {
      const { axis } = node.attrs as Node<'gather'>['attrs']
      const [x, tensor] = node.inputs
      return [{ node, tensor, extent: x.shape[axis], consequence: READ }]
    }
    case 'scatterAdd': {
      const { axis } = node.attrs as Node<'scatterAdd'>['attrs']
      const [x, index] = node.inputs
      return [{ node, tensor: givenPlaces(index), extent: x.shape[axis], consequence: DROPPED }]
    }
    case 'dynamicSlice':
      return starts(node, node.inputs.slice(1), node.outputs[0].shape)
    case 'updateSlice':
      return starts(node, node.inputs.slice(2), node.inputs[1].shape)
    default:
      return []
  }
}

/** `scatterAdd` fills an index that is smaller than its operand up with places that are meant to be dropped. */
function givenPlaces(index: Tensor): Tensor {
  const padding = nodeOf(index, 'pad')
  return padding !== null && padding.attrs.value === -1 ? padding.inputs[0] : index
}

function starts(node: Node, tensors: readonly Tensor[], size: readonly number[]): Index[] {
  const { shape } = node.inputs[0]
  return tensors.map((tensor, axis) => ({ node, tensor, extent: shape[axis] - size[axis] + 1, consequence: MOVED }))
}

async function checkIndex({ node, tensor, extent, consequence }: Index): Promise<void> {
  const values = await data(tensor)
  const { bad, first } = search(values, (value) => value < 0 || value >= extent)
  if (bad > 0)
    throw new NumericsError(
      `checkNumerics: ${node.op}${node.site === undefined ? '' : ` (${node.site})`} on ${node.inputs[0].dtype} ${showShape(node.inputs[0].shape)}: indices must lie in 0 … ${extent - 1}, got ${bad} of ${values.length} outside, the first ${values[first]} at ${showShape(unravel(first, tensor.shape))}; ${consequence}`,
    )
}

function search(values: ArrayLike<number>, isBad: (value: number) => boolean): { bad: number; first: number } {
  let bad = 0
  let first = -1
  for (let at = 0; at < values.length; at++) {
    if (!isBad(values[at])) continue
    bad++
    if (first < 0) first = at
  }
  return { bad, first }
}

function unravel(at: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length)
  for (let k = shape.length - 1; k >= 0; k--) {
    index[k] = at % shape[k]
    at = Math.floor(at / shape[k])
  }
  return index
}
