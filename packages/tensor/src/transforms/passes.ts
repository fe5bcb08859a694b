/** The three passes, wired together: rules that differentiate bodies get them as arguments. */
import type { Tensor } from '../graph/tensor.js'
import { forwardPass } from './forwardPass.js'
import { reversePass } from './reversePass.js'
import type { DerivativePasses, Maybe } from './rules.js'
import { stackScans } from './stackScans.js'
import { recordTape, type Tape } from './tape.js'

const passes: DerivativePasses = {
  prepare: (outputs, seeds) => stackScans(outputs, seeds, passes),
  reverse: (outputs, seeds, cotangents) =>
    reversePass(recordTape(passes.prepare(outputs, seeds), seeds, 'reverse'), cotangents, passes),
  forward: (outputs, seeds, tangents) => forwardPass(recordTape(outputs, seeds, 'forward'), tangents, passes),
}

/** Outputs to record instead of `outputs` when a reverse pass will follow. */
export function prepareReverse(outputs: readonly Tensor[], seeds: readonly Tensor[]): readonly Tensor[] {
  return passes.prepare(outputs, seeds)
}

/** Cotangents of a tape's seeds for cotangents of its outputs. */
export function pullBack(tape: Tape, cotangents: readonly Maybe[]): Maybe[] {
  return reversePass(tape, cotangents, passes)
}

/** Tangents of a tape's outputs for tangents of its seeds. */
export function pushForward(tape: Tape, tangents: readonly Maybe[]): Maybe[] {
  return forwardPass(tape, tangents, passes)
}
