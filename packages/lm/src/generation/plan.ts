/** Prompts and options of a call, checked and filled in: one plan for each sequence. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { ContextLengthError, PromptError } from '../errors.js'
import { AQUILA1_CONTEXT, ORDER_DEFAULTS } from '../sampling/presets.js'
import { checkTokenIds, requireCount, requireFlag, requireStrings, show } from '../check.js'
import { type SamplingRules, checkRuleValues } from '../sampling/rules.js'
import { requireSeed } from '../sampling/threefry.js'

/** How one sequence is generated. Rules that are left out have the values of their order: see `ORDER_DEFAULTS`. */
export interface SequenceOptions extends SamplingRules {
  /** Default 200, or what the context still holds. More than it holds is an error. */
  readonly maxNewTokens?: number
  /** Stop ids are forbidden before. Default 0. */
  readonly minNewTokens?: number
  /** Strings that end the answer and are not part of it. */
  readonly stop?: readonly string[]
  /** Token ids that end the answer. Default: the tokenizer's `eos`, and the generator's `stopIds`. */
  readonly stopIds?: readonly number[]
  /** In [0, 2^53). The same seed gives the same answer on every backend. Default 123. */
  readonly seed?: number
  /** Report the probability of every token after all rules. Default false. */
  readonly probabilities?: boolean
  /** Whether special tokens spelt out in a prompt count as such. Default true; false for text of strangers. */
  readonly allowSpecial?: boolean
  /** Leave special tokens out of the text. Default true. */
  readonly skipSpecial?: boolean
  /** Leave out one blank at the very beginning of the answer. Default false. */
  readonly dropLeadingSpace?: boolean
}

/** Text, ids, or one of them with options of its own, which win over those of the call. */
export type Prompt = string | ArrayLike<number> | PromptWithOptions

/** A prompt with options of its own. */
export interface PromptWithOptions extends SequenceOptions {
  readonly prompt: string | ArrayLike<number>
}

/** A sequence that is ready to run: nothing is left open. */
export interface SequencePlan {
  readonly index: number
  readonly ids: readonly number[]
  /** Ids below this can be drawn: rows of the model that the tokenizer has no token for are padding. */
  readonly drawable: number
  /** Whether these are all rows of the model. */
  readonly drawsAll: boolean
  readonly maxNewTokens: number
  readonly minNewTokens: number
  readonly rules: SamplingRules
  readonly stop: readonly string[]
  readonly stopIds: readonly number[]
  readonly seed: number
  readonly probabilities: boolean
  readonly skipSpecial: boolean
  readonly dropLeadingSpace: boolean
}

/** What plans are made against. */
export interface PlanContext {
  /** The function in messages. */
  readonly op: string
  readonly tokenizer?: Tokenizer
  readonly vocabSize: number
  readonly contextLength: number
  /** Where a call names none. */
  readonly stopIds: readonly number[]
}

export const SEQUENCE_OPTIONS: readonly (keyof SequenceOptions)[] = [
  'maxNewTokens',
  'temperature',
  'topK',
  'topP',
  'seed',
  'stop',
  'order',
  'minP',
  'typicalP',
  'repetitionPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'noRepeatNgram',
  'logitBias',
  'forbid',
  'minNewTokens',
  'stopIds',
  'probabilities',
  'allowSpecial',
  'skipSpecial',
  'dropLeadingSpace',
]

/** The reference's. */
export const DEFAULT_NEW_TOKENS = 200
const DEFAULT_SEED = 123

/**
 * @param shared options of the call, checked for names already
 * @throws ArgumentError, PromptError, ContextLengthError
 */
export function planSequences(prompts: unknown, shared: SequenceOptions, context: PlanContext): SequencePlan[] {
  if (!Array.isArray(prompts))
    throw new ArgumentError(
      `${context.op}: prompts must be a list of strings or of lists of ids, got ${show(prompts)}; write [prompt]`,
    )
  return prompts.map((prompt: unknown, index) => planSequence(prompt, index, shared, context))
}

function planSequence(given: unknown, index: number, shared: SequenceOptions, context: PlanContext): SequencePlan {
  const { op } = context
  const { prompt, own } = takeApart(given, index, context)
  const options = { ...shared, ...own }
  checkRuleValues(op, options, context.vocabSize)
  checkSequenceValues(options, context)
  const { order = 'aquila', stop = [], stopIds = context.stopIds, minNewTokens = 0 } = options
  const ids = idsOf(prompt, index, options.allowSpecial ?? true, context)
  const drawable = context.tokenizer?.vocabSize ?? context.vocabSize
  return {
    index,
    ids,
    drawable,
    drawsAll: drawable === context.vocabSize,
    maxNewTokens: newTokensOf(options.maxNewTokens, ids.length, contextOf(options, context), op),
    minNewTokens,
    rules: rulesOf({ ...options, order }),
    stop,
    stopIds: [...stopIds, ...specialIds(stop, context.tokenizer)],
    seed: options.seed ?? DEFAULT_SEED,
    probabilities: options.probabilities ?? false,
    skipSpecial: options.skipSpecial ?? true,
    dropLeadingSpace: options.dropLeadingSpace ?? false,
  }
}

function takeApart(given: unknown, index: number, { op }: PlanContext): { prompt: unknown; own: SequenceOptions } {
  if (typeof given !== 'object' || given === null || isList(given)) return { prompt: given, own: {} }
  const names = ['prompt', ...SEQUENCE_OPTIONS] as const
  const { prompt, ...own } = checkOptions(`${op}: prompt ${index}`, given as PromptWithOptions, names, ['prompt'])
  return { prompt, own: withoutUndefined(own) }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || ArrayBuffer.isView(value)
}

/** An option that is given as undefined does not hide that of the call. */
function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

function idsOf(
  prompt: unknown,
  index: number,
  allowSpecial: boolean,
  { op, tokenizer, vocabSize }: PlanContext,
): readonly number[] {
  const ids = typeof prompt === 'string' ? encoded(prompt, index, allowSpecial, op, tokenizer) : prompt
  if (!isList(ids))
    throw new PromptError(`${op}: prompt ${index} must be text or token ids, got ${show(prompt)}`, index)
  if (ids.length === 0)
    throw new PromptError(
      `${op}: prompt ${index} must have at least one token, got none; begin with tokenizer.bos to start from nothing`,
      index,
    )
  const bad = Array.from(ids).find((id) => !Number.isInteger(id) || (id as number) < 0 || (id as number) >= vocabSize)
  if (bad !== undefined)
    throw new PromptError(
      `${op}: ids of prompt ${index} must be in the model's vocabulary, 0 … ${vocabSize - 1}, got ${show(bad)}; use the tokenizer that belongs to the model`,
      index,
    )
  return Array.from(ids as ArrayLike<number>)
}

function encoded(text: string, index: number, allowSpecial: boolean, op: string, tokenizer?: Tokenizer): number[] {
  if (tokenizer === undefined)
    throw new PromptError(
      `${op}: prompt ${index} is text, which takes a tokenizer; give createGenerator one, or pass ids`,
      index,
    )
  return tokenizer.encode(text, { allowSpecial })
}

function checkSequenceValues(options: SequenceOptions, { op, tokenizer, vocabSize }: PlanContext): void {
  requireCount(op, 'maxNewTokens', options.maxNewTokens, 1)
  requireCount(op, 'minNewTokens', options.minNewTokens, 0)
  if (options.seed !== undefined) requireSeed(op, options.seed)
  if (options.stopIds !== undefined) checkTokenIds(op, 'stopIds', options.stopIds, vocabSize)
  for (const name of ['probabilities', 'allowSpecial', 'skipSpecial', 'dropLeadingSpace'] as const)
    requireFlag(op, name, options[name])
  const { stop } = options
  if (stop === undefined) return
  requireStrings(op, 'stop', stop)
  if (stop.length > 0 && tokenizer === undefined)
    throw new ArgumentError(`${op}: stop strings take a tokenizer; give createGenerator one, or use stopIds`)
}

function contextOf({ order }: SequenceOptions, { contextLength }: PlanContext): number {
  return order === 'aquila1' ? Math.min(contextLength, AQUILA1_CONTEXT) : contextLength
}

function newTokensOf(wanted: number | undefined, promptTokens: number, contextLength: number, op: string): number {
  const room = contextLength - promptTokens
  if (room < (wanted ?? 1))
    throw new ContextLengthError(
      `${op}: prompt and new tokens must fit into the context of ${contextLength} tokens, got ${promptTokens} + ${wanted ?? 'at least 1'}; ask for ${room > 0 ? `at most ${room}` : 'less'} or shorten the prompt`,
      promptTokens,
      wanted ?? 1,
      contextLength,
    )
  return wanted ?? Math.min(DEFAULT_NEW_TOKENS, room)
}

function rulesOf(options: SequenceOptions & Required<Pick<SequenceOptions, 'order'>>): SamplingRules {
  const defaults = ORDER_DEFAULTS[options.order]
  return {
    order: options.order,
    temperature: options.temperature ?? defaults.temperature,
    topK: options.topK ?? defaults.topK,
    topP: options.topP ?? defaults.topP,
    minP: options.minP,
    typicalP: options.typicalP,
    repetitionPenalty: options.repetitionPenalty,
    frequencyPenalty: options.frequencyPenalty,
    presencePenalty: options.presencePenalty,
    noRepeatNgram: options.noRepeatNgram,
    logitBias: options.logitBias,
    forbid: options.forbid,
  }
}

/** A stop string that is a special token never shows in the text: its id stops too. */
function specialIds(stop: readonly string[], tokenizer?: Tokenizer): number[] {
  return stop.flatMap((text) => tokenizer?.specialTokens.get(text) ?? [])
}
