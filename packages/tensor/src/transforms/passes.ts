/** The three passes, wired together: rules that differentiate bodies get them as arguments. */
import { forwardPass } from './forwardPass.js'
import { reversePass } from './reversePass.js'
import type { DerivativePasses, Maybe } from './rules.js'
import { recordTape, type Tape } from './tape.js'

const passes: DerivativePasses = {
  reverse: (outputs, seeds, cotangents) => reversePass(recordTape(outputs, seeds, 'reverse'), cotangents, passes),
  forward: (outputs, seeds, tangents) => forwardPass(recordTape(outputs, seeds, 'forward'), tangents, passes),
}

/** Cotangents of a tape's seeds for cotangents of its outputs. */
export function pullBack(tape: Tape, cotangents: readonly Maybe[]): Maybe[] {
  return reversePass(tape, cotangents, passes)
}

/** Tangents of a tape's outputs for tangents of its seeds. */
export function pushForward(tape: Tape, tangents: readonly Maybe[]): Maybe[] {
  return forwardPass(tape, tangents, passes)
}
