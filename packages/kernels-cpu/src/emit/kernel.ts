/** Chooses how a fused step is walked and emits its function. */
import type { FusedStep } from '@tarazed/tensor'
import { normalise } from './normalise.js'
import { emitRows, type Kernel } from './rows.js'

export function emitKernel(step: FusedStep, relaxed: boolean): Kernel {
  return emitRows(normalise(step), relaxed)
}
