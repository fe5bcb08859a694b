/** Functions with a derivative of the user's own. */
import { ArgumentError } from '../errors.js'
import { custom } from '../graph/primitives.js'
import { nodeClock, type Tensor } from '../graph/tensor.js'
import type { CustomRules } from '../graph/primitive.js'
import { show } from '../ops/check.js'
import { flattenTree } from '../pytree.js'
import { isFloat } from '../dtype.js'
import { checkOptions } from '../ops/options.js'
import { showShape } from '../shape.js'
import { capturedTensors, isDifferentiated } from './captured.js'
import {
  flattenResult,
  requireFunction,
  splitByTrees,
  type Arguments,
  type FlatTree,
  type TreeFunction,
} from './traced.js'

/** Options of `customVjp`. */
export interface CustomVjpOptions<Args extends Arguments, Result> {
  /** Tangents of the arguments, the arguments and the result -> tangent of the result. */
  readonly customJvp?: (tangents: Args, args: Args, result: Result) => Result
  /** For messages; default the function's name. */
  readonly name?: string
}

/** Cotangents as a backward function may give them: null where an argument gets none. */
export type Cotangents<Args extends Arguments> = { [K in keyof Args]: Args[K] | null }

/**
 * A function that computes what `f` does and is differentiated by `backward`.
 *
 * `backward` is an ordinary differentiable function of tensors, so second derivatives follow from it. A direct `jvp` needs
 * `customJvp`; forward over reverse goes through the body of `f`.
 * @param backward cotangent of the result, the arguments and the result -> a cotangent tree (or null) for every argument
 * @throws ArgumentError when `f` closes over a tensor that is being differentiated: make it an argument
 */
export function customVjp<Args extends Arguments, Result>(
  f: TreeFunction<Args, Result>,
  backward: (cotangent: Result, args: Args, result: Result) => Cotangents<Args>,
  options: CustomVjpOptions<Args, Result> = {},
): (...args: Args) => Result {
  requireFunction('customVjp', f)
  requireFunction('customVjp', backward, 'the second argument')
  const { customJvp } = checkOptions('customVjp', options, ['customJvp', 'name'])
  if (customJvp !== undefined) requireFunction('customVjp', customJvp, 'customJvp')
  const name = options.name ?? (f.name === '' ? 'customVjp' : f.name)
  return (...args) => {
    const inputs = args.map((arg, k) => flattenTree(arg, `argument ${k}`))
    const operands = inputs.flatMap((input) => input.leaves)
    const mark = nodeClock()
    const outputs = flattenResult(name, f(...args))
    refuseLostGradients(name, outputs.leaves, operands, mark)
    const rules = rulesOf(name, inputs, outputs, backward, customJvp)
    return outputs.def.build(custom(operands, outputs.leaves, rules)) as Result
  }
}

function refuseLostGradients(
  name: string,
  outputs: readonly Tensor[],
  operands: readonly Tensor[],
  mark: number,
): void {
  for (const tensor of capturedTensors(outputs, operands, mark))
    if (isDifferentiated(tensor))
      throw new ArgumentError(
        `${name}: a function with a custom derivative must get what is differentiated as arguments, got a tensor of shape ${showShape(tensor.shape)} through its closure, whose gradient would be lost; pass it as an argument, or close over stopGradient of it`,
      )
}

function rulesOf<Args extends Arguments, Result>(
  name: string,
  inputs: readonly FlatTree[],
  outputs: FlatTree,
  backward: (cotangent: Result, args: Args, result: Result) => Cotangents<Args>,
  customJvp: CustomVjpOptions<Args, Result>['customJvp'],
): CustomRules {
  const argsOf = (leaves: readonly Tensor[]): Args =>
    splitByTrees(leaves, inputs).map((own, k) => inputs[k].def.build(own)) as Args
  const resultOf = (leaves: readonly Tensor[]): Result => outputs.def.build(leaves) as Result
  return {
    name,
    throughBody: false,
    vjp: (cotangents, operands, results) => {
      const given: unknown = backward(resultOf(cotangents), argsOf(operands), resultOf(results))
      return cotangentLeaves(name, given, inputs)
    },
    jvp:
      customJvp === undefined
        ? undefined
        : (tangents, operands, results) =>
            flattenTree(customJvp(argsOf(tangents), argsOf(operands), resultOf(results))).leaves,
  }
}

/** One tensor or null for every leaf of every argument. */
function cotangentLeaves(name: string, given: unknown, inputs: readonly FlatTree[]): (Tensor | null)[] {
  if (!Array.isArray(given) || given.length !== inputs.length)
    throw new ArgumentError(
      `${name}: backward must return an array with a cotangent (or null) for each of ${inputs.length} arguments, got ${show(given)}; write it as in [cotangent.mul(2)]`,
    )
  return inputs.flatMap((input, k) => {
    if (given[k] === null || given[k] === undefined) return input.leaves.map(() => null)
    const { leaves } = flattenTree(given[k])
    const floats = input.leaves.filter((leaf) => isFloat(leaf.dtype)).length
    if (leaves.length === input.leaves.length) return leaves
    if (leaves.length !== floats)
      throw new ArgumentError(
        `${name}: backward must return a tree like argument ${k} with ${input.leaves.length} tensors, got ${leaves.length}`,
      )
    let next = 0
    return input.leaves.map((leaf) => (isFloat(leaf.dtype) ? leaves[next++] : null))
  })
}
