/** Held-out loss, domain by domain. */
import { compile } from '@tarazed/tensor'
import { type ValidationSet } from '../data/sampleSource.js'
import { checkFunction, checkOptions } from '../errors.js'
import { type Loss, summed } from './lossOf.js'

/** The score of one domain. */
export interface DomainScore {
  readonly name: string
  /** Mean loss of what the loss function counts (tokens, say), in nats. */
  readonly loss: number
  /** exp(min(20, loss)) */
  readonly perplexity: number
  /** Sum of the loss over the bytes of the text, in bits; null when the set does not know its bytes. */
  readonly bitsPerByte: number | null
}

/** Scores parameters on every domain. The sets are read batch by batch; sums are kept in double precision. */
export type Validate<P> = (params: P) => Promise<DomainScore[]>

/** What `scoreDomains` scores. */
export interface Scored<P, B> {
  readonly params: P
  readonly loss: (params: P, batch: B) => Loss
  readonly validation: readonly ValidationSet<B>[]
}

/**
 * Scores parameters on held-out sets, once; a run does it by itself with its option `validation`.
 * @throws ConfigError when an option has the wrong type
 */
export async function scoreDomains<P, B>(options: Scored<P, B>): Promise<DomainScore[]> {
  checkOptions('scoreDomains', options, ['params', 'loss', 'validation'])
  checkFunction('scoreDomains: loss', options.loss)
  return createValidate(options.loss, options.validation)(options.params)
}

/** A validation over some sets with the loss of the run. */
export function createValidate<P, B>(
  loss: (params: P, batch: B) => Loss,
  sets: readonly ValidationSet<B>[],
): Validate<P> {
  const sums = compile((params: P, batch: B) => summed(loss(params, batch)))
  const score = async (params: P, set: ValidationSet<B>): Promise<DomainScore> => {
    let [sum, count] = [0, 0]
    for (let k = 0; k < set.batches; k++) {
      const part = await sums(params, await set.batch(k))
      sum += await part.sum.item()
      count += await part.count.item()
    }
    const mean = sum / count
    return {
      name: set.name,
      loss: mean,
      perplexity: Math.exp(Math.min(20, mean)),
      bitsPerByte: set.bytes === undefined ? null : sum / Math.LN2 / set.bytes,
    }
  }
  return async (params) => {
    const scores: DomainScore[] = []
    for (const set of sets) scores.push(await score(params, set))
    return scores
  }
}
