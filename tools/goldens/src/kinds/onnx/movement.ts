/** Nodes that move, cut, repeat and make data. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { IndexError } from '../../stored.js'
import { dtypeOfOnnx, positiveAxis, range, type NodeRunner, type OnnxNode } from './node.js'

export const MOVEMENT: Readonly<Record<string, NodeRunner>> = {
  Concat: (node) => T.concat(node.tensors(), { axis: node.attrs.number('axis') }),
  Expand: expand,
  EyeLike: eyeLike,
  Flatten: flatten,
  Pad: pad,
  Range: rangeNode,
  Reshape: reshape,
  Slice: slice,
  Split: split,
  Squeeze: (node) => T.squeeze(node.x, node.list(1, 'axes')),
  Tile: (node) => T.tile(node.x, node.numbers(1)),
  Transpose: ({ x, attrs }) => T.transpose(x, attrs.numbers('perm', range(x.rank).reverse())),
  Trilu: triangle,
  Unsqueeze: (node) => T.expandDims(node.x, node.list(1, 'axes') ?? []),
}

/** Both shapes broadcast: the wanted one may have ones where x is larger. */
function expand(node: OnnxNode): Tensor {
  const wanted = node.numbers(1)
  const rank = Math.max(node.x.rank, wanted.length)
  const aligned = (shape: readonly number[]): number[] => [...range(rank - shape.length).map(() => 1), ...shape]
  const own = aligned(node.x.shape)
  return T.broadcastTo(
    node.x,
    aligned(wanted).map((size, k) => (size === 1 ? own[k] : size)),
  )
}

/** The operand gives the shape, and the dtype when there is none in the attributes. */
function eyeLike({ x, attrs }: OnnxNode): Tensor {
  const dtype = attrs.has('dtype') ? dtypeOfOnnx(attrs.number('dtype')) : x.dtype
  return T.eye(x.shape[0], { m: x.shape[1], k: attrs.number('k', 0), dtype })
}

/** Axes before `axis` become rows, the others columns. */
function flatten({ x, attrs }: OnnxNode): Tensor {
  const axis = positiveAxis(attrs.number('axis', 1), x.rank)
  const product = (sizes: readonly number[]): number => sizes.reduce((size, factor) => size * factor, 1)
  return T.reshape(x, [product(x.shape.slice(0, axis)), product(x.shape.slice(axis))])
}

/** 0 copies a size of x unless allowzero is set. */
function reshape(node: OnnxNode): Tensor {
  const { x, attrs } = node
  const keepsZero = attrs.flag('allowzero', false)
  const sizes = node.list(1, 'shape') ?? []
  const shape = sizes.map((size, k) => (size === 0 && !keepsZero ? x.shape[k] : size))
  return T.reshape(x, shape)
}

/** Operands: data, starts, ends, axes, steps (attributes before opset 10). Out-of-range ends are cut as in NumPy. */
function slice(node: OnnxNode): Tensor {
  const { x } = node
  const starts = node.list(1, 'starts') ?? []
  const ends = node.list(2, 'ends') ?? []
  const axes = node.list(3, 'axes') ?? range(starts.length)
  const steps = node.has(4) ? node.numbers(4) : starts.map(() => 1)
  const slices: ([number, number, number] | null)[] = range(x.rank).map(() => null)
  axes.forEach((axis, k) => {
    slices[positiveAxis(axis, x.rank)] = [starts[k], ends[k], steps[k]]
  })
  return T.slice(x, slices)
}

/** Sizes are an operand, an attribute before opset 13, or equal parts of which the last may be smaller. */
function split(node: OnnxNode): readonly Tensor[] {
  const { x, attrs } = node
  const axis = positiveAxis(attrs.number('axis', 0), x.rank)
  const stated = node.list(1, 'split')
  const parts = attrs.number('num_outputs', node.wanted.length)
  return T.split(x, stated ?? equalParts(x.shape[axis], parts), { axis })
}

function equalParts(size: number, parts: number): number[] {
  const each = Math.ceil(size / parts)
  return range(parts).map((part) => Math.max(0, Math.min(each, size - part * each)))
}

/** A triangle of the last two axes; k is an operand. */
function triangle(node: OnnxNode): Tensor {
  const k = node.has(1) ? node.number(1) : 0
  return node.attrs.flag('upper', true) ? T.triu(node.x, { k }) : T.tril(node.x, { k })
}

/** Operands: start, limit, delta. */
function rangeNode(node: OnnxNode): Tensor {
  node.attrs.number('stash_type', 1)
  const [start, limit, delta] = [node.number(0), node.number(1), node.number(2)]
  const { dtype } = node.x
  if (dtype === 'i32') return T.arange(start, limit, { step: delta, dtype })
  return T.cast(T.arange(start, limit, { step: delta, dtype: 'f32' }), dtype)
}

type Sides = [low: number, high: number]

/** Operands: data, pads [begins…, ends…], value, axes. Negative pads cut. */
function pad(node: OnnxNode): Tensor {
  const { x, attrs } = node
  const mode = attrs.text('mode', 'constant')
  const flat = node.list(1, 'pads') ?? []
  const axes = node.has(3) ? node.numbers(3) : range(x.rank)
  const value = node.has(2) ? node.number(2) : attrs.number('value', 0)
  const sides = x.shape.map((): Sides => [0, 0])
  axes.forEach((axis, k) => {
    sides[positiveAxis(axis, x.rank)] = [flat[k], flat[k + axes.length]]
  })
  const cut = T.slice(
    x,
    sides.map(([low, high], axis): [number, number] => [Math.max(0, -low), x.shape[axis] - Math.max(0, -high)]),
  )
  const grown = sides.map(([low, high]): Sides => [Math.max(0, low), Math.max(0, high)])
  switch (mode) {
    case 'constant':
      return T.pad(cut, grown, { value })
    case 'reflect':
    case 'edge':
      return T.pad(cut, grown, { mode })
    case 'wrap':
      return grown.reduce(wrapAxis, cut)
    default:
      throw new IndexError(`unknown mode ${mode}`)
  }
}

/** The axis goes on from its other end. */
function wrapAxis(x: Tensor, [low, high]: Sides, axis: number): Tensor {
  if (low === 0 && high === 0) return x
  const size = x.shape[axis]
  const indices = range(low + size + high).map((k) => (((k - low) % size) + size) % size)
  return T.indexSelect(x, T.tensor(Int32Array.from(indices)), { axis })
}
