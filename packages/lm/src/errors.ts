/**
 * Error classes of this package; a wrong option is an `ArgumentError` of the tensor core.
 * Messages follow: *function: rule, got value; way out.*
 */
import { TarazedError } from '@tarazed/tensor'

/** A prompt that the model cannot take: empty, ids beyond the vocabulary, or text without a tokenizer. */
export class PromptError extends TarazedError {
  override readonly name = 'PromptError'
  /** Which prompt of the call, from 0. */
  readonly index: number
  constructor(message: string, index: number) {
    super(message)
    this.index = index
  }
}

/** Prompt and answer do not fit into the model's context. Nothing is cut in silence. */
export class ContextLengthError extends TarazedError {
  override readonly name = 'ContextLengthError'
  readonly promptTokens: number
  /** Tokens that were asked for behind the prompt. */
  readonly maxNewTokens: number
  readonly contextLength: number
  constructor(message: string, promptTokens: number, maxNewTokens: number, contextLength: number) {
    super(message)
    this.promptTokens = promptTokens
    this.maxNewTokens = maxNewTokens
    this.contextLength = contextLength
  }
}

/** Logits from which nothing can be drawn: NaN, +Infinity, or every token forbidden. */
export class LogitsError extends TarazedError {
  override readonly name = 'LogitsError'
}

/** Messages that make no conversation: wrong roles, wrong order, content that is no text. */
export class ChatError extends TarazedError {
  override readonly name = 'ChatError'
  /** Which message, from 0; null for the list as a whole. */
  readonly messageIndex: number | null
  constructor(message: string, messageIndex: number | null) {
    super(message)
    this.messageIndex = messageIndex
  }
}

/** A Jinja `chat_template` that cannot be read or rendered; the original error is the cause. */
export class ChatTemplateError extends TarazedError {
  override readonly name = 'ChatTemplateError'
}
