/** Loops with a carry. */
import { ArgumentError, DTypeError, ShapeError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import { checkOptions } from '../ops/options.js'
import { runtimeCount } from '../ops/runtimeCount.js'
import { flattenTree } from '../pytree.js'
import { sameShape, showShape } from '../shape.js'
import { makeScan, sliceSpec, specOf, traceScanBody } from './scanGraph.js'
import { runTrace } from './trace.js'
import { flattenResult, requireFunction, type FlatTree } from './traced.js'

/** Options of `scan`. */
export interface ScanOptions {
  /** Number of trips; needed when `xs` is null, otherwise the leading size of `xs`. */
  readonly length?: number
  /** From the last slice to the first; stacked results keep their places. */
  readonly reverse?: boolean
  /**
   * How many of the trips are made, from the first slice on: a number or an integer rank-0 tensor known at run time, clamped to
   * 0 … length. Slices past it are not read, and those of the stacked results are zero. Default all.
   */
  readonly trips?: Tensor | number | null
}

/**
 * Runs `f` once for every slice of `xs` along the leading axis, handing a carry on; one loop step in the program.
 *
 * @param f `(carry, x) => [carry, y]`; the carry keeps its structure, shapes and dtypes; y is any tree or null
 * @param init the first carry, a tree of tensors
 * @param xs a tree of tensors with one leading size, or null for `length` trips without input
 * @returns `[last carry, ys]`, each y stacked along a new leading axis
 * @throws ArgumentError, ShapeError, DTypeError when the carry changes, `xs` disagree, `length` is missing or `trips` is no count
 */
export function scan<Carry, X, Y>(
  f: (carry: Carry, x: X) => readonly [Carry, Y],
  init: Carry,
  xs: X,
  options: ScanOptions = {},
): [Carry, Y] {
  requireFunction('scan', f)
  checkOptions('scan', options, ['length', 'reverse', 'trips'])
  const carry = flattenTree(init, 'init')
  if (carry.leaves.length === 0)
    throw new ArgumentError('scan: init must hold at least one tensor; use vmap for loops without a carry')
  const input = flattenTree(xs, 'xs')
  const trips = tripCount(input, options.length)
  const bound =
    options.trips === undefined || options.trips === null ? [] : [runtimeCount('scan', 'trips', options.trips)]
  let stacked: FlatTree | undefined
  const body = runTrace(() =>
    traceScanBody(
      { constants: bound.map(specOf), carries: carry.leaves.map(specOf), slices: input.leaves.map(sliceSpec) },
      (_, carries, slices) => {
        const result: unknown = f(carry.def.build(carries) as Carry, input.def.build(slices) as X)
        const [next, y] = checkedPair(result)
        stacked = flattenTree(y, 'y')
        return [...checkedCarry(next, carry), ...stacked.leaves]
      },
    ),
  )
  const outputs = makeScan(
    body,
    { constants: bound, carries: carry.leaves, slices: input.leaves },
    { trips, reverse: options.reverse ?? false, bounded: bound.length > 0 },
  )
  const count = carry.leaves.length
  return [carry.def.build(outputs.slice(0, count)) as Carry, (stacked as FlatTree).def.build(outputs.slice(count)) as Y]
}

function tripCount(input: FlatTree, length: number | undefined): number {
  if (length !== undefined && (!Number.isInteger(length) || length < 0))
    throw new ArgumentError(`scan: length must be a whole number, got ${length}; change length`)
  let trips = length
  input.leaves.forEach((leaf, k) => {
    if (leaf.rank === 0)
      throw new ShapeError(`scan: ${input.def.paths[k]} must have a leading axis to loop over, got shape []`)
    trips ??= leaf.shape[0]
    if (leaf.shape[0] !== trips)
      throw new ShapeError(
        `scan: all of xs must have the leading size ${trips}, got ${showShape(leaf.shape)} at ${input.def.paths[k]}`,
      )
  })
  if (trips === undefined)
    throw new ArgumentError('scan: the number of trips must be known, got xs without tensors; give length')
  return trips
}

function checkedPair(result: unknown): readonly [unknown, unknown] {
  if (Array.isArray(result) && result.length === 2) return result as unknown as readonly [unknown, unknown]
  flattenResult('scan', result)
  throw new ArgumentError('scan: the function must return [carry, y]; give null for a missing y')
}

function checkedCarry(next: unknown, carry: FlatTree): Tensor[] {
  const flat = flattenTree(next, 'carry')
  if (flat.def.key !== carry.def.key)
    throw new ArgumentError(
      `scan: the carry must keep its structure, got ${flat.leaves.length} tensors (${flat.def.paths.join(', ')}) for ${carry.leaves.length} (${carry.def.paths.join(', ')})`,
    )
  flat.leaves.forEach((leaf, k) => {
    const want = carry.leaves[k]
    if (!sameShape(leaf.shape, want.shape))
      throw new ShapeError(
        `scan: the carry must keep its shapes, got ${showShape(leaf.shape)} for ${showShape(want.shape)} at ${flat.def.paths[k]}`,
      )
    if (leaf.dtype !== want.dtype)
      throw new DTypeError(
        `scan: the carry must keep its dtypes, got ${leaf.dtype} for ${want.dtype} at ${flat.def.paths[k]}; cast it`,
      )
  })
  return flat.leaves
}
