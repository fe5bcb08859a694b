/** What a chat template is, and what it makes of messages. */
import { type Span } from '@tarazed/tokenizer'

/** A half-open range of UTF-16 units. */
export interface TextRange {
  readonly start: number
  readonly end: number
}

/** A conversation as one text. */
export interface RenderedChat {
  readonly text: string
  /** The same text in pieces: what the template says, and what others said. Special tokens count only in the former. */
  readonly spans: readonly Span[]
  /**
   * The answers of the assistant with the separators that end them: what fine-tuning trains on. null where the template does
   * not tell.
   */
  readonly answers: readonly TextRange[] | null
}

/** A chat template by name, or one that you made. */
export interface ChatTemplate {
  readonly name: string
  /** Strings that end an answer. */
  readonly stops: readonly string[]
  /** What stands behind a prompt for generation, beyond the text of the template. */
  readonly promptSuffix: string
  /**
   * The text of a conversation. When the last message is the user's, it ends with the cue of the assistant.
   * @throws ChatError or ChatTemplateError
   */
  render(messages: unknown): RenderedChat
}
