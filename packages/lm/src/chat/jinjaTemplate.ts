/** A folder's own `chat_template`, in Jinja. */
import { Interpreter, Template } from '@huggingface/jinja'
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { ChatTemplateError } from '../errors.js'
import { requireFunction, requireStrings, show } from '../check.js'
import { type ChatTemplate, type RenderedChat } from './chatTemplate.js'
import { Guard } from './guard.js'
import { templateEnvironment } from './jinjaGlobals.js'
import { requireMessages } from './messages.js'
import { SpanWriter } from './spanWriter.js'

/** `chat_template` of a `tokenizer_config.json`: one template, or several with names. */
export type JinjaSource = string | readonly { readonly name: string; readonly template: string }[]

/** Options of `jinjaTemplate`. */
export interface JinjaTemplateOptions {
  /** Names the special tokens that the template uses, and those that messages must not bring in. */
  readonly tokenizer: Pick<Tokenizer, 'specialTokens' | 'bos' | 'eos' | 'pad' | 'unk'>
  /** Which of several templates. Default `default`. */
  readonly name?: string
  /** Strings that end an answer. Default none: the tokenizer's `eos` ends it anyway. */
  readonly stops?: readonly string[]
  /** More variables for the template, such as `tools`. */
  readonly variables?: Readonly<Record<string, unknown>>
  /** Special tokens in messages count. Default false. */
  readonly allowSpecialInContent?: boolean
  /** The clock of `strftime_now`. Default: the machine's. */
  readonly now?: () => Date
}

const OPTIONS = ['tokenizer', 'name', 'stops', 'variables', 'allowSpecialInContent', 'now'] as const

/**
 * A chat template in Jinja. Messages go to it as they are, so that it may know roles of its own; the cue of the assistant is asked
 * for (`add_generation_prompt`) when the last message is not the assistant's.
 *
 * Special tokens that stand in messages are ordinary text: they are hidden from the template and put back as content. A
 * template is code of whoever made the folder: it can take long, but touches nothing outside of it.
 *
 * @throws ArgumentError for wrong options; ChatTemplateError for a template that cannot be read, and, when rendering, for
 * what the template itself raises
 */
export function jinjaTemplate(source: JinjaSource, options: JinjaTemplateOptions): ChatTemplate {
  const {
    tokenizer,
    name = 'default',
    stops = [],
    variables = {},
    allowSpecialInContent = false,
    now = () => new Date(),
  } = checkOptions('jinjaTemplate', options, OPTIONS, ['tokenizer'])
  if (!(tokenizer?.specialTokens instanceof Map))
    throw new ArgumentError(`jinjaTemplate: tokenizer must be a tokenizer, got ${show(tokenizer)}`)
  requireFunction('jinjaTemplate', 'now', now)
  requireStrings('jinjaTemplate', 'stops', stops)
  const text = chosenSource(source, name)
  const parsed = attempt('the template cannot be read', () => new Template(text))
  const special = allowSpecialInContent ? [] : [...tokenizer.specialTokens.keys()]
  const render = (values: Readonly<Record<string, unknown>>): string =>
    attempt('the template cannot be rendered', () => {
      const environment = templateEnvironment(now())
      for (const [variable, value] of Object.entries({ ...tokensOf(tokenizer), ...values }))
        environment.set(variable, value)
      return String(new Interpreter(environment).run(parsed.parsed).value)
    })
  return {
    name: `jinja ${name}`,
    stops,
    promptSuffix: '',
    render(messages) {
      requireMessages('renderChat', messages)
      const add_generation_prompt = messages[messages.length - 1].role !== 'assistant'
      return guarded(render, { ...variables, messages, add_generation_prompt }, special, text)
    },
  }
}

function chosenSource(source: JinjaSource, name: string): string {
  if (typeof source === 'string') return source
  if (!Array.isArray(source))
    throw new ArgumentError(
      `jinjaTemplate: source must be the text of a template or a list of { name, template }, got ${show(source)}; read chat_template of tokenizer_config.json`,
    )
  const found = (source as readonly { name?: unknown; template?: unknown }[]).find((entry) => entry?.name === name)
  if (typeof found?.template === 'string') return found.template
  const names = source.map((entry) => show(entry?.name)).join(', ')
  throw new ArgumentError(`jinjaTemplate: name must be one of ${names}, got ${show(name)}; pass name`)
}

function tokensOf(tokenizer: JinjaTemplateOptions['tokenizer']): Record<string, string> {
  const { bos, eos, pad, unk } = tokenizer
  return { bos_token: bos ?? '', eos_token: eos ?? '', pad_token: pad ?? '', unk_token: unk ?? '' }
}

function attempt<T>(what: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new ChatTemplateError(`jinjaTemplate: ${what}: ${message}`, { cause })
  }
}

/** Renders with special tokens of messages hidden, and puts them back as content. */
function guarded(
  render: (values: Readonly<Record<string, unknown>>) => string,
  values: Readonly<Record<string, unknown>>,
  special: readonly string[],
  source: string,
): RenderedChat {
  const plain = render(values)
  const guard = new Guard(special, [source, attempt('the messages cannot be read', () => JSON.stringify(values))])
  const hidden = guard.hide(values)
  const writer = new SpanWriter()
  if (guard.isIdle) writer.template(plain)
  else guard.write(render(hidden as Readonly<Record<string, unknown>>), writer)
  const { text, spans } = writer.finish()
  if (text !== plain)
    throw new ChatTemplateError(
      `jinjaTemplate: the template looks at special tokens inside of messages (${guard.found.join(', ')}), so they cannot be kept from it; remove them from the messages, or pass allowSpecialInContent: true if you trust their authors`,
    )
  return { text, spans, answers: null }
}
