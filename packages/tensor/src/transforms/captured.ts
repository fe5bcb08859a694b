/** Which tensors a traced function reached through its closure. */
import type { Node, Tensor } from '../graph/tensor.js'
import { nodesBelow, TensorMap } from './cloneGraph.js'
import { carriesDerivatives } from './tape.js'
import { isActiveTrace, oldestTraceMark, reaches } from './trace.js'

/**
 * Lazy tensors made before `mark` that outputs depend on and that are no operands. Tensors with values are left out:
 * they are constants of the function.
 */
export function capturedTensors(outputs: readonly Tensor[], operands: readonly Tensor[], mark: number): Tensor[] {
  const seen = new TensorMap<true>()
  for (const operand of operands) seen.set(operand, true)
  const captured: Tensor[] = []
  const visit = (tensor: Tensor): void => {
    if (tensor.node === null || tensor.node.id >= mark || seen.has(tensor)) return
    seen.set(tensor, true)
    captured.push(tensor)
  }
  outputs.forEach(visit)
  for (const node of nodesBelow(outputs, new TensorMap(), mark)) node.inputs.forEach(visit)
  return captured
}

/** Whether derivatives with respect to an argument of a running transform flow through a tensor. */
export function isDifferentiated(tensor: Tensor): boolean {
  const isSeed = (node: Node): boolean =>
    node.op === 'alias' && isActiveTrace((node as unknown as Node<'alias'>).attrs.trace)
  return reaches(tensor, oldestTraceMark(), carriesDerivatives, isSeed)
}
