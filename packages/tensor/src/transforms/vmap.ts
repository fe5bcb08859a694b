/** Mapping a function over an axis of its arguments. */
import { ArgumentError, ShapeError } from '../errors.js'
import { placeholder } from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { show } from '../ops/check.js'
import { checkOptions } from '../ops/options.js'
import { flattenTree } from '../pytree.js'
import { normalizeAxis, showShape } from '../shape.js'
import { batchGraph } from './batchPass.js'
import { lead, moveAxis } from './batching/lead.js'
import { runTrace } from './trace.js'
import { flattenResult, requireFunction, type Arguments, type FlatTree, type TreeFunction } from './traced.js'

/** An axis for every tensor of an argument, null for arguments that are not mapped, or a tree of them that mirrors the argument. */
export type Axes = number | null | readonly Axes[] | { readonly [name: string]: Axes }

/** Options of `vmap`. */
export interface VmapOptions {
  /** One entry for every argument, or one for all; default 0. */
  readonly inAxes?: number | null | readonly Axes[]
  /** Where the mapped axis goes in the result: one axis for all tensors, or a tree that mirrors the result; default 0. */
  readonly outAxes?: Axes
}

/**
 * A function that applies `f` to every slice along the mapped axes and stacks the results, as one graph of batched operations.
 *
 * @param f written for single examples; tensors it closes over are shared
 * @throws ArgumentError when nothing is mapped or `inAxes` does not fit the arguments; ShapeError when mapped sizes differ
 *   or an axis is out of range
 */
export function vmap<Args extends Arguments, Result>(
  f: TreeFunction<Args, Result>,
  options: VmapOptions = {},
): (...args: Args) => Result {
  requireFunction('vmap', f)
  const { inAxes = 0, outAxes = 0 } = checkOptions('vmap', options, ['inAxes', 'outAxes'])
  return (...args) => {
    const inputs = args.map((arg, k) => flattenTree(arg, `argument ${k}`))
    const axes = inputs.map((input, k) => argumentAxes(input, args[k], inAxes, k, args.length))
    const size = mappedSize(inputs, axes)
    const seeds: Tensor[] = []
    const operands: Tensor[] = []
    const outputs = runTrace(() => {
      const inner = inputs.map((input, k) =>
        input.def.build(
          input.leaves.map((leaf, l) => {
            const axis = axes[k][l]
            if (axis === null) return leaf
            const seed = placeholder(
              leaf.shape.filter((_, d) => d !== axis),
              leaf.dtype,
            )
            seeds.push(seed)
            operands.push(moveAxis(leaf, axis, 0))
            return seed
          }),
        ),
      )
      return flattenResult('vmap', (f as TreeFunction)(...inner))
    })
    const mapped = batchGraph(outputs.leaves, seeds, operands, size).map((result) => lead(result, size))
    return outputs.def.build(placed(mapped, outputs, outAxes)) as Result
  }
}

/** The mapped axis of every leaf of one argument, counted from the front. */
function argumentAxes(
  input: FlatTree,
  arg: unknown,
  inAxes: VmapOptions['inAxes'],
  position: number,
  count: number,
): (number | null)[] {
  if (Array.isArray(inAxes) && inAxes.length !== count)
    throw new ArgumentError(`vmap: inAxes must have one entry for every argument, got ${inAxes.length} for ${count}`)
  const entry = (Array.isArray(inAxes) ? inAxes[position] : (inAxes ?? null)) as Axes
  return spreadAxes('inAxes', entry, arg, input.def.paths).map((axis, k) => {
    if (axis === null) return null
    if (input.leaves[k].rank === 0)
      throw new ShapeError(
        `vmap: a mapped tensor must have an axis to map over, got shape [] at ${input.def.paths[k]}; give null for it in inAxes`,
      )
    return normalizeAxis(`vmap: ${input.def.paths[k]}`, axis, input.leaves[k].shape)
  })
}

/** One axis for every leaf: numbers and null stand for whole subtrees. */
function spreadAxes(name: string, axes: Axes, tree: unknown, paths: readonly string[]): (number | null)[] {
  const result: (number | null)[] = []
  const visit = (entry: Axes | undefined, part: unknown): void => {
    if (entry === null || typeof entry === 'number') {
      result.push(...flattenTree(part).leaves.map(() => entry))
      return
    }
    const fits = part !== null && typeof part === 'object' && !(part instanceof Tensor) && entry !== undefined
    if (!fits || Array.isArray(entry) !== Array.isArray(part))
      throw new ArgumentError(
        `vmap: ${name} must mirror the tree it is for (an axis, null, or the same arrays and objects), got ${entry === undefined ? 'nothing' : show(entry)} at ${paths[result.length] ?? 'the end'}`,
      )
    for (const key of Object.keys(part))
      visit((entry as Record<string, Axes>)[key], (part as Record<string, unknown>)[key])
  }
  visit(axes, tree)
  return result
}

function mappedSize(inputs: readonly FlatTree[], axes: readonly (readonly (number | null)[])[]): number {
  let size: number | undefined
  let first = ''
  inputs.forEach((input, k) =>
    input.leaves.forEach((leaf, l) => {
      const axis = axes[k][l]
      if (axis === null) return
      const where = `${input.def.paths[l]} ${showShape(leaf.shape)} axis ${axis}`
      if (size !== undefined && leaf.shape[axis] !== size)
        throw new ShapeError(
          `vmap: mapped axes must have one size, got ${size} (${first}) and ${leaf.shape[axis]} (${where})`,
        )
      size ??= leaf.shape[axis]
      first ||= where
    }),
  )
  if (size === undefined)
    throw new ArgumentError(
      'vmap: at least one argument must be mapped, got inAxes null for all; call the function itself',
    )
  return size
}

function placed(mapped: readonly Tensor[], outputs: FlatTree, outAxes: Axes): Tensor[] {
  const axes = spreadAxes('outAxes', outAxes, outputs.def.build(outputs.leaves), outputs.def.paths)
  return mapped.map((tensor, k) => {
    const axis = axes[k]
    if (axis === null)
      throw new ArgumentError(
        `vmap: outAxes must be axes, got null at ${outputs.def.paths[k]}; reduce over the mapped axis outside instead`,
      )
    return moveAxis(tensor, 0, normalizeAxis('vmap: outAxes', axis, tensor.shape))
  })
}
