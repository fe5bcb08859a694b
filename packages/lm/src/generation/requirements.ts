/** A model and a tokenizer that belong together, checked. */
import { ArgumentError } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { show } from '../check.js'

/** @throws ArgumentError */
export function requireModel(op: string, model: unknown): asserts model is CausalModel<unknown> {
  const { vocabSize, contextLength, forwardCached, emptyCache } = (model ?? {}) as Partial<CausalModel<unknown>>
  const isModel = typeof forwardCached === 'function' && typeof emptyCache === 'function'
  if (isModel && Number.isSafeInteger(vocabSize) && Number.isSafeInteger(contextLength)) return
  throw new ArgumentError(
    `${op}: model must be a causal language model (vocabSize, contextLength, emptyCache, forwardCached), got ${show(model)}; a checkpoint is loaded with fromPretrained`,
  )
}

/** @throws ArgumentError */
export function requireTokenizer(op: string, tokenizer: unknown, vocabSize: number): void {
  if (tokenizer === undefined) return
  const { encode, stream, vocabSize: tokens } = (tokenizer ?? {}) as Partial<Tokenizer>
  if (typeof encode !== 'function' || typeof stream !== 'function')
    throw new ArgumentError(`${op}: tokenizer must be a tokenizer, got ${show(tokenizer)}; await loadTokenizer(folder)`)
  if (!(tokens! <= vocabSize))
    throw new ArgumentError(
      `${op}: the tokenizer must not have more tokens than the model, got ${String(tokens)} and ${vocabSize}; take both from one folder`,
    )
}
