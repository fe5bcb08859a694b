/** `createGenerator`: a model with its tokenizer, ready to answer. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { type AquilaTemplateName } from '../chat/aquilaTemplates.js'
import { type ChatTemplate } from '../chat/chatTemplate.js'
import { type ChatMessage } from '../chat/messages.js'
import { type ChatPromptOptions, chatPrompt } from '../chat/renderChat.js'
import { resolveTemplate } from '../chat/templateFor.js'
import { checkTokenIds, requireCount, requireFunction, requireSignal } from '../check.js'

import { type GenerationEvent, type GenerationResult } from './events.js'
import { runPlans } from './generate.js'
import { requireModel, requireTokenizer } from './requirements.js'
import {
  DEFAULT_NEW_TOKENS,
  type Prompt,
  SEQUENCE_OPTIONS,
  type SequenceOptions,
  type SequencePlan,
  planSequences,
} from './plan.js'

/** What a generator is made of. */
export interface GeneratorOptions<Cache = unknown> {
  readonly model: CausalModel<Cache>
  /** Needed for prompts, answers and stop strings as text; without it everything is ids. */
  readonly tokenizer?: Tokenizer
  /** Sequences that are decoded together, at most; more prompts are answered batch after batch. Default 16. */
  readonly maxBatch?: number
  /** Ids that end every answer, as a `generation_config.json` names them. Default: the tokenizer's `eos`. */
  readonly stopIds?: readonly number[]
  /** How chats are written, as `templateFor`, `jinjaTemplate` or `fromPretrained` name it. */
  readonly template?: AquilaTemplateName | ChatTemplate
}

/** Options of a call: those of its sequences, and what ends it. */
export interface GenerateOptions extends SequenceOptions {
  /** Ends the call promptly: unfinished sequences get a last event, then its reason is thrown. */
  readonly signal?: AbortSignal
}

/** Options of a chat: those of a call, and how messages become a prompt. */
export interface ChatOptions extends GenerateOptions, Omit<ChatPromptOptions, 'maxTokens'> {
  /** Default: that of the generator. */
  readonly template?: AquilaTemplateName | ChatTemplate
  /** Told how many pairs of messages were left out, when any were. */
  readonly onDropped?: (pairs: number) => void
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
  /**
   * Streams the assistant's next answer of a conversation. Where the context does not hold all of it beside the new tokens, the
   * oldest pairs of messages are left out. Stops are those of the template, a leading blank is dropped unless
   * `dropLeadingSpace` is false.
   *
   * @throws ChatError besides what `generate` throws; ContextLengthError when the last message alone does not fit
   */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): AsyncGenerator<GenerationEvent, void, undefined>
  /** The finished answers, in the order of the prompts. Throws as `generate`. */
  complete(prompts: readonly Prompt[], options?: GenerateOptions): Promise<GenerationResult[]>
}

/**
 * @throws ArgumentError for a model or tokenizer that is none, or a tokenizer with more tokens than the model
 */
export function createGenerator<Cache>(options: GeneratorOptions<Cache>): TextGenerator {
  const op = 'createGenerator'
  const names = ['model', 'tokenizer', 'maxBatch', 'stopIds', 'template'] as const
  const { model, tokenizer, maxBatch = 16, stopIds, template } = checkOptions(op, options, names, ['model'])
  requireModel(op, model)
  requireTokenizer(op, tokenizer, model.vocabSize)
  requireCount(op, 'maxBatch', maxBatch, 1)
  if (stopIds !== undefined) checkTokenIds(op, 'stopIds', stopIds, model.vocabSize)
  if (template !== undefined) resolveTemplate(op, template)

  const plan = (call: string, prompts: unknown, given: GenerateOptions): SequencePlan[] => {
    const { signal, ...shared } = checkOptions(call, given, [...SEQUENCE_OPTIONS, 'signal'])
    requireSignal(call, signal)
    const { vocabSize, contextLength } = model
    const context = { op: call, tokenizer, vocabSize, contextLength, stopIds: stopIds ?? eosIds(tokenizer) }
    return planSequences(prompts, shared, context)
  }
  const generate: TextGenerator['generate'] = (prompts, given = {}) => {
    const plans = plan('generate', prompts, given)
    return runPlans(model, plans, { tokenizer, maxBatch, signal: given.signal })
  }
  const chat: TextGenerator['chat'] = (messages, given = {}) => {
    const { onDropped, ...rest } = checkOptions('chat', given, CHAT_OPTIONS)
    const { template: chosen = template, promptSuffix, allowSpecialInContent, ...shared } = rest
    if (tokenizer === undefined)
      throw new ArgumentError('chat: messages take a tokenizer; give createGenerator the one of the model')
    requireFunction('chat', 'onDropped', onDropped)
    requireCount('chat', 'maxNewTokens', shared.maxNewTokens, 1)
    const { stops } = resolveTemplate('chat', chosen)
    const maxTokens = model.contextLength - (shared.maxNewTokens ?? reservedTokens(model.contextLength))
    const prompt = chatPrompt(tokenizer, chosen!, messages, { promptSuffix, allowSpecialInContent, maxTokens })
    if (prompt.droppedPairs > 0) onDropped?.(prompt.droppedPairs)
    const stop = [...stops, ...(shared.stop ?? [])]
    return generate([prompt.ids], { dropLeadingSpace: true, ...shared, stop })
  }
  return {
    generate,
    chat,
    async complete(prompts, given = {}) {
      const results: GenerationResult[] = []
      for await (const { result } of generate(prompts, given)) if (result !== undefined) results[result.index] = result
      return results
    },
  }
}

const CHAT_OPTIONS = [
  ...SEQUENCE_OPTIONS,
  'signal',
  'template',
  'promptSuffix',
  'allowSpecialInContent',
  'onDropped',
] as const

/** Kept free for an answer whose length is not given. */
function reservedTokens(contextLength: number): number {
  return Math.min(DEFAULT_NEW_TOKENS, Math.floor(contextLength / 2))
}

function eosIds(tokenizer: Tokenizer | undefined): number[] {
  const id = tokenizer?.eos === undefined ? undefined : tokenizer.tokenToId(tokenizer.eos)
  return id === undefined ? [] : [id]
}
