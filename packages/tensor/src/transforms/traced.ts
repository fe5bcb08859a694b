/** Calling a user's function on stand-ins of its arguments. */
import { isFloat } from '../dtype.js'
import { ArgumentError, DTypeError, ShapeError } from '../errors.js'
import { aliasOf } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { show } from '../ops/check.js'
import { flattenTree, type Tree, type TreeDef } from '../pytree.js'
import { sameShape, showShape } from '../shape.js'
import { prepareReverse } from './passes.js'
import { recordTape, type Tape, type TapeMode } from './tape.js'
import { runTrace } from './trace.js'

/** A list of arguments. `any` so that parameters of lambdas without types are usable. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Arguments = any[]

/** A function whose arguments and result are trees of tensors. */
export type TreeFunction<Args extends Arguments = Arguments, Result = unknown> = (...args: Args) => Result

/**
 * Checked when a transform is made, not when its result is called: there the mistake is far away.
 * @throws ArgumentError for anything but a function
 */
export function requireFunction(op: string, f: unknown, name = 'the first argument'): void {
  if (typeof f !== 'function')
    throw new ArgumentError(
      `${op}: ${name} must be a function of tensors, got ${show(f)}; write it as in ${op}((x) => x.square().sum()${name === 'the first argument' ? '' : ', …'})`,
    )
}

/** @throws ArgumentError unless the arguments of the function are given as one list */
export function requireArguments(op: string, name: string, list: unknown): void {
  if (!Array.isArray(list))
    throw new ArgumentError(
      `${op}: ${name} must be a list with an entry for every argument of the function, got ${show(list)}; write it as in [x]`,
    )
}

export interface FlatTree {
  readonly leaves: Tensor[]
  readonly def: TreeDef
}

/**
 * Takes the result of a traced function apart.
 * @throws ArgumentError when it is a promise, or holds something that is no part of a tree, or no tensor
 */
export function flattenResult(op: string, result: unknown): FlatTree {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function')
    throw new ArgumentError(
      `${op}: the function must return at once, got a promise; transforms trace synchronous functions, await outside`,
    )
  const flat = flattenTree(result)
  if (flat.leaves.length === 0)
    throw new ArgumentError(
      `${op}: the function must return a tensor or a tree with tensors, got ${describe(result)}; return what it computes`,
    )
  return flat
}

/** What a value that should have been a tensor is, for messages. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === 'object' ? 'an object without tensors' : `the ${typeof value} ${String(value)}`
}

/**
 * Leaves of arguments that are to be differentiated.
 * @throws DTypeError when one is not a float
 * @throws ArgumentError when there are none
 */
export function floatLeaves(op: string, tree: Tree, position: number): FlatTree {
  const flat = flattenTree(tree, `argument ${position}`)
  if (flat.leaves.length === 0)
    throw new ArgumentError(
      `${op}: argument ${position} must be a tensor or a tree with tensors, got ${describe(tree)}; wrap it, as in scalar(3), or choose another with argnums`,
    )
  flat.leaves.forEach((leaf, k) => {
    if (!isFloat(leaf.dtype))
      throw new DTypeError(
        `${op}: only floats have derivatives, got ${leaf.dtype} ${showShape(leaf.shape)} at ${flat.def.paths[k]}; pass it in an argument that is not differentiated, or close over it`,
      )
  })
  return flat
}

/** A function that was run on aliases of some of its arguments. */
export interface TracedCall {
  /** The chosen arguments, taken apart. */
  readonly inputs: readonly FlatTree[]
  readonly seeds: readonly Tensor[]
  readonly outputs: FlatTree
  readonly tape: Tape
}

/**
 * Runs `f` with the arguments in `argnums` replaced by aliases and records how its outputs depend on them.
 * @throws ArgumentError, DTypeError as `floatLeaves` and `flattenResult`
 */
export function traceCall(
  op: string,
  f: TreeFunction,
  args: readonly unknown[],
  argnums: readonly number[],
  mode: TapeMode,
): TracedCall {
  const inputs = argnums.map((position) => {
    if (!Number.isInteger(position) || position < 0 || position >= args.length)
      throw new ArgumentError(
        `${op}: argnums must name arguments, got ${show(position)} for a call with ${args.length}; positions count from 0`,
      )
    return floatLeaves(op, args[position], position)
  })
  return runTrace((trace) => {
    const aliases = inputs.map((input) => input.leaves.map((leaf) => aliasOf(leaf, trace)))
    const replaced = [...args]
    argnums.forEach((position, k) => {
      replaced[position] = inputs[k].def.build(aliases[k])
    })
    const { leaves, def } = flattenResult(op, f(...replaced))
    const seeds = aliases.flat()
    const outputs = { leaves: mode === 'reverse' ? [...prepareReverse(leaves, seeds)] : leaves, def }
    return { inputs, seeds, outputs, tape: recordTape(outputs.leaves, seeds, mode) }
  })
}

/**
 * Checks that a tree has a tensor of the right shape and dtype for every leaf, and returns them.
 * @throws ArgumentError, ShapeError, DTypeError naming the leaf
 */
export function matchLeaves(op: string, what: string, tree: Tree, like: FlatTree): Tensor[] {
  const { leaves } = flattenTree(tree, what)
  if (leaves.length !== like.leaves.length)
    throw new ArgumentError(
      `${op}: ${what} must have one tensor for each of ${like.leaves.length}, got ${leaves.length}; give a tree like the argument`,
    )
  leaves.forEach((leaf, k) => {
    const want = like.leaves[k]
    const where = `${what} at ${like.def.paths[k]}`
    if (!sameShape(leaf.shape, want.shape))
      throw new ShapeError(`${op}: ${where} must have shape ${showShape(want.shape)}, got ${showShape(leaf.shape)}`)
    if (leaf.dtype !== want.dtype)
      throw new DTypeError(`${op}: ${where} must be ${want.dtype}, got ${leaf.dtype}; cast it`)
  })
  return leaves
}

/** Splits a flat list into one list for every tree. */
export function splitByTrees<T>(list: readonly T[], trees: readonly FlatTree[]): T[][] {
  let done = 0
  return trees.map((tree) => list.slice(done, (done += tree.leaves.length)))
}
