/** The tokens that are still possible, with their logits, while rules are applied one after the other. */
import { LogitsError } from '../errors.js'
import { STEPS_PER_UNIT, expOfSteps } from './exponential.js'

/** A row of logits, or what rules left of it. Ids ascend. Loops over a whole vocabulary are plain: they are what sampling costs. */
export interface Candidates {
  /** null: entry i is token i. */
  readonly ids: Int32Array | null
  /** -Infinity: forbidden. */
  readonly logits: Float32Array
  /** The largest logit. */
  readonly best: number
  /** 1 / temperature: what differences of logits are multiplied by in every exponential. */
  readonly sharpness: number
}

/** A copy of a row of logits, for rules to write into. It lies in memory that the next call overwrites. */
export function scratchRow(logits: ArrayLike<number>): Float32Array {
  if (rowScratch.length !== logits.length) rowScratch = new Float32Array(logits.length)
  rowScratch.set(logits)
  return rowScratch
}

let rowScratch = new Float32Array(0)

/**
 * All tokens of a vocabulary.
 * @throws LogitsError for NaN or +Infinity, or when every token is forbidden
 */
export function candidatesOf(row: Float32Array): Candidates {
  let best = -Infinity
  for (let id = 0; id < row.length; id++) {
    if (row[id] <= best) continue // false for NaN too, so that one comparison per logit finds everything
    best = row[id]
    if (!(best < Infinity)) throw brokenLogit(id, best)
  }
  if (best === -Infinity)
    throw new LogitsError(
      `sampling: at least one of ${row.length} tokens must be possible, but all are forbidden; loosen logitBias, noRepeatNgram or minNewTokens`,
    )
  return { ids: null, logits: row, best, sharpness: 1 }
}

function brokenLogit(id: number, logit: number): LogitsError {
  return new LogitsError(
    `sampling: logits must be numbers below +Infinity, got ${logit} at token ${id}; look for overflow in the model (checkNumerics names the operator)`,
  )
}

/** Unnormalised probabilities: e^((logit - best)/temperature) of every candidate, and their sum. */
export interface Weights {
  readonly weights: Float64Array
  readonly total: number
}

/** The weights, in memory that the next call overwrites. */
export function weightsOf({ logits, best, sharpness }: Candidates): Weights {
  if (weightScratch.length < logits.length) weightScratch = new Float64Array(logits.length)
  const weights = weightScratch
  const factor = sharpness * STEPS_PER_UNIT
  let total = 0
  for (let k = 0; k < logits.length; k++) {
    const weight = expOfSteps((best - logits[k]) * factor)
    weights[k] = weight
    total += weight
  }
  return { weights, total }
}

let weightScratch = new Float64Array(0)

/** The sum of the weights alone. */
export function totalOf({ logits, best, sharpness }: Candidates): number {
  const factor = sharpness * STEPS_PER_UNIT
  let total = 0
  for (let k = 0; k < logits.length; k++) total += expOfSteps((best - logits[k]) * factor)
  return total
}

/** The candidates whose logit is at least `least`, which is at most the best one. */
export function keepFrom(candidates: Candidates, least: number): Candidates {
  const { logits } = candidates
  const kept: number[] = []
  for (let k = 0; k < logits.length; k++) if (logits[k] >= least) kept.push(k)
  return pick(candidates, kept)
}

/** The candidates above a logit, and the first few of those that equal it. */
export function keepAbove(candidates: Candidates, logit: number, equals: number): Candidates {
  const { logits } = candidates
  const kept: number[] = []
  let left = equals
  for (let k = 0; k < logits.length; k++) {
    if (!(logits[k] >= logit)) continue
    if (logits[k] > logit || left-- > 0) kept.push(k)
  }
  return pick(candidates, kept)
}

/** Some of the candidates; `kept` ascends. */
export function pick(candidates: Candidates, kept: readonly number[]): Candidates {
  const { ids, logits } = candidates
  if (kept.length === logits.length) return candidates
  const picked = { ids: new Int32Array(kept.length), logits: new Float32Array(kept.length) }
  for (let k = 0; k < kept.length; k++) {
    picked.ids[k] = ids === null ? kept[k] : ids[kept[k]]
    picked.logits[k] = logits[kept[k]]
  }
  return { ...candidates, ...picked }
}
