/** Rebuilding a graph with a mapped axis. */
import type { PrimitiveName } from '../graph/primitive.js'
import { placeholder } from '../graph/primitives.js'
import { withSite, type Tensor } from '../graph/tensor.js'
import { batchRules } from './batchRules.js'
import { elementShape } from './batching/lead.js'
import { cloneNode } from './cloneGraph.js'
import type { Batched, BatchFunction, BatchRule, Maybe } from './rules.js'
import { recordTape, type TapeEntry } from './tape.js'

/**
 * Outputs of a graph with mapped tensors (mapped axis in front) in the place of its placeholders. Nodes that depend on
 * none of them are kept.
 */
export function batchGraph(
  outputs: readonly Tensor[],
  seeds: readonly Tensor[],
  operands: readonly Tensor[],
  size: number,
): Batched[] {
  if (seeds.length === 0) return outputs.map((tensor) => ({ tensor, batched: false }))
  const tape = recordTape(outputs, seeds, 'value')
  const known = new Map<TapeEntry, readonly Batched[]>(
    tape.seeds.map((seed, k) => [seed, [{ tensor: operands[k], batched: true }]]),
  )
  for (const entry of tape.entries) {
    const { node, sources } = entry
    const inputs = node.inputs.map((input, k): Batched => {
      const source = sources[k]
      return source === null
        ? { tensor: input, batched: false }
        : (known.get(source) as readonly Batched[])[input.output]
    })
    const rule = batchRules[node.op] as BatchRule<PrimitiveName>
    // An operand may turn out unmapped although it was recorded as dependent; then nothing is to be done.
    const results = inputs.some((input) => input.batched)
      ? withSite(node.site, () => rule(node, inputs, size, batchFunction))
      : cloneNode(
          node,
          inputs.map((input) => input.tensor),
        ).map((tensor) => ({ tensor, batched: false }))
    known.set(entry, results)
  }
  return tape.outputs.map((place, k) =>
    place === null
      ? { tensor: outputs[k], batched: false }
      : (known.get(place.entry) as readonly Batched[])[place.output],
  )
}

export const batchFunction: BatchFunction = (f, operands, size) => {
  const seeds = operands.map((operand) =>
    operand.batched ? placeholder(elementShape(operand), operand.tensor.dtype) : operand.tensor,
  )
  const results = f(seeds)
  const given = <T>(list: readonly T[]): T[] => list.filter((_, k) => operands[k].batched)
  const present = results.filter((result): result is Tensor => result !== null)
  const batched = batchGraph(present, given(seeds), given(operands.map((operand) => operand.tensor)), size)
  let next = 0
  return results.map((result: Maybe) => (result === null ? null : batched[next++]))
}
