/** Nodes with index operands. Negative indices count from the end. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { IndexError } from '../../stored.js'
import { positiveAxis, range, type NodeRunner, type OnnxNode } from './node.js'

export const INDEXING: Readonly<Record<string, NodeRunner>> = {
  Gather: gather,
  GatherElements: gatherElements,
  ScatterElements: scatterElements,
  OneHot: oneHot,
  TopK: topK,
}

function fromFront(index: Tensor, size: number): Tensor {
  return T.where(T.less(index, 0), T.add(index, size), index)
}

/** The axis is replaced by the axes of the index. */
function gather(node: OnnxNode): Tensor {
  const { x } = node
  const axis = positiveAxis(node.attrs.number('axis', 0), x.rank)
  const index = fromFront(T.cast(node.tensor(1), 'i32'), x.shape[axis])
  const picked = T.indexSelect(x, T.reshape(index, [index.size]), { axis })
  return T.reshape(picked, [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)])
}

function gatherElements(node: OnnxNode): Tensor {
  const { x } = node
  const axis = positiveAxis(node.attrs.number('axis', 0), x.rank)
  return T.gather(x, fromFront(T.cast(node.tensor(1), 'i32'), x.shape[axis]), { axis })
}

type Combine = (old: Tensor, update: Tensor) => Tensor

const COMBINE: Readonly<Record<string, Combine>> = {
  none: (_, update) => update,
  mul: T.mul,
  min: T.minimum,
  max: T.maximum,
}

function scatterElements(node: OnnxNode): Tensor {
  const { x, attrs } = node
  const axis = positiveAxis(attrs.number('axis', 0), x.rank)
  const reduction = attrs.text('reduction', 'none')
  const index = fromFront(T.cast(node.tensor(1), 'i32'), x.shape[axis])
  const updates = node.tensor(2)
  if (reduction === 'add') return T.scatterAdd(x, index, updates, { axis })
  const combine = COMBINE[reduction]
  if (combine === undefined) throw new IndexError(`unknown reduction ${reduction}`)
  return scatterInTurn(x, index, updates, axis, combine)
}

/** One position of the updates after the other, each over the whole of x: repeated targets combine in order. */
function scatterInTurn(x: Tensor, index: Tensor, updates: Tensor, axis: number, combine: Combine): Tensor {
  // Off the axis the index may be smaller than x: what it lacks points nowhere.
  const missing = x.shape.map((size, k): [number, number] => [0, k === axis ? 0 : size - index.shape[k]])
  const targets = T.pad(index, missing, { value: -1 })
  const values = T.pad(updates, missing)
  const places = T.reshape(
    T.arange(x.shape[axis]),
    x.shape.map((size, k) => (k === axis ? size : 1)),
  )
  const at = (tensor: Tensor, position: number): Tensor =>
    T.slice(
      tensor,
      x.shape.map((_, k): [number, number] | null => (k === axis ? [position, position + 1] : null)),
    )
  return range(index.shape[axis]).reduce((current, position) => {
    const isHit = T.equal(places, at(targets, position))
    return T.where(isHit, combine(current, T.broadcastTo(at(values, position), x.shape)), current)
  }, x)
}

/** Operands: indices, depth, [off, on]. Indices in [-depth, -1] count from the end, others outside give a row of `off`. */
function oneHot(node: OnnxNode): Tensor {
  const depth = node.number(1)
  const index = fromFront(T.cast(node.x, 'i32'), depth)
  const axis = positiveAxis(node.attrs.number('axis', -1), index.rank + 1)
  const isHot = T.oneHot(index, depth, { dtype: 'bool' })
  const perm = range(index.rank)
  perm.splice(axis, 0, index.rank)
  const [off, on] = T.unstack(node.tensor(2))
  return T.where(T.transpose(isHot, perm), on, off)
}

/** k is an attribute before opset 10. Our results are always sorted. */
function topK(node: OnnxNode): readonly Tensor[] {
  const { x, attrs } = node
  attrs.flag('sorted', true)
  const k = node.has(1) ? node.number(1) : attrs.number('k')
  return T.topk(x, k, { axis: attrs.number('axis', -1), largest: attrs.flag('largest', true) })
}
