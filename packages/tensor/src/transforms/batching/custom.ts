/** A custom node under vmap: its rules are mapped when they are used. */
import type { CustomRules } from '../../graph/primitive.js'
import { custom, reduceOver } from '../../graph/primitives.js'
import type { Node, Tensor } from '../../graph/tensor.js'
import { scale } from '../arithmetic.js'
import { isConsumed, markConsumed, recomputeOf, setRecompute } from '../customRules.js'
import type { Batched, BatchFunction, BatchRule } from '../rules.js'
import { lead, mapped } from './lead.js'

export const batchedCustom: BatchRule<'custom'> = (node, operands, size, batch) => {
  const { rules, operands: count } = node.attrs
  const own = operands.slice(0, count)
  const outputs = operands.slice(count).map((output) => lead(output, size))
  const results = custom(
    own.map((operand) => operand.tensor),
    outputs,
    batchedRules(
      rules,
      own.map((o) => o.batched),
      size,
      batch,
    ),
  )
  if (isConsumed(node as unknown as Node)) markConsumed(results[0].node as Node)
  return results.map(mapped)
}

function batchedRules(rules: CustomRules, flags: readonly boolean[], size: number, batch: BatchFunction): CustomRules {
  const asBatched = (tensors: readonly Tensor[], are: (k: number) => boolean): Batched[] =>
    tensors.map((tensor, k) => ({ tensor, batched: are(k) }))
  const always = (): boolean => true
  const result: CustomRules = {
    name: rules.name,
    throughBody: rules.throughBody,
    vjp:
      rules.vjp === undefined
        ? undefined
        : (cotangents, operands, outputs) => {
            const given = [
              ...asBatched(cotangents, always),
              ...asBatched(operands, (k) => flags[k]),
              ...asBatched(outputs, always),
            ]
            const [c, o] = [cotangents.length, operands.length]
            const gradients = batch(
              (all) => rules.vjp!(all.slice(0, c), all.slice(c, c + o), all.slice(c + o)),
              given,
              size,
            )
            return gradients.map((gradient, k) =>
              gradient === null ? null : flags[k] ? lead(gradient, size) : total(gradient, size),
            )
          },
    jvp:
      rules.jvp === undefined
        ? undefined
        : (tangents, operands, outputs) => {
            const given = [
              ...asBatched(tangents, (k) => flags[k]),
              ...asBatched(operands, (k) => flags[k]),
              ...asBatched(outputs, always),
            ]
            const n = operands.length
            const moved = batch(
              (all) => rules.jvp!(all.slice(0, n), all.slice(n, 2 * n), all.slice(2 * n)),
              given,
              size,
            )
            return moved.map((tangent) => lead(tangent as Batched, size))
          },
  }
  const recompute = recomputeOf(rules)
  if (recompute === undefined) return result
  return setRecompute(result, (operands) =>
    batch(
      recompute,
      asBatched(operands, (k) => flags[k]),
      size,
    ).map((output) => lead(output as Batched, size)),
  )
}

/** The cotangent of a shared operand: every element of the map contributes. */
function total({ tensor, batched }: Batched, size: number): Tensor {
  return batched ? reduceOver('sum', tensor, [0]) : scale(tensor, size)
}
