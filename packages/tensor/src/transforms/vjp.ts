/** Reverse mode: cotangents of outputs to cotangents of inputs. */
import { isFloat } from '../dtype.js'
import type { Tensor } from '../graph/tensor.js'
import { flattenTree } from '../pytree.js'
import { zeros } from './arithmetic.js'
import { pullBack } from './passes.js'
import {
  matchLeaves,
  requireFunction,
  splitByTrees,
  traceCall,
  type Arguments,
  type FlatTree,
  type TreeFunction,
} from './traced.js'

/**
 * Runs `f` and gives its result with a function that pulls cotangents of the result back to cotangents of the primals.
 *
 * The pullback may be called any number of times, and differentiated itself. Tensors that `f` closes over are constants.
 * @param f takes and returns trees of tensors
 * @param primals trees whose tensors are all floats
 * @returns `[result, pullback]`; the pullback gives one tree for every primal
 * @throws DTypeError when a primal is not a float; ArgumentError when the function returns no tensor;
 *   ShapeError when a cotangent does not fit
 */
export function vjp<Args extends Arguments, Result>(
  f: TreeFunction<Args, Result>,
  ...primals: Args
): [Result, (cotangents: Result) => Args] {
  requireFunction('vjp', f)
  const call = traceCall(
    'vjp',
    f as TreeFunction,
    primals,
    primals.map((_, k) => k),
    'reverse',
  )
  const pullback = (cotangents: Result): Args => {
    const gradients = pullBack(call.tape, cotangentLeaves(cotangents, call.outputs))
    const filled = gradients.map((gradient, k) => gradient ?? zeros(call.seeds[k]))
    return splitByTrees(filled, call.inputs).map((leaves, k) => call.inputs[k].def.build(leaves)) as Args
  }
  return [call.outputs.def.build(call.outputs.leaves) as Result, pullback]
}

/** Integer and bool outputs have no cotangent: it may be left out or is ignored. */
function cotangentLeaves(cotangents: unknown, outputs: FlatTree): (Tensor | null)[] {
  const floats = outputs.leaves.flatMap((leaf, k) => (isFloat(leaf.dtype) ? [k] : []))
  const onlyFloats: FlatTree = {
    leaves: floats.map((k) => outputs.leaves[k]),
    def: { ...outputs.def, paths: floats.map((k) => outputs.def.paths[k]) },
  }
  const given = flattenTree(cotangents).leaves
  const chosen = given.length === outputs.leaves.length ? floats.map((k) => given[k]) : cotangents
  const matched = matchLeaves('vjp', 'cotangents', chosen, onlyFloats)
  return outputs.leaves.map((_, k) => (floats.includes(k) ? matched[floats.indexOf(k)] : null))
}
