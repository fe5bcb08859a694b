/** Several domains in one sequence of samples, in fixed shares. */
import { ConfigError, checkMethods, checkNumber, shown } from '../errors.js'
import { Fingerprint } from './fingerprint.js'
import { type TokenSamples, checkAlike } from './tokenSamples.js'

/** One part of a blend. */
export interface BlendPart {
  /** Its share is its weight over the sum of all weights. */
  readonly weight: number
  readonly samples: TokenSamples
}

/**
 * Samples from several domains: sample i comes from the domain of largest w·max(i, 1) - count, the first one on ties, where count
 * is how many samples the domain has given so far. So after any number of samples the counts differ from the shares by less
 * than the number of domains, and the order is a pure function of the weights.
 *
 * @throws ConfigError without a positive weight, or when the parts are not alike
 * @source Megatron-LM, build_blending_indices
 */
export function blend(parts: readonly BlendPart[]): TokenSamples {
  if (!Array.isArray(parts) || parts.length === 0)
    throw new ConfigError(`blend: give a list of { weight, samples }, got ${shown(parts)}`)
  parts.forEach(({ weight, samples }: BlendPart, k) => {
    checkNumber(`blend: weight of part ${k}`, weight, 0)
    checkMethods(`blend: samples of part ${k}`, samples, ['read'])
  })
  const samples = parts.map((part) => part.samples)
  checkAlike('blend', samples)
  const total = parts.reduce((sum, { weight }) => sum + weight, 0)
  if (!(total > 0)) throw new ConfigError('blend: at least one weight must be positive, got none')
  const choices = createChoices(parts.map(({ weight }) => weight / total))
  const hash = new Fingerprint().text('blend')
  for (const part of parts) hash.text(`${part.weight} ${part.samples.fingerprint}`)
  return {
    length: samples[0].length,
    weighted: samples[0].weighted,
    fingerprint: hash.toString(),
    read: (index, tokens, weights) => {
      const { part, count } = choices(index)
      samples[part].read(count, tokens, weights)
    },
  }
}

/** From the number of a sample to its domain and its number there. Remembers where it was; going back begins anew. */
function createChoices(shares: readonly number[]): (index: number) => { part: number; count: number } {
  let next = 0
  let counts = shares.map(() => 0)
  let last = { part: 0, count: 0 }
  return (index) => {
    if (index < next - 1) {
      next = 0
      counts = shares.map(() => 0)
    }
    for (; next <= index; next++) {
      const part = neediest(shares, counts, next)
      last = { part, count: counts[part]++ }
    }
    return last
  }
}

function neediest(shares: readonly number[], counts: readonly number[], index: number): number {
  let best = 0
  let need = -Infinity
  for (let k = 0; k < shares.length; k++) {
    const lacking = shares[k] * Math.max(index, 1) - counts[k]
    if (lacking > need) [best, need] = [k, lacking]
  }
  return best
}
