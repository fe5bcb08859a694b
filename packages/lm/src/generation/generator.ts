/** `createGenerator`: a model with its tokenizer, ready to answer. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { checkTokenIds, show } from '../sampling/rules.js'
import { type GenerationEvent, type GenerationResult } from './events.js'
import { runPlans } from './generate.js'
import { type Prompt, SEQUENCE_OPTIONS, type SequenceOptions, type SequencePlan, planSequences } from './plan.js'

/** What a generator is made of. */
export interface GeneratorOptions<Cache = unknown> {
  readonly model: CausalModel<Cache>
  /** Needed for prompts, answers and stop strings as text; without it everything is ids. */
  readonly tokenizer?: Tokenizer
  /** Sequences that are decoded together, at most; more prompts are answered batch after batch. Default 16. */
  readonly maxBatch?: number
  /** Ids that end every answer, as a `generation_config.json` names them. Default: the tokenizer's `eos`. */
  readonly stopIds?: readonly number[]
}

/** Options of a call: those of its sequences, and what ends it. */
export interface GenerateOptions extends SequenceOptions {
  /** Ends the call promptly: unfinished sequences get a last event, then its reason is thrown. */
  readonly signal?: AbortSignal
}

/** Answers prompts. Calls may overlap: each has a cache of its own. */
export interface TextGenerator {
  /**
   * Streams the answers to all prompts, token by token; events of different prompts mix.
   *
   * Breaking out of the loop frees the cache. After an error or an abort, what was told before stays valid.
   *
   * @throws ArgumentError, PromptError and ContextLengthError at once; LogitsError for a prompt whose logits are broken, after
   * the others are finished; what a backend throws
   */
  generate(prompts: readonly Prompt[], options?: GenerateOptions): AsyncGenerator<GenerationEvent, void, undefined>
  /** The finished answers, in the order of the prompts. Throws as `generate`. */
  complete(prompts: readonly Prompt[], options?: GenerateOptions): Promise<GenerationResult[]>
}

/**
 * @throws ArgumentError for a model or tokenizer that is none, or a tokenizer with more tokens than the model
 */
export function createGenerator<Cache>(options: GeneratorOptions<Cache>): TextGenerator {
  const op = 'createGenerator'
  const {
    model,
    tokenizer,
    maxBatch = 16,
    stopIds,
  } = checkOptions(op, options, ['model', 'tokenizer', 'maxBatch', 'stopIds'], ['model'])
  requireModel(op, model)
  requireTokenizer(op, tokenizer, model.vocabSize)
  if (!Number.isSafeInteger(maxBatch) || maxBatch < 1)
    throw new ArgumentError(`${op}: maxBatch must be an integer of at least 1, got ${show(maxBatch)}`)
  if (stopIds !== undefined) checkTokenIds(op, 'stopIds', stopIds, model.vocabSize)

  const plan = (call: string, prompts: unknown, given: GenerateOptions): SequencePlan[] => {
    const { signal: _, ...shared } = checkOptions(call, given, [...SEQUENCE_OPTIONS, 'signal'])
    const { vocabSize, contextLength } = model
    const context = { op: call, tokenizer, vocabSize, contextLength, stopIds: stopIds ?? eosIds(tokenizer) }
    return planSequences(prompts, shared, context)
  }
  const generate: TextGenerator['generate'] = (prompts, given = {}) => {
    const plans = plan('generate', prompts, given)
    return runPlans(model, plans, { tokenizer, maxBatch, signal: given.signal })
  }
  return {
    generate,
    async complete(prompts, given = {}) {
      const results: GenerationResult[] = []
      for await (const { result } of generate(prompts, given)) if (result !== undefined) results[result.index] = result
      return results
    },
  }
}

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

function eosIds(tokenizer: Tokenizer | undefined): number[] {
  const id = tokenizer?.eos === undefined ? undefined : tokenizer.tokenToId(tokenizer.eos)
  return id === undefined ? [] : [id]
}
