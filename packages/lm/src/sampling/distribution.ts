/** From a row of logits to the probabilities after all rules, and from these to a token. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Candidates, candidatesOf, scratchRow, weightsOf } from './candidates.js'
import { keepMinP, keepTopK, keepTopKOfTopP, keepTopP, keepTypicalP, withTemperature } from './filters.js'
import { applyPenalties } from './penalties.js'
import { checkTokenIds, show } from '../check.js'
import { type SamplingRules, type TokenHistory, checkRules } from './rules.js'

/** The tokens that rules left, ids ascending, and their probabilities, which sum to 1. */
export interface TokenDistribution {
  readonly ids: Int32Array
  readonly probabilities: Float64Array
}

/** What was said before, for penalties. */
export interface DistributionOptions {
  /** Ids of prompt and answer so far. Default none. */
  readonly history?: ArrayLike<number>
  /** Where the answer begins in `history`. Default 0: all of it counts as answer. */
  readonly answerStart?: number
}

/**
 * The probabilities from which the next token is drawn: bias, penalties and prohibitions, then the filters in their
 * order, then softmax. Computed on the host in float64.
 *
 * @param logits [V]
 * @throws ArgumentError for a rule out of range, LogitsError for NaN, +Infinity, or when every token is forbidden
 * @source order and defaults: the reference implementations of Aquila and Aquila2; filters: the logits processors of transformers
 */
export function tokenDistribution(
  logits: ArrayLike<number>,
  rules: SamplingRules = {},
  options: DistributionOptions = {},
): TokenDistribution {
  const op = 'tokenDistribution'
  if (typeof logits !== 'object' || !(logits?.length > 0))
    throw new ArgumentError(
      `${op}: logits must be a list of numbers, got ${show(logits)}; read a tensor's row with data()`,
    )
  const checked = checkRules(op, rules, logits.length)
  const { history = [], answerStart = 0 } = checkOptions(op, options, ['history', 'answerStart'])
  checkTokenIds(op, 'history', history, logits.length)
  return distributionOf(logits, checked, { history, answerStart })
}

/** `tokenDistribution` for rules that were checked before. */
export function distributionOf(
  logits: ArrayLike<number>,
  rules: SamplingRules,
  before: TokenHistory,
): TokenDistribution {
  const row = scratchRow(logits)
  applyPenalties(row, rules, before)
  const candidates = candidatesOf(row)
  if (rules.temperature === 0) return certain(row.indexOf(candidates.best))
  return softmax(filtered(candidates, rules))
}

function certain(id: number): TokenDistribution {
  return { ids: Int32Array.of(id), probabilities: Float64Array.of(1) }
}

function filtered(candidates: Candidates, rules: SamplingRules): Candidates {
  const { order = 'aquila', temperature = 1 } = rules
  switch (order) {
    case 'aquila':
      return withTemperature(lessLikely(nucleusThenTop(candidates, rules), rules), temperature)
    case 'hf':
    case 'aquila1':
      return lessLikely(topThenNucleus(withTemperature(candidates, temperature), rules), rules)
    default:
      return order satisfies never
  }
}

function nucleusThenTop(candidates: Candidates, { topK = 0, topP = 1 }: SamplingRules): Candidates {
  if (topP === 1) return topK === 0 ? candidates : keepTopK(candidates, topK)
  return topK === 0 ? keepTopP(candidates, topP) : keepTopKOfTopP(candidates, topK, topP)
}

function topThenNucleus(candidates: Candidates, { topK = 0, topP = 1 }: SamplingRules): Candidates {
  const top = topK === 0 ? candidates : keepTopK(candidates, topK)
  return topP === 1 ? top : keepTopP(top, topP)
}

function lessLikely(candidates: Candidates, { minP = 0, typicalP = 1 }: SamplingRules): Candidates {
  const likely = minP === 0 ? candidates : keepMinP(candidates, minP)
  return typicalP === 1 ? likely : keepTypicalP(likely, typicalP)
}

function softmax(candidates: Candidates): TokenDistribution {
  const { ids, logits } = candidates
  const { weights, total } = weightsOf(candidates)
  let count = 0
  for (let k = 0; k < logits.length; k++) if (logits[k] !== -Infinity) count++
  const distribution = { ids: new Int32Array(count), probabilities: new Float64Array(count) }
  let next = 0
  for (let k = 0; k < logits.length; k++) {
    if (logits[k] === -Infinity) continue
    distribution.ids[next] = ids === null ? k : ids[k]
    distribution.probabilities[next++] = weights[k] / total
  }
  return distribution
}

/**
 * The token at which the cumulative probability, ids ascending, first exceeds u.
 *
 * @param u in [0, 1)
 * @returns the id and its probability
 * @throws ArgumentError for u outside [0, 1) or a distribution of nothing
 */
export function drawToken(distribution: TokenDistribution, u: number): { id: number; probability: number } {
  if (!(u >= 0 && u < 1))
    throw new ArgumentError(`drawToken: u must be in [0, 1), got ${show(u)}; take uniformDraw(seed, n)`)
  const { ids, probabilities } = (distribution ?? {}) as Partial<TokenDistribution>
  if (ids === undefined || probabilities === undefined || ids.length === 0)
    throw new ArgumentError(
      `drawToken: the distribution must have at least one token, got ${ids === undefined ? show(distribution) : 'none'}; take tokenDistribution(logits, rules)`,
    )
  let sum = 0
  let last = 0
  for (let k = 0; k < ids.length; k++) {
    if (probabilities[k] === 0) continue
    last = k
    sum += probabilities[k]
    if (sum > u) break
  }
  return { id: ids[last], probability: probabilities[last] }
}
