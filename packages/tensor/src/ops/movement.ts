/** Operators that move elements without computing: shapes, slices, joins, copies. */
import { broadcast, compare, concatOf, padWith, reshapeTo, select, sliceOf, transposeTo } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { normalizeAxes, normalizeAxis, sameShape, showShape, sizeOf } from '../shape.js'
import { constant, coordinates, plus } from './build.js'
import {
  argumentError,
  requireChoice,
  requireCount,
  requireElement,
  requireList,
  requireSameDType,
  requireShape,
  requireTensor,
  shapeError,
  show,
  showAll,
} from './check.js'
import { checkOptions } from './options.js'
import type { Axes } from './reduce.js'

/**
 * The same elements in row-major order under another shape.
 * @param shape one size may be -1: what is left
 * @throws ShapeError when the number of elements differs
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  requireTensor('reshape', x)
  requireList('reshape', 'shape', shape, 'x.reshape([2, -1])')
  return reshapeTo(x, completeShape(x, shape))
}

function completeShape(x: Tensor, shape: readonly number[]): number[] {
  const unknown = shape.filter((n) => n === -1).length
  const got = `${show(x)} and shape ${showShape(shape)}`
  if (unknown > 1 || !shape.every((n) => Number.isInteger(n) && n >= -1))
    throw shapeError('reshape', 'sizes must be whole numbers, at most one of them -1', got, 'name the other sizes')
  const known = sizeOf(shape.filter((n) => n !== -1))
  if (unknown === 1 && (known === 0 ? x.size !== 0 || shape.length > 1 : x.size % known !== 0))
    throw shapeError('reshape', `${x.size} elements must be divisible by the known sizes`, got, 'change the sizes')
  const complete = shape.map((n) => (n === -1 ? x.size / known : n))
  if (sizeOf(complete) !== x.size)
    throw shapeError('reshape', `the shape must have ${x.size} elements`, got, 'change the sizes or give one as -1')
  return complete
}

/**
 * Axes in another order.
 * @param perm axis perm[k] of x becomes axis k; default: all reversed
 * @throws ShapeError when perm is no permutation of the axes
 */
export function transpose(x: Tensor, perm: readonly number[] | null = null): Tensor {
  requireTensor('transpose', x)
  if (perm === null)
    return transposeTo(
      x,
      x.shape.map((_, k) => x.rank - 1 - k),
    )
  requireList('transpose', 'perm', perm, 'x.transpose([1, 0])')
  const axes = perm.map((axis) => (axis < 0 ? axis + x.rank : axis))
  const sorted = [...axes].sort((a, b) => a - b)
  if (axes.length !== x.rank || sorted.some((axis, k) => axis !== k))
    throw shapeError(
      'transpose',
      `perm must name each of the ${x.rank} axes once`,
      `${show(x)} and perm [${perm.join(', ')}]`,
      'complete perm',
    )
  return transposeTo(x, axes)
}

/** Two axes exchanged. */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  requireTensor('swapAxes', x)
  const [from, to] = [normalizeAxis('swapAxes', a, x.shape), normalizeAxis('swapAxes', b, x.shape)]
  return transposeTo(
    x,
    x.shape.map((_, k) => (k === from ? to : k === to ? from : k)),
  )
}

/**
 * Axes of size 1 dropped.
 * @param axes default: all of size 1
 * @throws ShapeError for an axis of another size
 */
export function squeeze(x: Tensor, axes: Axes = null): Tensor {
  requireTensor('squeeze', x)
  const dropped =
    axes === null ? x.shape.flatMap((n, k) => (n === 1 ? [k] : [])) : normalizeAxes('squeeze', axes, x.shape)
  for (const axis of dropped)
    if (x.shape[axis] !== 1)
      throw shapeError(
        'squeeze',
        'a squeezed axis must have size 1',
        `${show(x)} and axis ${axis}`,
        'reduce or slice it',
      )
  return reshapeTo(
    x,
    x.shape.filter((_, k) => !dropped.includes(k)),
  )
}

/** Axes of size 1 inserted. @param axes their positions in the result */
export function expandDims(x: Tensor, axes: number | readonly number[]): Tensor {
  requireTensor('expandDims', x)
  const list = typeof axes === 'number' ? [axes] : axes
  requireList('expandDims', 'axes', list, 'x.expandDims([0, 1])')
  const rank = x.rank + list.length
  const at = normalizeAxes('expandDims', list, new Array<number>(rank).fill(1))
  const rest = [...x.shape]
  return reshapeTo(
    x,
    Array.from({ length: rank }, (_, k) => (at.includes(k) ? 1 : (rest.shift() as number))),
  )
}

/** x repeated to a shape by NumPy's rule. @throws ShapeError for a size that is neither equal nor 1 */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  requireTensor('broadcastTo', x)
  requireShape('broadcastTo', shape)
  const offset = shape.length - x.rank
  if (offset < 0 || x.shape.some((n, k) => n !== 1 && n !== shape[offset + k]))
    throw shapeError(
      'broadcastTo',
      'sizes must be equal or 1, counted from the last axis',
      `${show(x)} to ${showShape(shape)}`,
      'reshape it first',
    )
  return broadcast(x, shape)
}

/** Axes in reverse order; default all. */
export function flip(x: Tensor, axes: Axes = null): Tensor {
  requireTensor('flip', x)
  return flipOver(x, normalizeAxes('flip', axes, x.shape))
}

export function flipOver(x: Tensor, axes: readonly number[]): Tensor {
  const reversed = (k: number): boolean => axes.includes(k) && x.shape[k] > 1
  return sliceOf(
    x,
    x.shape.map((n, k) => (reversed(k) ? n - 1 : 0)),
    x.shape,
    x.shape.map((_, k) => (reversed(k) ? -1 : 1)),
  )
}

/** [start, stop, step?] of one axis; null stands for what NumPy takes when it is left out. A null entry takes the whole axis. */
export type Slice = readonly [number | null, (number | null)?, (number | null)?] | null

/** NumPy's rule for one axis. */
function resolveSlice(
  [start = null, stop = null, step = null]: NonNullable<Slice>,
  extent: number,
): [number, number, number] {
  const stride = step ?? 1
  const [least, most] = stride > 0 ? [0, extent] : [-1, extent - 1]
  const place = (at: number | null, open: number): number =>
    at === null ? open : Math.min(most, Math.max(least, at < 0 ? at + extent : at))
  const from = place(start, stride > 0 ? least : most)
  const to = place(stop, stride > 0 ? most : least)
  const size = Math.max(0, Math.ceil((to - from) / stride))
  return [size === 0 ? 0 : from, size, stride]
}

/**
 * NumPy's basic slicing; missing trailing axes are whole.
 * @throws ShapeError for step 0, fractions, or more slices than axes
 */
export function slice(x: Tensor, slices: readonly Slice[]): Tensor {
  requireTensor('slice', x)
  requireList('slice', 'slices', slices, 'x.slice([[0, 2], null]), one [start, stop] for each axis')
  const got = `${show(x)} and slices ${JSON.stringify(slices)}`
  if (slices.length > x.rank) throw shapeError('slice', `there may be at most ${x.rank} slices`, got, 'drop some')
  for (const entry of slices)
    if (entry !== null && !Array.isArray(entry))
      throw argumentError(
        'slice',
        'every slice must be [start, stop, step] or null for the whole axis',
        got,
        'write it as in x.slice([[0, 2], null]), or index with indexSelect',
      )
    else if (
      entry !== null &&
      (entry[2] === 0 || entry.some((n) => n !== null && n !== undefined && !Number.isInteger(n)))
    )
      throw shapeError('slice', 'start, stop and step must be integers and step not 0', got, 'change the slice')
  const resolved = x.shape.map((n, k): [number, number, number] => {
    const entry = slices[k] ?? null
    return entry === null ? [0, n, 1] : resolveSlice(entry, n)
  })
  return sliceOf(
    x,
    resolved.map((r) => r[0]),
    resolved.map((r) => r[1]),
    resolved.map((r) => r[2]),
  )
}

/** `count` elements of one axis from `start`. */
export function sliceAxis(x: Tensor, axis: number, start: number, count: number, step = 1): Tensor {
  return sliceOf(
    x,
    x.shape.map((_, k) => (k === axis ? start : 0)),
    x.shape.map((n, k) => (k === axis ? count : n)),
    x.shape.map((_, k) => (k === axis ? step : 1)),
  )
}

/**
 * What `pad` fills with: a value, the reflection at the edge (which is not repeated), or the edge itself. Default mode:
 * constant.
 */
export interface PadOptions {
  readonly mode?: 'constant' | 'reflect' | 'edge'
  /** Of mode constant; default 0. */
  readonly value?: number
}

/**
 * Elements added before and after every axis (mode constant: cut off where negative).
 * @param pads [low, high] for every axis
 * @throws ShapeError when a reflection is longer than the axis, or an edge is missing
 */
export function pad(x: Tensor, pads: readonly (readonly [number, number])[], options: PadOptions = {}): Tensor {
  requireTensor('pad', x)
  const { mode = 'constant', value = 0 } = checkOptions('pad', options, ['mode', 'value'])
  requireList('pad', 'pads', pads, 'x.pad([[1, 1], [0, 0]]), [low, high] for each axis')
  requireChoice('pad', 'mode', mode, ['constant', 'reflect', 'edge'])
  const got = `${show(x)} and pads ${JSON.stringify(pads)}`
  if (pads.length !== x.rank || !pads.every((p) => Array.isArray(p) && p.length === 2 && p.every(Number.isInteger)))
    throw shapeError('pad', `pads must be [low, high] for each of the ${x.rank} axes`, got, 'complete pads')
  if (mode === 'constant') {
    requireElement('pad', value, x.dtype)
    if (x.shape.some((n, k) => n + pads[k][0] + pads[k][1] < 0))
      throw shapeError('pad', 'negative pads may cut at most the axis', got, 'change pads')
    return padWith(
      x,
      pads.map((p) => p[0]),
      pads.map((p) => p[1]),
      x.shape.map(() => 0),
      value,
    )
  }
  const longest = (n: number): number => (mode === 'reflect' ? n - 1 : n === 0 ? 0 : Infinity)
  if (pads.some((p, k) => p.some((n) => n < 0 || (n > 0 && n > longest(x.shape[k])))))
    throw shapeError(
      'pad',
      `pads of mode ${mode} must be at least 0 and fit the axis`,
      got,
      "pad less or use mode 'constant'",
    )
  return pads.reduce((padded, [low, high], axis) => extendAxis(padded, axis, low, high, mode), x)
}

function extendAxis(x: Tensor, axis: number, low: number, high: number, mode: 'reflect' | 'edge'): Tensor {
  const extent = x.shape[axis]
  const side = (count: number, edge: number, first: number): Tensor[] => {
    if (count === 0) return []
    if (mode === 'reflect') return [sliceAxis(x, axis, first, count, -1)]
    return [
      broadcast(
        sliceAxis(x, axis, edge, 1),
        x.shape.map((n, k) => (k === axis ? count : n)),
      ),
    ]
  }
  return concatOf([...side(low, 0, low), x, ...side(high, extent - 1, extent - 2)], axis)
}

const AXIS = ['axis'] as const

function requireParts(op: string, tensors: readonly Tensor[]): void {
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw argumentError(op, 'there must be at least one tensor in a list', show(tensors), 'give a list of tensors')
  requireTensor(op, ...(tensors as readonly Tensor[]))
  requireSameDType(op, ...(tensors as readonly Tensor[]))
}

/** Tensors joined along an axis. @throws ShapeError when ranks or the other sizes differ */
export function concat(tensors: readonly Tensor[], options: { axis?: number } = {}): Tensor {
  requireParts('concat', tensors)
  const { axis = 0 } = checkOptions('concat', options, AXIS)
  const at = normalizeAxis('concat', axis, tensors[0].shape)
  for (const x of tensors)
    if (x.rank !== tensors[0].rank || x.shape.some((n, k) => k !== at && n !== tensors[0].shape[k]))
      throw shapeError(
        'concat',
        `ranks and all sizes but that of axis ${at} must be equal`,
        showAll(tensors),
        'reshape or slice them',
      )
  return concatOf(tensors, at)
}

/** Tensors of one shape along a new axis. @param options `axis`: its position in the result */
export function stack(tensors: readonly Tensor[], options: { axis?: number } = {}): Tensor {
  requireParts('stack', tensors)
  const { axis = 0 } = checkOptions('stack', options, AXIS)
  for (const x of tensors)
    if (!sameShape(x.shape, tensors[0].shape))
      throw shapeError('stack', 'shapes must be equal', showAll(tensors), 'broadcast or pad them')
  const at = normalizeAxis('stack', axis, tensors[0].shape, 1)
  const [first] = tensors
  const expanded = [...first.shape.slice(0, at), 1, ...first.shape.slice(at)]
  return concatOf(
    tensors.map((x) => reshapeTo(x, expanded)),
    at,
  )
}

/** Consecutive parts of an axis. @throws ShapeError when sizes do not add up to it */
export function split(x: Tensor, sizes: readonly number[], options: { axis?: number } = {}): Tensor[] {
  requireTensor('split', x)
  const { axis = 0 } = checkOptions('split', options, AXIS)
  requireList('split', 'sizes', sizes, 'x.split([2, 2]), the size of every part')
  const at = normalizeAxis('split', axis, x.shape)
  const total = sizes.reduce((sum, n) => sum + n, 0)
  if (!sizes.every((n) => Number.isInteger(n) && n >= 0) || total !== x.shape[at])
    throw shapeError(
      'split',
      `sizes must add up to axis ${at}`,
      `${show(x)} and sizes [${sizes.join(', ')}]`,
      'change the sizes',
    )
  let start = 0
  return sizes.map((count) => {
    const part = sliceAxis(x, at, start, count)
    start += count
    return part
  })
}

/** The slices of an axis, without it. */
export function unstack(x: Tensor, options: { axis?: number } = {}): Tensor[] {
  requireTensor('unstack', x)
  const { axis = 0 } = checkOptions('unstack', options, AXIS)
  const at = normalizeAxis('unstack', axis, x.shape)
  const shape = x.shape.filter((_, k) => k !== at)
  return Array.from({ length: x.shape[at] }, (_, k) => reshapeTo(sliceAxis(x, at, k, 1), shape))
}

/** x repeated as a whole, `reps` times along the last axes (numpy.tile). */
export function tile(x: Tensor, reps: readonly number[]): Tensor {
  requireTensor('tile', x)
  requireList('tile', 'reps', reps, 'x.tile([2, 1])')
  reps.forEach((n) => requireCount('tile', 'every repetition', n))
  const rank = Math.max(x.rank, reps.length)
  const shape = [...new Array<number>(rank - x.rank).fill(1), ...x.shape]
  const counts = [...new Array<number>(rank - reps.length).fill(1), ...reps]
  const apart = reshapeTo(
    x,
    shape.flatMap((n) => [1, n]),
  )
  const copied = broadcast(
    apart,
    shape.flatMap((n, k) => [counts[k], n]),
  )
  return reshapeTo(
    copied,
    shape.map((n, k) => n * counts[k]),
  )
}

/** Every element of an axis `repeats` times in place (numpy.repeat). */
export function repeat(x: Tensor, repeats: number, options: { axis: number }): Tensor {
  requireTensor('repeat', x)
  const { axis } = checkOptions('repeat', options, AXIS, AXIS)
  requireCount('repeat', 'repeats', repeats)
  return repeatAxis(x, normalizeAxis('repeat', axis, x.shape), repeats)
}

export function repeatAxis(x: Tensor, axis: number, repeats: number): Tensor {
  const before = x.shape.slice(0, axis + 1)
  const after = x.shape.slice(axis + 1)
  const copied = broadcast(reshapeTo(x, [...before, 1, ...after]), [...before, repeats, ...after])
  return reshapeTo(
    copied,
    x.shape.map((n, k) => (k === axis ? n * repeats : n)),
  )
}

/**
 * Elements shifted along axes, those that leave at one end entering at the other.
 * @param options `axes`: one per shift; null rolls the flattened tensor
 */
export function roll(x: Tensor, shifts: number | readonly number[], options: { axes?: Axes } = {}): Tensor {
  requireTensor('roll', x)
  const { axes = null } = checkOptions('roll', options, ['axes'])
  const list = typeof shifts === 'number' ? [shifts] : shifts
  requireList('roll', 'shifts', list, 'x.roll([1, 2], { axes: [0, 1] })')
  if (!list.every(Number.isInteger))
    throw argumentError('roll', 'shifts must be integers', `[${list.join(', ')}]`, 'change them')
  if (axes === null) {
    const total = list.reduce((sum, n) => sum + n, 0)
    return reshapeTo(rollAxis(reshapeTo(x, [x.size]), 0, total), x.shape)
  }
  const named = typeof axes === 'number' ? [axes] : axes
  requireList('roll', 'axes', named, 'x.roll([1, 2], { axes: [0, 1] })')
  const along = named.map((axis) => normalizeAxis('roll', axis, x.shape))
  if (along.length !== list.length)
    throw argumentError(
      'roll',
      'there must be one shift for every axis',
      `shifts [${list.join(', ')}] and axes [${along.join(', ')}]`,
      'complete them',
    )
  return along.reduce((rolled, axis, k) => rollAxis(rolled, axis, list[k]), x)
}

function rollAxis(x: Tensor, axis: number, shift: number): Tensor {
  const extent = x.shape[axis]
  const places = extent === 0 ? 0 : ((shift % extent) + extent) % extent
  if (places === 0) return x
  return concatOf([sliceAxis(x, axis, extent - places, places), sliceAxis(x, axis, 0, extent - places)], axis)
}

function triangle(op: string, x: Tensor, options: { k?: number }, lower: boolean): Tensor {
  requireTensor(op, x)
  const { k = 0 } = checkOptions(op, options, ['k'])
  if (x.rank < 2) throw shapeError(op, 'the operand must have at least 2 axes', show(x), 'reshape it')
  if (!Number.isInteger(k)) throw argumentError(op, 'k must be an integer', show(k), 'change k')
  const row = plus(coordinates(x.shape, x.rank - 2), k)
  const column = coordinates(x.shape, x.rank - 1)
  return select(lower ? compare('le', column, row) : compare('le', row, column), x, constant(0, x))
}

/** The last two axes with 0 where j > i + k. */
export function tril(x: Tensor, options: { k?: number } = {}): Tensor {
  return triangle('tril', x, options, true)
}

/** The last two axes with 0 where j < i + k. */
export function triu(x: Tensor, options: { k?: number } = {}): Tensor {
  return triangle('triu', x, options, false)
}

/** A vector as the k-th diagonal of a matrix of zeros, or the k-th diagonal of a matrix. */
export function diag(x: Tensor, options: { k?: number } = {}): Tensor {
  requireTensor('diag', x)
  const { k = 0 } = checkOptions('diag', options, ['k'])
  if (!Number.isInteger(k)) throw argumentError('diag', 'k must be an integer', show(k), 'change k')
  if (x.rank === 1) return diagonalMatrix(x, k)
  if (x.rank !== 2) throw shapeError('diag', 'the operand must have 1 or 2 axes', show(x), 'reshape it')
  const [rows, columns] = x.shape
  const count = Math.max(0, k >= 0 ? Math.min(rows, columns - k) : Math.min(rows + k, columns))
  const start = k >= 0 ? k : -k * columns
  return sliceOf(reshapeTo(x, [rows * columns]), [count === 0 ? 0 : start], [count], [columns + 1])
}

/** Neighbours on a diagonal of an n × n matrix lie n + 1 elements apart, so padding between them is the whole work. */
function diagonalMatrix(x: Tensor, k: number): Tensor {
  const extent = x.shape[0] + Math.abs(k)
  const low = k >= 0 ? k : -k * extent
  const spaced = x.shape[0] === 0 ? 0 : x.shape[0] + (x.shape[0] - 1) * extent
  const line = padWith(
    x,
    [x.shape[0] === 0 ? 0 : low],
    [extent * extent - spaced - (x.shape[0] === 0 ? 0 : low)],
    [extent],
    0,
  )
  return reshapeTo(line, [extent, extent])
}
