/** What all functions of scoring take. */
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { ContextLengthError, PromptError } from '../errors.js'
import { requireModel, requireTokenizer } from '../generation/requirements.js'
import { requireCount, requireFunction, requireSignal, show } from '../check.js'

/** Options of every scoring function. */
export interface ScoringOptions {
  /** Needed for text; ids do without. */
  readonly tokenizer?: Tokenizer
  /** Sequences at once, at most; fewer where the vocabulary is large. Default 16. */
  readonly batchSize?: number
  /** Ends the call between two chunks with its reason. */
  readonly signal?: AbortSignal
  /** Told after every batch. */
  readonly onProgress?: (done: number, total: number) => void
}

export const SCORING_OPTIONS = ['tokenizer', 'batchSize', 'signal', 'onProgress'] as const

const DEFAULT_BATCH = 16

/** @returns the size of batches. @throws ArgumentError for a model, tokenizer or batch size that is none */
export function checkScoring(op: string, model: CausalModel<unknown>, options: ScoringOptions): number {
  requireModel(op, model)
  requireTokenizer(op, options.tokenizer, model.vocabSize)
  const { batchSize = DEFAULT_BATCH, signal, onProgress } = options
  requireCount(op, 'batchSize', batchSize, 1)
  requireSignal(op, signal)
  requireFunction(op, 'onProgress', onProgress)
  return batchSize
}

/** @throws PromptError when there is none */
export function requireText(op: string, tokenizer: Tokenizer | undefined, index: number): Tokenizer {
  if (tokenizer !== undefined) return tokenizer
  throw new PromptError(`${op}: text ${index} takes a tokenizer; pass tokenizer, or ids`, index)
}

/** Ids as a list. @throws PromptError for anything else, or ids beyond the vocabulary */
export function checkedIds(op: string, ids: unknown, index: number, vocabSize: number): number[] {
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids))
    throw new PromptError(`${op}: item ${index} must be text or token ids, got ${show(ids)}`, index)
  const list = Array.from(ids as ArrayLike<number>)
  const bad = list.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize)
  if (bad === undefined) return list
  throw new PromptError(
    `${op}: ids of item ${index} must be in the model's vocabulary, 0 … ${vocabSize - 1}, got ${show(bad)}; use the tokenizer that belongs to the model`,
    index,
  )
}

/** @throws ContextLengthError when a sequence is longer than the context */
export function requireFits(op: string, tokens: number, index: number, contextLength: number): void {
  if (tokens <= contextLength) return
  throw new ContextLengthError(
    `${op}: item ${index} must fit into the context of ${contextLength} tokens, got ${tokens}; shorten it, or score long texts with perplexity`,
    tokens,
    0,
    contextLength,
  )
}
