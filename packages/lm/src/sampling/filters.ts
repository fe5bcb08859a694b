/** The rules that leave out unlikely tokens. Each takes candidates and gives fewer; at least one always stays. */
import { type Candidates, keepAbove, keepFrom, pick, totalOf, weightsOf } from './candidates.js'
import { STEPS_PER_UNIT, expOfSteps } from './exponential.js'
import { cutAt, kthLargest } from './selection.js'

/** Softer (above 1) or sharper (below 1) from here on; logits and their order stay. */
export function withTemperature(candidates: Candidates, temperature: number): Candidates {
  return { ...candidates, sharpness: candidates.sharpness / temperature }
}

/** The k best tokens and all that equal the k-th. */
export function keepTopK(candidates: Candidates, k: number): Candidates {
  if (k >= candidates.logits.length) return candidates
  return keepFrom(candidates, kthLargest(candidates.logits, k))
}

/**
 * The smallest set of best tokens whose probability reaches p; of equal tokens at its border the lowest ids.
 *
 * @param outOf what the weights of all tokens sum to, of which the candidates may be the best part. Default: their own sum
 */
export function keepTopP(candidates: Candidates, p: number, outOf?: number): Candidates {
  const { weights, total } = weightsOf(candidates)
  const target = p * (outOf ?? total)
  const cut = cutAt(candidates.logits, weights, target)
  if (cut === null) return candidates
  const each = expOfSteps((candidates.best - cut.value) * (candidates.sharpness * STEPS_PER_UNIT))
  let equals = 1
  while (cut.above + equals * each < target && equals < candidates.logits.length) equals++
  return keepAbove(candidates, cut.value, equals)
}

/**
 * `keepTopP`, then `keepTopK`, in the other order: the first k tokens of the nucleus are those of the k best that lie in the
 * nucleus. So the nucleus is looked for among k tokens, and the whole vocabulary is only summed up.
 */
export function keepTopKOfTopP(candidates: Candidates, k: number, p: number): Candidates {
  return keepTopP(keepTopK(candidates, k), p, totalOf(candidates))
}

/** Tokens with at least `minP` times the probability of the best. */
export function keepMinP(candidates: Candidates, minP: number): Candidates {
  return keepFrom(candidates, candidates.best + Math.log(minP) / candidates.sharpness)
}

/**
 * Locally typical sampling: the smallest set of tokens, those first whose surprise is nearest to the entropy, whose
 * probability reaches `mass`; tokens as near as the last one stay too.
 *
 * @source arXiv 2202.00666
 */
export function keepTypicalP(candidates: Candidates, mass: number): Candidates {
  const { weights, total } = weightsOf(candidates)
  const distances = distancesToEntropy(candidates, weights, total)
  const nearness = new Float32Array(distances).map((distance) => -distance)
  const cut = cutAt(nearness, weights, mass * total)
  if (cut === null) return candidates
  const limit = lastDistance(distances, indicesOf(nearness, cut.value), weights, mass * total - cut.above)
  const kept: number[] = []
  for (let at = 0; at < distances.length; at++) if (distances[at] <= limit) kept.push(at)
  const picked = pick(candidates, kept)
  return { ...picked, best: picked.logits.reduce((best, logit) => Math.max(best, logit), -Infinity) }
}

/** Entries that are equal in single precision, in the order of their exact distances: the one that reaches the target. */
function lastDistance(distances: Float64Array, equals: number[], weights: Float64Array, target: number): number {
  equals.sort((a, b) => distances[a] - distances[b])
  let reached = 0
  const last = equals.find((at) => (reached += weights[at]) >= target)
  return distances[last ?? equals[equals.length - 1]]
}

function indicesOf(values: Float32Array, wanted: number): number[] {
  const found: number[] = []
  for (let at = 0; at < values.length; at++) if (values[at] === wanted) found.push(at)
  return found
}

/** |-log p - entropy| of every candidate; infinite for forbidden ones. */
function distancesToEntropy(
  { logits, best, sharpness }: Candidates,
  weights: Float64Array,
  total: number,
): Float64Array {
  const logTotal = Math.log(total)
  const distances = new Float64Array(logits.length)
  let entropy = 0
  for (let at = 0; at < logits.length; at++) {
    distances[at] = (best - logits[at]) * sharpness + logTotal
    if (weights[at] > 0) entropy += (weights[at] / total) * distances[at]
  }
  for (let at = 0; at < logits.length; at++) distances[at] = Math.abs(distances[at] - entropy)
  return distances
}
