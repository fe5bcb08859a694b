/** Conversations as lists of messages, checked. */
import { ChatError } from '../errors.js'
import { show } from '../check.js'

/** A part of a message's content. Only text is understood. */
export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** One message, as in the chat interfaces of OpenAI. */
export interface ChatMessage {
  /** `system` comes first, if at all; then `user` and `assistant` take turns. */
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string | readonly TextPart[]
}

/** A conversation taken apart. */
export interface Conversation {
  /** undefined: none was given. */
  readonly system: string | undefined
  /** User, assistant, user, … */
  readonly turns: readonly string[]
}

/**
 * @param op names the function in messages
 * @throws ChatError for roles out of order or unknown, content that is no text, or no turn at all
 */
export function conversationOf(op: string, messages: unknown): Conversation {
  requireMessages(op, messages)
  const texts = messages.map((message, index) => contentOf(op, message, index))
  const hasSystem = messages[0].role === 'system'
  const turns = hasSystem ? texts.slice(1) : texts
  messages.slice(hasSystem ? 1 : 0).forEach(({ role }, turn) => {
    const index = turn + (hasSystem ? 1 : 0)
    const wanted = turn % 2 === 0 ? 'user' : 'assistant'
    if (role !== wanted)
      throw new ChatError(
        `${op}: user and assistant must take turns, the user first, got ${show(role)} for message ${index}; ${wayOut(role)}`,
        index,
      )
  })
  if (turns.length === 0)
    throw new ChatError(`${op}: there must be a message of the user, got a system message only; add one`, null)
  return { system: hasSystem ? texts[0] : undefined, turns }
}

function wayOut(role: string): string {
  if (role === 'system') return 'a system message comes first, and once'
  return role === 'user' || role === 'assistant'
    ? 'join messages that follow each other'
    : 'the roles are system, user and assistant'
}

/** @throws ChatError unless it is a list of objects with a role, not empty */
export function requireMessages(
  op: string,
  messages: unknown,
): asserts messages is readonly { readonly role: string; readonly content?: unknown }[] {
  if (!Array.isArray(messages))
    throw new ChatError(
      `${op}: messages must be a list, got ${show(messages)}; write [{ role: 'user', content: '…' }]`,
      null,
    )
  if (messages.length === 0)
    throw new ChatError(`${op}: there must be a message of the user, got an empty list; add one`, null)
  messages.forEach((message: unknown, index) => {
    const role = typeof message === 'object' && message !== null ? (message as { role?: unknown }).role : undefined
    if (typeof role !== 'string')
      throw new ChatError(
        `${op}: a message must have a role, got ${show(message)} for message ${index}; write { role: 'user', content: '…' }`,
        index,
      )
  })
}

function contentOf(op: string, message: { readonly content?: unknown }, index: number): string {
  const { content } = message
  if (typeof content === 'string') return content
  const parts: unknown[] = Array.isArray(content) ? content : [undefined]
  return parts
    .map((part) => {
      const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown }
      if (type === 'text' && typeof text === 'string') return text
      const got = type === undefined ? show(content) : `a part of type ${show(type)}`
      throw new ChatError(
        `${op}: content must be text, or a list of { type: 'text', text }, got ${got} in message ${index}; this model reads text only`,
        index,
      )
    })
    .join('')
}
