import { ArgumentError, openReference, setDefaultBackend } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  AQUILA_SYSTEM,
  type AquilaTemplateName,
  ChatError,
  type ChatMessage,
  ContextLengthError,
  IGNORED_LABEL,
  aquilaTemplates,
  chatLabels,
  chatPrompt,
  cleanAnswer,
  createGenerator,
  jinjaTemplate,
  renderChat,
  templateFor,
} from '../src/index.js'
import { ScriptedModel } from './scriptedModel.js'
import { smallTokenizer } from './smallTokenizer.js'

let tokenizer: Tokenizer
beforeAll(async () => {
  setDefaultBackend(openReference())
  tokenizer = await smallTokenizer()
})

const names = Object.keys(aquilaTemplates) as AquilaTemplateName[]
const S = AQUILA_SYSTEM

/** User and assistant in turns. */
function talk(...turns: string[]): ChatMessage[] {
  return turns.map((content, turn) => ({ role: turn % 2 === 0 ? 'user' : 'assistant', content }))
}

describe('the five templates', () => {
  it.each<[AquilaTemplateName, string]>([
    ['aquila-v1', '<|startofpiece|>u1<|endofpiece|>a1</s><|startofpiece|>u2<|endofpiece|>'],
    ['aquila-v2', `${S}\n\n<|startofpiece|>u1<|endofpiece|>a1</s><|startofpiece|>u2<|endofpiece|>`],
    ['aquila-legacy', `${S}\n\n### Human: u1\n### Assistant: a1</s>### Human: u2\n### Assistant: `],
    ['aquila', `${S}###Human: u1###Assistant: a1</s>Human: u2###Assistant:`],
    ['aquila-chat', `${S}###Human: u1###Assistant: a1###Human: u2###Assistant:`],
  ])('%s writes several turns exactly', (name, want) => {
    expect(renderChat(name, talk('u1', 'a1', 'u2')).text).toBe(want)
  })

  it('write only the header of an empty message, so an empty answer asks for one', () => {
    for (const name of names) expect(renderChat(name, talk('u1', '')).text).toBe(renderChat(name, talk('u1')).text)
    expect(renderChat('aquila', talk('', 'a')).text).toBe(`${S}###Human:Assistant: a</s>`)
  })

  it('take another system message, or none', () => {
    const system = (content: string): ChatMessage => ({ role: 'system', content })
    expect(renderChat('aquila-v2', [system('Be brief.'), ...talk('u')]).text).toBe(
      'Be brief.\n\n<|startofpiece|>u<|endofpiece|>',
    )
    expect(renderChat('aquila-legacy', [system(''), ...talk('u')]).text).toBe('### Human: u\n### Assistant: ')
    expect(renderChat('aquila', [system(''), ...talk('u')]).text).toBe('###Human: u###Assistant:')
    expect(() => renderChat('aquila-v1', [system('Be brief.'), ...talk('u')])).toThrow(ChatError)
  })

  it('mark what others said as content and the rest as template', () => {
    const { text, spans, answers } = renderChat('aquila-v2', talk('</s>x', 'hi'))
    expect(spans).toEqual([
      { text: `${S}\n\n<|startofpiece|>`, template: true },
      { text: '</s>x', template: false },
      { text: '<|endofpiece|>', template: true },
      { text: 'hi', template: false },
      { text: '</s>', template: true },
    ])
    expect(answers?.map(({ start, end }) => text.slice(start, end))).toEqual(['hi</s>'])
  })

  it('count the blank behind a colon to the answer', () => {
    for (const name of names) {
      const { text, answers } = renderChat(name, talk('u', 'a', 'u', 'b'))
      const end = name === 'aquila-chat' ? '###' : '</s>'
      const blank = name === 'aquila' || name === 'aquila-chat' ? ' ' : ''
      const want = [`${blank}a${end}`, `${blank}b${end}`]
      expect(answers?.map((range) => text.slice(range.start, range.end))).toEqual(want)
    }
  })

  it('take content in parts', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ] as const
    expect(renderChat('aquila-v1', [{ role: 'user', content }]).text).toBe('<|startofpiece|>ab<|endofpiece|>')
  })

  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /must be a list/],
    ['an empty list', [], /message of the user/],
    ['a system message alone', [{ role: 'system', content: 's' }], /system message only/],
    ['two users in a row', [...talk('a'), ...talk('b')], /"user" for message 1; join/],
    ['an assistant first', [{ role: 'assistant', content: 'a' }], /message 0/],
    ['a system message late', [...talk('a', 'b'), { role: 'system', content: 's' }], /comes first/],
    ['an unknown role', [{ role: 'tool', content: 'a' }], /roles are system, user and assistant/],
    ['a message without a role', ['hello'], /"hello" for message 0/],
    ['content that is none', [{ role: 'user', content: 5 }], /got 5 in message 0/],
    ['no content', [{ role: 'user' }], /got undefined in message 0/],
    ['an image', [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }], /"image_url" in message 0/],
  ])('refuse %s', (_name, messages, message) => {
    expect(() => renderChat('aquila', messages as never)).toThrow(ChatError)
    expect(() => renderChat('aquila', messages as never)).toThrow(message)
  })

  it('are named by their names only', () => {
    for (const name of ['chatml', undefined, {}, 'toString'])
      expect(() => renderChat(name as never, talk('u'))).toThrow(ArgumentError)
  })
})

describe('templateFor', () => {
  it('knows the published models, whatever stands around the name', () => {
    const chosen = (name: string): string => templateFor(name).name
    expect(chosen('BAAI/AquilaChat2-7B')).toBe('aquila-v1')
    expect(chosen('/models/AquilaChat2-34B-Int4-GPTQ/')).toBe('aquila-legacy')
    expect(chosen('C:\\models\\AquilaChat2-70B-Expr')).toBe('aquila-v2')
    expect(chosen('AquilaChat2-34B-16K')).toBe('aquila')
    expect(chosen('aquila-legacy')).toBe('aquila-legacy')
  })

  it('takes aquila-chat for other names and says so', () => {
    const notices: string[] = []
    const options = { onNotice: (message: string) => void notices.push(message) }
    expect(templateFor('my-model', options).name).toBe('aquila-chat')
    templateFor('AquilaChat2-7B', options)
    expect(notices).toHaveLength(1)
    expect(notices[0]).toMatch(/"my-model".*aquila-v1/)
  })

  it('looks for names inside of strings by the rule of the reference', () => {
    const chosen = (name: string): string => templateFor(name, { rule: 'string' }).name
    expect(['x-aquila-v1', 'aquila-chat-aquila-v2', 'aquila-legacy-2', 'AquilaChat2-7B', ''].map(chosen)).toEqual([
      'aquila-v1',
      'aquila-v2',
      'aquila-legacy',
      'aquila',
      'aquila',
    ])
  })

  it('refuses what is no name and no rule', () => {
    expect(() => templateFor(undefined as never)).toThrow(ArgumentError)
    expect(() => templateFor('x', { rule: 'best' as never })).toThrow(ArgumentError)
  })
})

describe('a prompt', () => {
  it('ends with one blank, as in the reference, or with what is asked for', () => {
    const { ids, text } = chatPrompt(tokenizer, 'aquila-v1', talk('he'))
    expect(ids).toEqual(tokenizer.encode(`${text} `))
    expect(chatPrompt(tokenizer, 'aquila-v1', talk('he'), { promptSuffix: '' }).ids).toEqual(tokenizer.encode(text))
  })

  it('keeps special tokens of messages ordinary text', () => {
    const message = 'x</s><|startofpiece|>'
    const special = [...tokenizer.specialTokens.values()]
    const count = (ids: readonly number[]): number => ids.filter((id) => special.includes(id)).length
    const safe = chatPrompt(tokenizer, 'aquila-v1', talk(message))
    expect(count(safe.ids)).toBe(2)
    expect(tokenizer.decode(safe.ids)).toBe(`${safe.text} `)
    expect(count(chatPrompt(tokenizer, 'aquila-v1', talk(message), { allowSpecialInContent: true }).ids)).toBe(4)
  })

  it('joins words over the borders of spans', () => {
    const { ids } = chatPrompt(tokenizer, 'aquila-chat', talk('world'))
    expect(ids).toEqual(tokenizer.encode(`${S}###Human: world###Assistant: `))
    expect(ids).toContain(tokenizer.tokenToId('Ġwor'))
  })

  it('drops the oldest pairs that do not fit, never the system message or the last one', () => {
    const turns = Array.from({ length: 21 }, (_, turn) => `message ${turn}`)
    const messages: ChatMessage[] = [{ role: 'system', content: 'Rules.' }, ...talk(...turns)]
    const whole = chatPrompt(tokenizer, 'aquila-v2', messages)
    expect(whole.droppedPairs).toBe(0)
    const shortest = chatPrompt(tokenizer, 'aquila-v2', [messages[0], messages[21]]).ids.length
    for (let maxTokens = shortest; maxTokens <= whole.ids.length; maxTokens += 7) {
      const { ids, text, droppedPairs } = chatPrompt(tokenizer, 'aquila-v2', messages, { maxTokens })
      expect(ids.length).toBeLessThanOrEqual(maxTokens)
      expect(text.startsWith('Rules.\n\n') && text.endsWith('message 20<|endofpiece|>')).toBe(true)
      const kept = [messages[0], ...messages.slice(1 + 2 * droppedPairs)]
      expect(text).toBe(renderChat('aquila-v2', kept).text)
      if (droppedPairs > 0) {
        const more = [messages[0], ...messages.slice(2 * droppedPairs - 1)]
        expect(chatPrompt(tokenizer, 'aquila-v2', more).ids.length).toBeGreaterThan(maxTokens)
      }
    }
    expect(() => chatPrompt(tokenizer, 'aquila-v2', messages, { maxTokens: shortest - 1 })).toThrow(ContextLengthError)
  })

  it('is for the user’s turn', () => {
    expect(() => chatPrompt(tokenizer, 'aquila-v1', talk('u', 'a'))).toThrow(/chatLabels/)
    expect(() => chatPrompt(tokenizer, 'aquila-v1', talk('u'), { suffix: '' } as never)).toThrow(ArgumentError)
  })
})

describe('labels', () => {
  it('are the ids of answers and their ends', () => {
    const { ids, labels, text } = chatLabels(tokenizer, 'aquila-v1', talk('he', 'hello', 'wo', 'ld'))
    const said = labels.filter((label) => label !== IGNORED_LABEL)
    expect(tokenizer.decode(said)).toBe('hello</s>ld</s>')
    expect(labels.every((label, at) => label === IGNORED_LABEL || label === ids[at])).toBe(true)
    expect(text).toContain('hello</s>')
  })

  it('include a token that begins in the header and ends in the answer', () => {
    const { labels } = chatLabels(tokenizer, 'aquila-legacy', talk('u', 'world'))
    const [first] = labels.filter((label) => label !== IGNORED_LABEL)
    expect(first).toBe(tokenizer.tokenToId('Ġwor'))
  })

  it('need a template that tells where answers are', () => {
    expect(() => chatLabels(tokenizer, jinjaTemplate('{{ messages }}', { tokenizer }), talk('u', 'a'))).toThrow(
      ChatError,
    )
  })
})

describe('an answer', () => {
  it('is cut at separators and loses one leading blank', () => {
    expect(cleanAnswer(' Paris.###Human: x')).toBe('Paris.')
    expect(cleanAnswer('  two</s>[UNK]')).toBe(' two')
    expect(cleanAnswer('a [UNK] b</s>')).toBe('a ')
    expect(cleanAnswer('a ### b</s>', { cuts: ['</s>'] })).toBe('a ### b')
    expect(cleanAnswer('')).toBe('')
  })
})

describe('a chat', () => {
  const answering = (text: string, prompt: number): ReturnType<typeof createGenerator> => {
    const script = [...new Array<number>(prompt - 1).fill(0), ...tokenizer.encode(text)]
    const model = ScriptedModel.saying(script, { contextLength: 400 })
    return createGenerator({ model, tokenizer, template: 'aquila-chat' })
  }
  const textOf = async (events: AsyncIterable<{ readonly text: string }>): Promise<string> => {
    let all = ''
    for await (const { text } of events) all += text
    return all
  }

  it('ends at the stops of its template and loses a leading blank', async () => {
    const length = chatPrompt(tokenizer, 'aquila-chat', talk('hello')).ids.length
    const generator = answering(' world ###Human: more', length)
    expect(await textOf(generator.chat(talk('hello')))).toBe('world ')
    expect(await textOf(generator.chat(talk('hello'), { dropLeadingSpace: false }))).toBe(' world ')
    expect(await textOf(generator.chat(talk('hello'), { stop: ['ld'] }))).toBe('wor')
  })

  it('leaves out old pairs where the context is short, and tells how many', async () => {
    const turns = Array.from({ length: 101 }, (_, turn) => `hello world ${turn}`)
    const dropped: number[] = []
    const options = {
      maxNewTokens: 20,
      template: 'aquila-v1',
      onDropped: (pairs: number) => dropped.push(pairs),
    } as const
    const events = answering('x', 1).chat(talk(...turns), options)
    const last = await events.next()
    await events.return()
    expect(last.done).toBe(false)
    expect(dropped).toHaveLength(1)
    expect(dropped[0]).toBeGreaterThan(0)
    const long = talk('hello '.repeat(500))
    expect(() => answering('x', 1).chat(long)).toThrow(ContextLengthError)
  })

  it('says what it needs', () => {
    const generator = createGenerator({ model: ScriptedModel.saying([1]), tokenizer })
    expect(() => generator.chat(talk('u'))).toThrow(/templateFor/)
    expect(() => generator.chat(talk('u'), { template: 'aquila', tempature: 1 } as never)).toThrow(/temperature/)
    expect(() => createGenerator({ model: ScriptedModel.saying([1]) }).chat(talk('u'))).toThrow(/tokenizer/)
    expect(() => createGenerator({ model: ScriptedModel.saying([1]), template: 'x' as never })).toThrow(ArgumentError)
  })
})
