/** Forward mode: tangents of inputs to tangents of outputs. */
import { ArgumentError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import { zeros } from './arithmetic.js'
import { pushForward } from './passes.js'
import {
  matchLeaves,
  requireArguments,
  requireFunction,
  traceCall,
  type Arguments,
  type TracedCall,
  type TreeFunction,
} from './traced.js'

/**
 * Runs `f` and pushes tangents of the primals forward.
 *
 * @param f takes and returns trees of tensors
 * @param primals the arguments, trees whose tensors are all floats
 * @param tangents a tree of equal shapes and dtypes for every primal
 * @returns `[result, tangent of the result]`; integer outputs have zero tangents
 * @throws DTypeError when a primal is not a float; ShapeError when a tangent does not fit;
 *   ArgumentError when a function made by `customVjp` without `customJvp` is met
 */
export function jvp<Args extends Arguments, Result>(
  f: TreeFunction<Args, Result>,
  primals: Args,
  tangents: Args,
): [Result, Result] {
  requireFunction('jvp', f)
  requireArguments('jvp', 'primals', primals)
  requireArguments('jvp', 'tangents', tangents)
  const call = traceCall(
    'jvp',
    f as TreeFunction,
    primals,
    primals.map((_, k) => k),
    'forward',
  )
  return [call.outputs.def.build(call.outputs.leaves) as Result, push('jvp', call, tangents) as Result]
}

/**
 * Runs `f` once and gives its result with the linear function that pushes tangents forward at this point.
 *
 * @returns `[result, pushforward]`; the pushforward takes one tangent tree for every primal
 * @throws as `jvp`
 */
export function linearize<Args extends Arguments, Result>(
  f: TreeFunction<Args, Result>,
  ...primals: Args
): [Result, (...tangents: Args) => Result] {
  requireFunction('linearize', f)
  const call = traceCall(
    'linearize',
    f as TreeFunction,
    primals,
    primals.map((_, k) => k),
    'forward',
  )
  const result = call.outputs.def.build(call.outputs.leaves) as Result
  return [result, (...tangents) => push('linearize', call, tangents) as Result]
}

function push(op: string, call: TracedCall, tangents: readonly unknown[]): unknown {
  if (tangents.length !== call.inputs.length)
    throw new ArgumentError(
      `${op}: there must be a tangent for each of ${call.inputs.length} arguments, got ${tangents.length}; give zeros where nothing moves`,
    )
  const incoming: Tensor[] = call.inputs.flatMap((input, k) => matchLeaves(op, 'tangents', tangents[k], input))
  const outgoing = pushForward(call.tape, incoming)
  return call.outputs.def.build(outgoing.map((tangent, k) => tangent ?? zeros(call.outputs.leaves[k])))
}
