/** The reverse pass over a tape: cotangents of outputs -> cotangents of seeds. */
import { InternalError } from '../errors.js'
import type { PrimitiveName } from '../graph/primitive.js'
import { withSite, type Node, type Tensor } from '../graph/tensor.js'
import { sameShape } from '../shape.js'
import { addMaybe } from './arithmetic.js'
import { markConsumed, recomputeOf, type Recompute } from './customRules.js'
import { recomputedOperands } from './derivatives/custom.js'
import { applicationOf } from './application.js'
import type { DerivativePasses, Maybe, VjpRule } from './rules.js'
import { recordTape, type Tape, type TapeEntry } from './tape.js'
import { vjpRules } from './vjpRules.js'

/** Takes one contribution to the cotangent of an output of an entry. */
type Deliver = (entry: TapeEntry, output: number, contribution: Tensor) => void

/**
 * Cotangents of the seeds of a tape; null where nothing arrives.
 * @param passes handed on to rules that differentiate bodies
 */
export function reversePass(tape: Tape, cotangents: readonly Maybe[], passes: DerivativePasses): Maybe[] {
  const results: Maybe[] = tape.seeds.map(() => null)
  walkBack(tape, cotangents, passes, (seed, contribution) => {
    results[seed] = addMaybe(results[seed], contribution)
  })
  return results
}

/** Runs the rules in descending order; contributions to seeds are handed out one by one. */
function walkBack(
  tape: Tape,
  cotangents: readonly Maybe[],
  passes: DerivativePasses,
  toSeed: (seed: number, contribution: Tensor) => void,
): void {
  const seedOf = new Map(tape.seeds.map((entry, k) => [entry, k]))
  const arrived = new Map<TapeEntry, Maybe[]>()
  const deliver: Deliver = (entry, output, contribution) => {
    const seed = seedOf.get(entry)
    if (seed !== undefined) return toSeed(seed, contribution)
    const list = arrived.get(entry) ?? entry.node.outputs.map(() => null)
    list[output] = addMaybe(list[output], contribution)
    arrived.set(entry, list)
  }
  tape.outputs.forEach((place, k) => {
    const ct = cotangents[k]
    if (place !== null && ct !== null) deliver(place.entry, place.output, ct)
  })
  for (let k = tape.entries.length - 1; k >= 0; k--) {
    const entry = tape.entries[k]
    const list = arrived.get(entry)
    if (list !== undefined) withSite(entry.node.site, () => passBack(entry, list, passes, deliver))
  }
}

function passBack(entry: TapeEntry, cotangents: readonly Maybe[], passes: DerivativePasses, deliver: Deliver): void {
  const { node, sources } = entry
  if (node.op === 'custom') {
    const recompute = recomputeOf((node as unknown as Node<'custom'>).attrs.rules)
    if (recompute !== undefined) return passBackRecomputed(entry, recompute, cotangents, passes, deliver)
  }
  const rule = vjpRules[node.op] as VjpRule<PrimitiveName>
  const gradients = rule(applicationOf(entry), cotangents, passes)
  sources.forEach((source, k) => {
    const gradient = gradients[k]
    if (source === null || gradient === null || gradient === undefined) return
    const input = node.inputs[k]
    if (!sameShape(gradient.shape, input.shape) || gradient.dtype !== input.dtype)
      throw new InternalError(
        `vjp: ${node.op} gave [${gradient.shape.join(', ')}] ${gradient.dtype} for an input [${input.shape.join(', ')}] ${input.dtype}`,
      )
    deliver(source, input.output, gradient)
  })
}

/**
 * A checkpointed function: its body is traced again and differentiated. Every contribution to an operand is delivered
 * by itself, in the order of an uncheckpointed pass, so that sums keep their bits.
 */
function passBackRecomputed(
  entry: TapeEntry,
  recompute: Recompute,
  cotangents: readonly Maybe[],
  passes: DerivativePasses,
  deliver: Deliver,
): void {
  const node = entry.node as unknown as Node<'custom'>
  const { operands } = node.attrs
  markConsumed(entry.node)
  const seeds = recomputedOperands(node.inputs.slice(0, operands), cotangents)
  const outputs = passes.prepare(recompute(seeds), seeds)
  walkBack(recordTape(outputs, seeds, 'reverse'), cotangents, passes, (operand, contribution) => {
    const source = entry.sources[operand]
    if (source !== null) deliver(source, node.inputs[operand].output, contribution)
  })
}
