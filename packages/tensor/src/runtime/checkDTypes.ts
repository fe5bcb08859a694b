/** Whether a backend has the dtypes of a graph. */
import { collectNodes } from '../compiler/value.js'
import { DTYPES } from '../dtype.js'
import { DTypeError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import type { Backend } from '../program/backend.js'
import { showShape } from '../shape.js'

/** @throws DTypeError that names the operator, its call site where it is known, and the dtypes that the backend has */
export function checkDTypes(outputs: readonly Tensor[], backend: Backend): void {
  const { dtypes } = backend.capabilities
  if (dtypes.length === DTYPES.length) return
  for (const node of collectNodes(outputs))
    for (const { dtype, shape } of [...node.inputs, ...node.outputs])
      if (!dtypes.includes(dtype))
        throw new DTypeError(
          `${node.op}: backend "${backend.name}" has the dtypes ${dtypes.join(', ')}, got ${dtype}${showShape(shape)}${node.site === undefined ? '' : ` at ${node.site}`}; cast it first`,
        )
}
