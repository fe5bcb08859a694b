/** How surprising a long text is. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type CausalModel } from '../causalModel.js'
import { PromptError } from '../errors.js'
import { checkTokenIds, show } from '../check.js'
import { SCORING_OPTIONS, type ScoringOptions, checkScoring, checkedIds, requireText } from './options.js'
import { type SequenceToScore, scoreSequences } from './scoreSequences.js'

/** Options of `perplexity`. */
export interface PerplexityOptions extends ScoringOptions {
  /** Tokens that the model sees at once. Default: its context length. */
  readonly window?: number
  /**
   * Tokens by which windows follow each other, below `window`: each sees at least `window - stride` tokens before what it scores.
   * Smaller is slower and closer to the model's best. Default: half a window.
   */
  readonly stride?: number
  /**
   * Ids before every window, such as that of `tokenizer.bos`. Without them the very first token is not scored: nothing predicts
   * it.
   */
  readonly prefix?: readonly number[]
}

/** A text's surprise. */
export interface Perplexity {
  /** Scored tokens: all but the first, or all with a prefix. */
  readonly tokens: number
  /** Their summed cost, natural logarithm. */
  readonly nats: number
  /** e^(nats / tokens) */
  readonly perplexity: number
  /** UTF-8 bytes of the scored text; null for ids. */
  readonly bytes: number | null
  /** nats / ln 2 / bytes: comparable between tokenizers. null for ids. */
  readonly bitsPerByte: number | null
}

const OPTIONS = [...SCORING_OPTIONS, 'window', 'stride', 'prefix'] as const

/**
 * The perplexity of a text of any length, by windows that overlap: every token is scored once, with as many tokens before it
 * as its window holds.
 *
 * @param text text or ids, at least one token to score
 * @throws ArgumentError, PromptError, LogitsError, the signal's reason
 */
export async function perplexity<Cache>(
  model: CausalModel<Cache>,
  text: string | ArrayLike<number>,
  options: PerplexityOptions = {},
): Promise<Perplexity> {
  const op = 'perplexity'
  const checked = checkOptions(op, options, OPTIONS)
  const batchSize = checkScoring(op, model, checked)
  const { prefix = [], window = model.contextLength } = checked
  checkTokenIds(op, 'prefix', prefix, model.vocabSize)
  const { stride = Math.max(1, Math.floor((window - prefix.length) / 2)) } = checked
  requireWindow(window, stride, prefix.length, model.contextLength)
  const { ids, bytes } = tokensOf(op, text, checked, prefix.length > 0, model.vocabSize)
  const sequences = windowsOf(ids, prefix, window - prefix.length, stride)
  if (sequences.length === 0)
    throw new PromptError(
      `${op}: there must be a token to score, got ${ids.length} in all and no prefix; give a longer text, or the prefix [bos]`,
      0,
    )
  const scores = await scoreSequences(model, sequences, { ...checked, batchSize })
  const tokens = scores.reduce((sum, { logProbabilities }) => sum + logProbabilities.length, 0)
  const nats = -scores.flatMap(({ logProbabilities }) => logProbabilities).reduce((sum, each) => sum + each, 0)
  const bitsPerByte = bytes === null ? null : nats / Math.LN2 / bytes
  return { tokens, nats, perplexity: Math.exp(nats / tokens), bytes, bitsPerByte }
}

function requireWindow(window: number, stride: number, prefix: number, contextLength: number): void {
  const least = prefix + (prefix > 0 ? 1 : 2)
  if (!Number.isSafeInteger(window) || window < least || window > contextLength)
    throw new ArgumentError(
      `perplexity: window must be an integer from ${least} to the context length ${contextLength}, got ${show(window)}`,
    )
  const most = window - prefix - (prefix > 0 ? 0 : 1) // something must stand before the first scored token
  if (!Number.isSafeInteger(stride) || stride < 1 || stride > most)
    throw new ArgumentError(`perplexity: stride must be an integer from 1 to ${most}, got ${show(stride)}`)
}

function tokensOf(
  op: string,
  text: unknown,
  { tokenizer }: PerplexityOptions,
  isFirstScored: boolean,
  vocabSize: number,
): { ids: readonly number[]; bytes: number | null } {
  if (typeof text !== 'string') return { ids: checkedIds(op, text, 0, vocabSize), bytes: null }
  const { ids, starts } = requireText(op, tokenizer, 0).encodeWithOffsets(text)
  const scored = isFirstScored ? text : text.slice(starts[1] ?? text.length)
  return { ids, bytes: new TextEncoder().encode(scored).length }
}

/** Windows of `size` tokens behind the prefix; each scores what the one before did not. */
function windowsOf(ids: readonly number[], prefix: readonly number[], size: number, stride: number): SequenceToScore[] {
  const windows: SequenceToScore[] = []
  let scored = prefix.length > 0 ? 0 : 1
  for (let begin = 0; scored < ids.length; begin += stride) {
    const end = Math.min(begin + size, ids.length)
    windows.push({ ids: [...prefix, ...ids.slice(begin, end)], from: prefix.length + scored - begin })
    scored = end
  }
  return windows
}
