/** Sampling by sorting and masking whole rows, straight from the definitions: what the selections are held against. */
import { type SamplingRules } from '../src/index.js'

/** Softmax of logits; -Infinity gives 0. */
export function softmax(logits: readonly number[]): number[] {
  const best = Math.max(...logits)
  const weights = logits.map((logit) => Math.exp(logit - best))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => weight / total)
}

/** Probabilities of all tokens after the rules; 0 for those left out. Rows in the middle are rounded to single precision. */
export function naiveProbabilities(
  logits: readonly number[],
  rules: SamplingRules,
  history: readonly number[] = [],
  answerStart = 0,
): number[] {
  const { order = 'aquila', temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1 } = rules
  const row = penalized(logits, rules, history, answerStart)
  const steps = {
    heat: (r: number[]) => r.map((logit) => logit / temperature),
    topK: (r: number[]) => (topK === 0 ? r : masked(r, kthOf(r, topK))),
    topP: (r: number[]) => (topP === 1 ? r : nucleus(r, topP)),
    minP: (r: number[]) => (minP === 0 ? r : likely(r, minP)),
    typicalP: (r: number[]) => (typicalP === 1 ? r : typical(r, typicalP)),
  }
  const orders = {
    aquila: ['topP', 'topK', 'minP', 'typicalP', 'heat'],
    hf: ['heat', 'topK', 'topP', 'minP', 'typicalP'],
    aquila1: ['heat', 'topK', 'topP', 'minP', 'typicalP'],
  } as const
  return softmax(orders[order].reduce<number[]>((r, name) => steps[name](r), row))
}

function penalized(
  logits: readonly number[],
  rules: SamplingRules,
  history: readonly number[],
  answerStart: number,
): number[] {
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, noRepeatNgram: n = 0, forbid = [] } = rules
  const said = new Set(history)
  const answer = history.slice(answerStart)
  return logits.map((logit, id) => {
    let value = Math.fround(Math.fround(logit) + (rules.logitBias?.[id] ?? 0))
    if (said.has(id)) value = Math.fround(value > 0 ? value / repetitionPenalty : value * repetitionPenalty)
    const count = answer.filter((other) => other === id).length
    value = Math.fround(value - count * frequencyPenalty - (count > 0 ? presencePenalty : 0))
    if (n > 0 && completesNgram([...history, id], n)) value = -Infinity
    return forbid.includes(id) ? -Infinity : value
  })
}

function completesNgram(ids: readonly number[], n: number): boolean {
  const grams = ids.slice(0, ids.length - n + 1).map((_, k) => ids.slice(k, k + n).join(' '))
  return grams.length > 1 && grams.slice(0, -1).includes(grams[grams.length - 1])
}

function masked(row: readonly number[], least: number): number[] {
  return row.map((logit) => (logit >= least ? logit : -Infinity))
}

function kthOf(row: readonly number[], k: number): number {
  const sorted = [...row].sort((a, b) => b - a)
  return sorted[Math.min(k, sorted.length) - 1]
}

/** Positions of the row, the largest logit first, of equal ones the lowest id. */
function ranked(row: readonly number[]): number[] {
  return row.map((_, id) => id).sort((a, b) => row[b] - row[a] || a - b)
}

function nucleus(row: readonly number[], p: number): number[] {
  const probabilities = softmax(row)
  const kept = new Set<number>()
  let sum = 0
  for (const id of ranked(row)) {
    if (kept.size > 0 && sum >= p) break
    kept.add(id)
    sum += probabilities[id]
  }
  return row.map((logit, id) => (kept.has(id) ? logit : -Infinity))
}

function likely(row: readonly number[], minP: number): number[] {
  const probabilities = softmax(row)
  const best = Math.max(...probabilities)
  return row.map((logit, id) => (probabilities[id] >= minP * best ? logit : -Infinity))
}

function typical(row: readonly number[], mass: number): number[] {
  const probabilities = softmax(row)
  const entropy = -probabilities.reduce((sum, p) => (p > 0 ? sum + p * Math.log(p) : sum), 0)
  const distances = probabilities.map((p) => Math.abs(-Math.log(p) - entropy))
  const order = row.map((_, id) => id).sort((a, b) => distances[a] - distances[b])
  let sum = 0
  let last = Infinity
  for (const id of order) {
    last = distances[id]
    sum += probabilities[id]
    if (sum >= mass) break
  }
  return row.map((logit, id) => (distances[id] <= last ? logit : -Infinity))
}

/** Random numbers for tests, the same every time. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Numbers of a normal distribution. */
export function gaussians(count: number, deviation: number, next: () => number): number[] {
  return Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  )
}
