/** Rematerialisation: forget what a function computed inside and compute it again when its gradient is wanted. */
import type { CustomRules } from '../graph/primitive.js'
import { custom } from '../graph/primitives.js'
import { nodeClock, type Tensor } from '../graph/tensor.js'
import { flattenTree } from '../pytree.js'
import { capturedTensors } from './captured.js'
import { cloneGraph, TensorMap } from './cloneGraph.js'
import { setRecompute } from './customRules.js'
import {
  flattenResult,
  requireFunction,
  splitByTrees,
  type Arguments,
  type FlatTree,
  type TreeFunction,
} from './traced.js'

/**
 * The same function, whose inner values are not kept for the reverse pass: only its arguments, its result and what it
 * closes over are. The reverse pass traces `f` a second time, after the cotangent has come in. Values and gradients
 * keep every bit. Gradients reach tensors that `f` closes over as usual.
 *
 * @param f takes and returns trees of tensors; called twice with equal arguments it must do the same
 */
export function checkpoint<Args extends Arguments, Result>(f: TreeFunction<Args, Result>): (...args: Args) => Result {
  requireFunction('checkpoint', f)
  return (...args) => {
    const inputs = args.map((arg, k) => flattenTree(arg, `argument ${k}`))
    const own = inputs.flatMap((input) => input.leaves)
    const mark = nodeClock()
    const outputs = flattenResult('checkpoint', f(...args))
    const captured = capturedTensors(outputs.leaves, own, mark)
    const rules: CustomRules = { name: 'checkpoint', throughBody: true }
    setRecompute(rules, (operands) => runAgain(f as TreeFunction, inputs, captured, operands))
    return outputs.def.build(custom([...own, ...captured], outputs.leaves, rules)) as Result
  }
}

/** `f` on other operands: its arguments, then the tensors it closes over. */
function runAgain(
  f: TreeFunction,
  inputs: readonly FlatTree[],
  captured: readonly Tensor[],
  operands: readonly Tensor[],
): readonly Tensor[] {
  const count = operands.length - captured.length
  const args = splitByTrees(operands.slice(0, count), inputs).map((leaves, k) => inputs[k].def.build(leaves))
  const mark = nodeClock()
  const { leaves } = flattenResult('checkpoint', f(...args))
  if (captured.length === 0) return leaves
  const replace = new TensorMap<Tensor>()
  captured.forEach((tensor, k) => replace.set(tensor, operands[count + k]))
  // All nodes are copied, so that they stay in the order of the first run and contributions add up in the same order.
  return cloneGraph(leaves, replace, { mark, all: true })
}
