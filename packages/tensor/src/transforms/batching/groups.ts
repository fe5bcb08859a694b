/** Products whose groups are known at run time under vmap: a loop over the examples, so that the work of each follows its own groups. */
import type { PrimitiveName } from '../../graph/primitive.js'
import { createNode } from '../../graph/tensor.js'
import type { BatchRule } from '../rules.js'
import { makeScan, sliceSpec, specOf, traceScanBody } from '../scanGraph.js'
import { mapped } from './lead.js'

/** One trip an example; what is shared is read by every trip. */
export const batchedGroups: BatchRule<PrimitiveName> = (node, operands, size) => {
  const shared = operands.filter((operand) => !operand.batched).map((operand) => operand.tensor)
  const own = operands.filter((operand) => operand.batched).map((operand) => operand.tensor)
  const specs = { constants: shared.map(specOf), carries: [], slices: own.map(sliceSpec) }
  const body = traceScanBody(specs, (constants, _, slices) => {
    let [constant, slice] = [0, 0]
    const inputs = operands.map((operand) => (operand.batched ? slices[slice++] : constants[constant++]))
    return createNode(node.op, inputs, node.attrs, node.outputs)
  })
  const trips = { trips: size, reverse: false, bounded: false }
  return makeScan(body, { constants: shared, carries: [], slices: own }, trips).map(mapped)
}
