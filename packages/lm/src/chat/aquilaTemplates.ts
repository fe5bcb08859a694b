/**
 * The five chat templates of Aquila.
 * @source FlagAI, flagai/model/aquila2/conversation.py; FlagAI-Open/Aquila2
 */
import { ChatError } from '../errors.js'
import { type ChatTemplate, type RenderedChat, type TextRange } from './chatTemplate.js'
import { conversationOf } from './messages.js'
import { SpanWriter } from './spanWriter.js'

/** The names of the five templates. */
export type AquilaTemplateName = 'aquila-v1' | 'aquila-legacy' | 'aquila-v2' | 'aquila' | 'aquila-chat'

/** What the models were trained to read first. */
export const AQUILA_SYSTEM =
  "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the human's questions."

/** How the turns of one role are written. */
interface RoleFormat {
  /** Before a message. */
  readonly header: string
  /** Instead of a message that is empty; `header` begins with it. At the end it asks the assistant to speak. */
  readonly cue: string
  /** After a message. */
  readonly end: string
}

/** A template as data. */
interface Format {
  /** null: the model knows none. */
  readonly system: string | null
  /** Belongs to the system message. */
  readonly systemEnd: string
  /** Before the turns, with a system message or without. */
  readonly turnsBegin: string
  readonly user: RoleFormat
  readonly assistant: RoleFormat
  readonly stops: readonly string[]
}

/** Header and cue are the same. */
function role(header: string, end: string): RoleFormat {
  return { header, cue: header, end }
}

/** A blank follows the colon only when a message follows. */
function withColon(name: string, end: string): RoleFormat {
  return { header: `${name}: `, cue: `${name}:`, end }
}

const PIECES = { user: role('<|startofpiece|>', ''), assistant: role('<|endofpiece|>', '</s>') }

const FORMATS: Readonly<Record<AquilaTemplateName, Format>> = {
  'aquila-v1': { system: null, systemEnd: '', turnsBegin: '', ...PIECES, stops: ['</s>', '<|endoftext|>'] },
  'aquila-legacy': {
    system: AQUILA_SYSTEM,
    systemEnd: '\n\n',
    turnsBegin: '',
    user: role('### Human: ', '\n'),
    assistant: role('### Assistant: ', '</s>'),
    stops: ['</s>', '[UNK]'],
  },
  'aquila-v2': {
    system: AQUILA_SYSTEM,
    systemEnd: '\n\n',
    turnsBegin: '',
    ...PIECES,
    stops: ['</s>', '<|endoftext|>', '<|startofpiece|>', '<|endofpiece|>'],
  },
  aquila: {
    system: AQUILA_SYSTEM,
    systemEnd: '',
    turnsBegin: '###',
    user: withColon('Human', '###'),
    assistant: withColon('Assistant', '</s>'),
    stops: ['</s>', '[UNK]'],
  },
  'aquila-chat': {
    system: AQUILA_SYSTEM,
    systemEnd: '',
    turnsBegin: '###',
    user: withColon('Human', '###'),
    assistant: withColon('Assistant', '###'),
    stops: ['###', '</s>', '[UNK]'],
  },
}

/** The five templates by name. A system message replaces their own; `aquila-v1` has none and refuses one. */
export const aquilaTemplates: Readonly<Record<AquilaTemplateName, ChatTemplate>> = {
  'aquila-v1': template('aquila-v1'),
  'aquila-legacy': template('aquila-legacy'),
  'aquila-v2': template('aquila-v2'),
  aquila: template('aquila'),
  'aquila-chat': template('aquila-chat'),
}

function template(name: AquilaTemplateName): ChatTemplate {
  const format = FORMATS[name]
  return {
    name,
    stops: format.stops,
    promptSuffix: ' ', // the reference puts a blank behind every prompt, which training has not
    render: (messages) => render(name, format, messages),
  }
}

function render(name: string, format: Format, messages: unknown): RenderedChat {
  const { system, turns } = conversationOf(`renderChat: ${name}`, messages)
  const writer = new SpanWriter()
  writeSystem(writer, name, format, system)
  writer.template(format.turnsBegin)
  const answers: TextRange[] = []
  turns.forEach((text, turn) => {
    const { header, cue, end } = turn % 2 === 0 ? format.user : format.assistant
    // The blank behind a colon belongs to the answer: the model has to say it.
    const start = writer.length + cue.length
    if (text === '') return writer.template(cue)
    writer.template(header)
    writer.content(text)
    writer.template(end)
    if (turn % 2 === 1) answers.push({ start, end: writer.length })
  })
  if (turns.length % 2 === 1) writer.template(format.assistant.cue)
  return { ...writer.finish(), answers }
}

function writeSystem(writer: SpanWriter, name: string, format: Format, given: string | undefined): void {
  if (given !== undefined && format.system === null)
    throw new ChatError(
      `renderChat: ${name} must have no system message, got one of ${given.length} characters; put it into the first message of the user, or choose aquila-v2`,
      0,
    )
  const system = given ?? format.system
  if (system === null || system === '') return
  if (given === undefined) writer.template(system)
  else writer.content(system)
  writer.template(format.systemEnd)
}
