/** The forward pass over a tape: tangents of seeds -> tangents of outputs. */
import type { PrimitiveName } from '../graph/primitive.js'
import { withSite } from '../graph/tensor.js'
import { InternalError } from '../errors.js'
import { sameShape } from '../shape.js'
import { applicationOf } from './application.js'
import { jvpRules } from './jvpRules.js'
import type { DerivativePasses, JvpRule, Maybe } from './rules.js'
import type { Tape, TapeEntry } from './tape.js'

/**
 * Tangents of the outputs of a tape; null where they are zero.
 * @param passes handed on to rules that differentiate bodies
 */
export function forwardPass(tape: Tape, tangents: readonly Maybe[], passes: DerivativePasses): Maybe[] {
  const known = new Map<TapeEntry, readonly Maybe[]>(tape.seeds.map((seed, k) => [seed, [tangents[k]]]))
  for (const entry of tape.entries) {
    const { node, sources } = entry
    const incoming = sources.map((source, k) =>
      source === null ? null : (known.get(source)?.[node.inputs[k].output] ?? null),
    )
    if (incoming.every((tangent) => tangent === null)) continue
    const rule = jvpRules[node.op] as JvpRule<PrimitiveName>
    known.set(
      entry,
      withSite(node.site, () => checkedTangents(entry, rule(applicationOf(entry), incoming, passes))),
    )
  }
  return tape.outputs.map((place) => (place === null ? null : (known.get(place.entry)?.[place.output] ?? null)))
}

function checkedTangents({ node }: TapeEntry, tangents: readonly Maybe[]): readonly Maybe[] {
  tangents.forEach((tangent, k) => {
    if (
      tangent !== null &&
      !(sameShape(tangent.shape, node.outputs[k].shape) && tangent.dtype === node.outputs[k].dtype)
    )
      throw new InternalError(
        `jvp: ${node.op} gave [${tangent.shape.join(', ')}] ${tangent.dtype} for an output [${node.outputs[k].shape.join(', ')}] ${node.outputs[k].dtype}`,
      )
  })
  return tangents
}
