/** The rules that change logits by what was said before. They write into the row that they are given. */
import { type SamplingRules, type TokenHistory } from './rules.js'

/** Applies bias, penalties and prohibitions, in this order. */
export function applyPenalties(row: Float32Array, rules: SamplingRules, { history, answerStart }: TokenHistory): void {
  const { logitBias, repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, noRepeatNgram = 0 } = rules
  if (logitBias !== undefined) addBias(row, logitBias)
  if (repetitionPenalty !== 1) penalizeRepetition(row, history, repetitionPenalty)
  if (frequencyPenalty !== 0 || presencePenalty !== 0)
    penalizeFrequency(row, history, answerStart, frequencyPenalty, presencePenalty)
  if (noRepeatNgram > 0) forbidRepeatedNgrams(row, history, noRepeatNgram)
  for (const id of rules.forbid ?? []) row[id] = -Infinity
}

function addBias(row: Float32Array, bias: Readonly<Record<number, number>>): void {
  for (const id in bias) row[id] += bias[id]
}

/**
 * Every distinct token of the history once: logit / penalty when positive, logit · penalty when negative.
 * @source arXiv 1909.05858, section 4.1, in the form of transformers
 */
function penalizeRepetition(row: Float32Array, history: ArrayLike<number>, penalty: number): void {
  for (const id of new Set(Array.from(history))) row[id] = row[id] > 0 ? row[id] / penalty : row[id] * penalty
}

/** logit - count · frequency - (count > 0) · presence, counted over the answer. */
function penalizeFrequency(
  row: Float32Array,
  history: ArrayLike<number>,
  answerStart: number,
  frequency: number,
  presence: number,
): void {
  const counts = new Map<number, number>()
  for (let at = answerStart; at < history.length; at++) counts.set(history[at], (counts.get(history[at]) ?? 0) + 1)
  for (const [id, count] of counts) row[id] -= count * frequency + presence
}

/** Forbids every token that would complete n tokens which stand in the history already. */
function forbidRepeatedNgrams(row: Float32Array, history: ArrayLike<number>, n: number): void {
  const stem = history.length - (n - 1) // where the last n - 1 tokens begin
  for (let begin = 0; begin < stem; begin++) {
    let same = 0
    while (same < n - 1 && history[begin + same] === history[stem + same]) same++
    if (same === n - 1) row[history[begin + n - 1]] = -Infinity
  }
}
