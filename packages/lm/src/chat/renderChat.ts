/** A conversation as text and as ids: for generation, and for training. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Encoding, type Tokenizer } from '@tarazed/tokenizer'
import { requireCount, requireFlag, requireString, show } from '../check.js'
import { ChatError, ContextLengthError } from '../errors.js'
import { type AquilaTemplateName } from './aquilaTemplates.js'
import { type ChatTemplate, type RenderedChat, type TextRange } from './chatTemplate.js'
import { type ChatMessage, requireMessages } from './messages.js'
import { resolveTemplate } from './templateFor.js'

/**
 * The text of a conversation. When the last message is the user's, it ends with the cue of the assistant. An empty message counts as
 * absent: only its header is written.
 *
 * @param messages a system message first, if at all, then user and assistant in turns
 * @throws ChatError for messages that make no conversation, or a system message where the template has none; ArgumentError
 * for an unknown template
 */
export function renderChat(
  template: AquilaTemplateName | ChatTemplate,
  messages: readonly ChatMessage[],
): RenderedChat {
  return resolveTemplate('renderChat', template).render(messages)
}

/** Options of `chatPrompt`. */
export interface ChatPromptOptions {
  /**
   * Stands behind the prompt. Default: the template's, for those of Aquila one blank, as in the reference; `''` is how the models were
   * trained.
   */
  readonly promptSuffix?: string
  /** The most tokens. Beyond it the oldest pairs of user and assistant are dropped. Default: no limit. */
  readonly maxTokens?: number
  /** Special tokens in messages count, as in the reference: whoever writes a message can then forge turns. Default false. */
  readonly allowSpecialInContent?: boolean
}

/** A prompt for generation. */
export interface ChatPrompt {
  readonly ids: readonly number[]
  /** Without the suffix. */
  readonly text: string
  /** Pairs of messages that did not fit. */
  readonly droppedPairs: number
}

const PROMPT_OPTIONS = ['promptSuffix', 'maxTokens', 'allowSpecialInContent'] as const

/**
 * The ids of a conversation that the assistant is to continue, as one tokenisation over all spans.
 *
 * @throws ChatError when the last message is not the user's; ContextLengthError when the system message and the last
 * message of the user alone are over `maxTokens`: these are never dropped
 */
export function chatPrompt(
  tokenizer: Tokenizer,
  template: AquilaTemplateName | ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatPromptOptions = {},
): ChatPrompt {
  const chosen = resolveTemplate('chatPrompt', template)
  const {
    promptSuffix = chosen.promptSuffix,
    maxTokens = Infinity,
    allowSpecialInContent = false,
  } = checkOptions('chatPrompt', options, PROMPT_OPTIONS)
  requireString('chatPrompt', 'promptSuffix', promptSuffix)
  if (maxTokens !== Infinity) requireCount('chatPrompt', 'maxTokens', maxTokens, 0)
  requireFlag('chatPrompt', 'allowSpecialInContent', allowSpecialInContent)
  requireSpans('chatPrompt', tokenizer)
  requireQuestion(messages)
  const without = (dropped: number): ChatPrompt => {
    const { text, spans } = chosen.render(withoutPairs(messages, dropped))
    const ids = allowSpecialInContent
      ? tokenizer.encode(text + promptSuffix)
      : tokenizer.encodeSpans([...spans, { text: promptSuffix, template: true }]).ids
    return { ids, text, droppedPairs: dropped }
  }
  return leastDropped(questionsOf(messages).length - 1, maxTokens, without)
}

/** @throws ArgumentError */
function requireSpans(op: string, tokenizer: unknown): void {
  if (typeof (tokenizer as Partial<Tokenizer> | null | undefined)?.encodeSpans !== 'function')
    throw new ArgumentError(`${op}: tokenizer must be a tokenizer, got ${show(tokenizer)}; await loadTokenizer(folder)`)
}

/** @throws ChatError unless it is the assistant's turn */
function requireQuestion(messages: unknown): asserts messages is readonly ChatMessage[] {
  requireMessages('chatPrompt', messages)
  const { role, content } = messages[messages.length - 1]
  if (role !== 'assistant' || content === '') return
  throw new ChatError(
    'chatPrompt: the last message must be the user’s, got one of the assistant; chatLabels takes finished conversations',
    messages.length - 1,
  )
}

/** Where the messages of the user are: a pair is one of them with the answer to it. */
function questionsOf(messages: readonly ChatMessage[]): number[] {
  return messages.flatMap(({ role }, index) => (role === 'user' ? index : []))
}

function withoutPairs(messages: readonly ChatMessage[], dropped: number): readonly ChatMessage[] {
  if (dropped === 0) return messages
  const system = messages[0].role === 'system' ? [messages[0]] : []
  return [...system, ...messages.slice(questionsOf(messages)[dropped])]
}

/** The prompt with the fewest pairs dropped that fits. Fewer pairs are fewer tokens, so halving the range finds it. */
function leastDropped(pairs: number, maxTokens: number, without: (dropped: number) => ChatPrompt): ChatPrompt {
  const whole = without(0)
  if (whole.ids.length <= maxTokens) return whole
  let best = without(Math.max(0, pairs))
  if (best.ids.length > maxTokens)
    throw new ContextLengthError(
      `chatPrompt: the system message and the last message must fit into ${maxTokens} tokens, got ${best.ids.length}; shorten the message, or ask for fewer new tokens`,
      best.ids.length,
      0,
      maxTokens,
    )
  let tooFew = 0
  while (best.droppedPairs - tooFew > 1) {
    const middle = without(Math.floor((best.droppedPairs + tooFew) / 2))
    if (middle.ids.length <= maxTokens) best = middle
    else tooFew = middle.droppedPairs
  }
  return best
}

/** A conversation for training: labels are the ids of answers and their ends, -100 elsewhere. */
export interface ChatLabels {
  readonly ids: readonly number[]
  readonly labels: readonly number[]
  readonly text: string
}

/** What labels are where nothing is to be learnt. */
export const IGNORED_LABEL = -100

/**
 * Ids and labels of a conversation for fine-tuning: one tokenisation, and every token that overlaps an answer (with its end)
 * in at least one character is trained. So a token that begins in the header and ends in the answer belongs to the
 * answer, and no sample is lost.
 *
 * @throws ChatError for a template that does not tell where answers are
 */
export function chatLabels(
  tokenizer: Tokenizer,
  template: AquilaTemplateName | ChatTemplate,
  messages: readonly ChatMessage[],
): ChatLabels {
  const chosen = resolveTemplate('chatLabels', template)
  const { text, spans, answers } = chosen.render(messages)
  if (answers === null)
    throw new ChatError(
      `chatLabels: the template must tell where answers are, but ${chosen.name} does not; use one of the named templates`,
      null,
    )
  requireSpans('chatLabels', tokenizer)
  const encoding = tokenizer.encodeSpans(spans)
  return { ids: encoding.ids, labels: labelsOf(encoding, answers), text }
}

/** The ids of tokens that overlap a range, -100 elsewhere. */
function labelsOf({ ids, starts, ends }: Encoding, ranges: readonly TextRange[]): number[] {
  return ids.map((id, at) =>
    ranges.some(({ start, end }) => starts[at] < end && ends[at] > start) ? id : IGNORED_LABEL,
  )
}
