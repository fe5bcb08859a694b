/** Answers of the same model, one sequence at a time, through the generator that chat uses. */
import { ONE_RELAXED, TWO_RELAXED, type Engine, type RowSpec } from '../bench.js'

/** Half of the context for the prompt, half for the answer. */
export const PROMPT_TOKENS = 64
export const NEW_TOKENS = 64

/** Names of measurements. */
export const PREFILL = `prefill of ${PROMPT_TOKENS} tokens`
export const DECODE = 'decode, batch 1'

const row = (name: string, label: string, ours: Engine): RowSpec => ({
  case: name,
  label: `${name}, ${label}`,
  unit: 'tokens/s',
  better: 'higher',
  ours,
  peers: [],
})

export const generationRows: readonly RowSpec[] = [PREFILL, DECODE].flatMap((name) => [
  row(name, '1 thread relaxed', ONE_RELAXED),
  row(name, '2 threads relaxed', TWO_RELAXED),
])
