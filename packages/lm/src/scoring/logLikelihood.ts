/** How likely continuations are. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { PromptError } from '../errors.js'
import { show } from '../check.js'
import { SCORING_OPTIONS, type ScoringOptions, checkScoring, checkedIds, requireFits, requireText } from './options.js'
import { type SequenceToScore, scoreSequences } from './scoreSequences.js'

/** A continuation and what stands before it, both text or both ids. */
export interface LikelihoodRequest {
  /** At least one token: nothing predicts the first one. `tokenizer.bos` will do. */
  readonly context: string | ArrayLike<number>
  readonly continuation: string | ArrayLike<number>
}

/** The likelihood of one continuation. */
export interface Likelihood {
  /** Natural logarithm of the probability of the whole continuation. */
  readonly logProbability: number
  /** The same of each of its tokens. */
  readonly tokenLogProbabilities: readonly number[]
  /** Whether each of its tokens is the most likely one: greedy generation would give it. */
  readonly isGreedy: boolean
}

/**
 * Log-likelihoods of continuations, in the order of the requests. Context and continuation are tokenised together; a token that
 * begins in the context and ends in the continuation counts to the continuation. Requests with one and the same context of more than
 * 32 tokens read it once.
 *
 * @throws ArgumentError, PromptError for a context or continuation without tokens, ContextLengthError, LogitsError, the
 * signal's reason
 */
export async function logLikelihood<Cache>(
  model: CausalModel<Cache>,
  requests: readonly LikelihoodRequest[],
  options: ScoringOptions = {},
): Promise<Likelihood[]> {
  const op = 'logLikelihood'
  const checked = checkOptions(op, options, SCORING_OPTIONS)
  const batchSize = checkScoring(op, model, checked)
  if (!Array.isArray(requests))
    throw new ArgumentError(`${op}: requests must be a list, got ${show(requests)}; write [{ context, continuation }]`)
  const sequences = requests.map((request, index) => {
    const sequence = sequenceOf(request as LikelihoodRequest, index, checked.tokenizer, model.vocabSize)
    requireFits(op, sequence.ids.length, index, model.contextLength)
    return sequence
  })
  const scores = await scoreSequences(model, sequences, { ...checked, batchSize })
  return scores.map(({ logProbabilities, isBest }) => ({
    logProbability: logProbabilities.reduce((sum, each) => sum + each, 0),
    tokenLogProbabilities: logProbabilities,
    isGreedy: isBest.every((is) => is),
  }))
}

function sequenceOf(
  request: LikelihoodRequest,
  index: number,
  tokenizer: Tokenizer | undefined,
  vocabSize: number,
): SequenceToScore {
  const op = 'logLikelihood'
  const { context, continuation } = checkOptions(
    `${op}: request ${index}`,
    request,
    ['context', 'continuation'],
    ['context', 'continuation'],
  )
  const sequence =
    typeof context === 'string' && typeof continuation === 'string'
      ? ofText(context, continuation, requireText(op, tokenizer, index))
      : ofIds(context, continuation, index, vocabSize)
  if (sequence.from < 1)
    throw new PromptError(
      `${op}: the context of request ${index} must have at least one token, got none before the continuation; begin with tokenizer.bos`,
      index,
    )
  if (sequence.from === sequence.ids.length)
    throw new PromptError(`${op}: the continuation of request ${index} must have at least one token, got none`, index)
  return sequence
}

function ofText(context: string, continuation: string, tokenizer: Tokenizer): SequenceToScore {
  const { ids, ends } = tokenizer.encodeWithOffsets(context + continuation)
  const from = ends.findIndex((end) => end > context.length)
  return { ids, from: from < 0 ? ids.length : from }
}

function ofIds(context: unknown, continuation: unknown, index: number, vocabSize: number): SequenceToScore {
  const before = checkedIds('logLikelihood', context, index, vocabSize)
  return { ids: [...before, ...checkedIds('logLikelihood', continuation, index, vocabSize)], from: before.length }
}
