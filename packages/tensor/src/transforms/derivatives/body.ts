/** Derivatives of routines through their bodies of primitives. */
import { InternalError } from '../../errors.js'
import type { PrimitiveName } from '../../graph/primitive.js'
import { aliasOf } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { primitiveBodies } from '../../ops/bodies.js'
import type { Application, DerivativePasses, Maybe } from '../rules.js'
import { NO_TRACE } from '../trace.js'

/** The outputs of a routine in terms of primitives. */
export function expandBody(op: PrimitiveName, inputs: readonly Tensor[], attrs: unknown): readonly Tensor[] {
  const body = primitiveBodies[op]
  if (body === undefined) throw new InternalError(`transforms: ${op} has no body of primitives`)
  return body(inputs, attrs as never)
}

/** The body on aliases of the inputs that derivatives flow through. */
function seeded<Op extends PrimitiveName>({
  node,
  inputs,
  needs,
  attrs,
}: Application<Op>): { outputs: readonly Tensor[]; seeds: Tensor[] } {
  const operands = inputs.map((x, k) => (needs[k] ? aliasOf(x, NO_TRACE) : x))
  return { outputs: expandBody(node.op, operands, attrs), seeds: operands.filter((_, k) => needs[k]) }
}

export function bodyVjp<Op extends PrimitiveName>(
  a: Application<Op>,
  cotangents: readonly Maybe[],
  passes: DerivativePasses,
): Maybe[] {
  const { outputs, seeds } = seeded(a)
  const gradients = passes.reverse(outputs, seeds, cotangents)
  let next = 0
  return a.needs.map((needed) => (needed ? gradients[next++] : null))
}

export function bodyJvp<Op extends PrimitiveName>(
  a: Application<Op>,
  tangents: readonly Maybe[],
  passes: DerivativePasses,
): Maybe[] {
  const { outputs, seeds } = seeded(a)
  return passes.forward(
    outputs,
    seeds,
    tangents.filter((_, k) => a.needs[k]),
  )
}
