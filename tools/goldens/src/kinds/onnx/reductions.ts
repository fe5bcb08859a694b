/** Nodes that fold axes, and running folds. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { isFloatTensor, positiveAxis, range, type NodeRunner, type OnnxNode } from './node.js'

type Options = { axes: number[] | null; keepdims: boolean }
type Fold = (x: Tensor, options: Options) => Tensor

/** Results keep the dtype of the operand, also where the library's own fold widens it. */
const keepsDType =
  (fold: Fold): Fold =>
  (x, options) =>
    T.cast(fold(x, options), x.dtype)

export const REDUCTIONS: Readonly<Record<string, NodeRunner>> = {
  ReduceSum: reduce(keepsDType(T.sum)),
  ReduceMean: reduce(keepsDType((x, options) => T.mean(isFloatTensor(x) ? x : T.cast(x, 'f32'), options))),
  ReduceProd: reduce(keepsDType(T.prod)),
  ReduceMax: reduce(largest),
  ReduceMin: reduce(smallest),
  ReduceL1: reduce(
    keepsDType((x, options) => (isFloatTensor(x) ? T.norm(x, { ...options, ord: 1 }) : T.sum(T.abs(x), options))),
  ),
  ReduceL2: reduce(keepsDType((x, options) => T.norm(isFloatTensor(x) ? x : T.cast(x, 'f32'), { ...options, ord: 2 }))),
  ReduceSumSquare: reduce(keepsDType((x, options) => T.sum(T.mul(x, x), options))),
  ReduceLogSum: reduce((x, options) => T.log(T.sum(x, options))),
  ReduceLogSumExp: reduce(T.logsumexp),
  ArgMax: (node) => indexOfBest(node, T.argmax),
  ArgMin: (node) => indexOfBest(node, T.argmin),
  CumSum: (node) => running(node, T.cumsum),
  CumProd: (node) => running(node, T.cumprod),
}

/** Axes are the second operand (an attribute in older opsets); none means all, or nothing with noop_with_empty_axes. */
function reduce(fold: Fold): NodeRunner {
  return (node) => {
    const keepdims = node.attrs.flag('keepdims', true)
    const noop = node.attrs.flag('noop_with_empty_axes', false)
    const axes = node.list(1, 'axes') ?? []
    if (axes.length > 0) return fold(node.x, { axes, keepdims })
    // Folding an added axis of one element still applies what the fold does to each element (abs, square).
    if (noop) return fold(T.expandDims(node.x, [0]), { axes: [0], keepdims: false })
    return fold(node.x, { axes: null, keepdims })
  }
}

function largest(x: Tensor, options: Options): Tensor {
  return x.dtype === 'bool' ? T.any(x, options) : nonEmpty(x, options, T.max, -Infinity)
}

function smallest(x: Tensor, options: Options): Tensor {
  return x.dtype === 'bool' ? T.all(x, options) : nonEmpty(x, options, T.min, Infinity)
}

/** The largest of nothing is the lowest value of the dtype; the library's own fold refuses to answer that. */
function nonEmpty(x: Tensor, options: Options, fold: Fold, identity: number): Tensor {
  const axes = (options.axes ?? range(x.rank)).map((axis) => positiveAxis(axis, x.rank))
  if (axes.every((axis) => x.shape[axis] > 0)) return fold(x, options)
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  const shape = options.keepdims ? kept : x.shape.filter((_, axis) => !axes.includes(axis))
  return T.cast(T.full(shape, identity), x.dtype)
}

type ArgBest = (x: Tensor, options: { axis: number; keepdims: boolean }) => Tensor

/** The last of equal elements is the first one of the flipped axis. */
function indexOfBest({ x, attrs }: OnnxNode, best: ArgBest): Tensor {
  const axis = positiveAxis(attrs.number('axis', 0), x.rank)
  const options = { axis, keepdims: attrs.flag('keepdims', true) }
  if (!attrs.flag('select_last_index', false)) return best(x, options)
  return T.sub(x.shape[axis] - 1, best(T.flip(x, [axis]), options))
}

type Running = (x: Tensor, options: { axis: number; exclusive: boolean; reverse: boolean }) => Tensor

function running(node: OnnxNode, fold: Running): Tensor {
  const { x, attrs } = node
  return fold(x, {
    axis: node.number(1),
    exclusive: attrs.flag('exclusive', false),
    reverse: attrs.flag('reverse', false),
  })
}
