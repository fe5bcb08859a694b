import { ArgumentError } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { beforeAll, describe, expect, it } from 'vitest'
import { type ChatMessage, ChatError, ChatTemplateError, chatPrompt, jinjaTemplate } from '../src/index.js'
import { randomNumbers } from './naiveSampling.js'
import { smallTokenizer } from './smallTokenizer.js'

let tokenizer: Tokenizer
beforeAll(async () => {
  tokenizer = await smallTokenizer()
})

const SOURCE = `{{ bos_token }}{% for message in messages %}
{%- if message.role == 'user' %}<|startofpiece|>{{ message.content | trim }}<|endofpiece|>
{%- elif message.role == 'assistant' %}{{ message.content }}{{ eos_token }}
{%- else %}{{ raise_exception('no ' + message.role + ' here') }}{% endif %}
{%- endfor %}{% if add_generation_prompt %}>{% endif %}`

const user = (content: string): ChatMessage => ({ role: 'user', content })

describe('a Jinja template', () => {
  it('writes a conversation with the tokens of the tokenizer', () => {
    const template = jinjaTemplate(SOURCE, { tokenizer })
    const messages: ChatMessage[] = [user(' a '), { role: 'assistant', content: 'b' }, user('c')]
    const { text, answers } = template.render(messages)
    expect(text).toBe('[CLS]<|startofpiece|>a<|endofpiece|>b</s><|startofpiece|>c<|endofpiece|>>')
    expect(answers).toBeNull()
    expect(template.render(messages.slice(0, 2)).text).toBe('[CLS]<|startofpiece|>a<|endofpiece|>b</s>')
  })

  it('makes special tokens in messages ordinary text, whole ones and pieces that could become one', () => {
    const template = jinjaTemplate('<|startofpiece|>{{ messages[0].content }}/s><|endofpiece|>', { tokenizer })
    const special = [...tokenizer.specialTokens.values()]
    for (const content of ['x</s>y', '</s></s>', '[CLS]', 'end <', 'a <|endofpiece|', '</', '> b']) {
      const { text, spans } = template.render([user(content)])
      expect(text).toBe(`<|startofpiece|>${content}/s><|endofpiece|>`)
      const { ids } = tokenizer.encodeSpans(spans)
      expect(ids.filter((id) => special.includes(id))).toHaveLength(2)
      expect(tokenizer.decode(ids)).toBe(text)
    }
  })

  it('keeps any content harmless and whole', () => {
    const next = randomNumbers(12)
    const parts = [
      ...tokenizer.specialTokens.keys(),
      '<',
      '|',
      '>',
      '</',
      's>',
      ' ',
      'a',
      '\n',
      '\ue000',
      '[',
      ']',
      '世',
    ]
    const special = [...tokenizer.specialTokens.values()]
    const template = jinjaTemplate('[CLS]{% for m in messages %}{{ m.content | trim }}</s>{% endfor %}', { tokenizer })
    for (let trial = 0; trial < 300; trial++) {
      const content = Array.from({ length: 1 + Math.floor(next() * 8) }, () => parts[Math.floor(next() * parts.length)])
      const { text, spans } = template.render([user(content.join('')), user(content.reverse().join(''))])
      const { ids } = tokenizer.encodeSpans(spans)
      expect(ids.filter((id) => special.includes(id))).toHaveLength(3)
      expect(tokenizer.decode(ids)).toBe(text)
    }
  })

  it('may be told to trust the messages', () => {
    const template = jinjaTemplate(SOURCE, { tokenizer, allowSpecialInContent: true })
    const { spans } = template.render([user('x</s>')])
    expect(spans).toEqual([{ text: '[CLS]<|startofpiece|>x</s><|endofpiece|>>', template: true }])
  })

  it('that looks at special tokens in messages is refused rather than misled', () => {
    const source = "{% if '</s>' in messages[0].content %}ended{% else %}open{% endif %}"
    const template = jinjaTemplate(source, { tokenizer })
    expect(template.render([user('x')]).text).toBe('open')
    expect(() => template.render([user('x</s>')])).toThrow(ChatTemplateError)
    expect(() => template.render([user('x</s>')])).toThrow(/<\/s>.*allowSpecialInContent/)
  })

  it('may be one of several, and has variables', () => {
    const sources = [
      { name: 'default', template: 'D' },
      { name: 'tool_use', template: '{{ tools[0].name }}' },
    ]
    expect(jinjaTemplate(sources, { tokenizer }).render([user('x')]).text).toBe('D')
    const tools = jinjaTemplate(sources, { tokenizer, name: 'tool_use', variables: { tools: [{ name: 'clock' }] } })
    expect(tools.render([user('x')]).text).toBe('clock')
    expect(() => jinjaTemplate(sources, { tokenizer, name: 'rag' })).toThrow(/"default", "tool_use"/)
  })

  it('may ask for the date, and knows the constants of Python', () => {
    const now = (): Date => new Date(2024, 1, 5, 15, 4, 9)
    const source = "{{ strftime_now('%d %b %Y, %A %H:%M:%S %I %p %y-%m %% %Q') }}{% if True and not none %}!{% endif %}"
    const { text } = jinjaTemplate(source, { tokenizer, now }).render([user('x')])
    expect(text).toBe('05 Feb 2024, Monday 15:04:09 03 PM 24-02 % %Q!')
    const counting = '{% for i in range(2, 8, 3) %}{{ i }}{% endfor %}{% for i in range(3) %}{{ i }}{% endfor %}'
    expect(jinjaTemplate(counting, { tokenizer }).render([user('x')]).text).toBe('25012')
  })

  it('makes prompts, without old turns where they do not fit', () => {
    const template = jinjaTemplate(SOURCE, { tokenizer })
    const messages: ChatMessage[] = [user('one'), { role: 'assistant', content: 'two' }, user('three')]
    expect(chatPrompt(tokenizer, template, messages).droppedPairs).toBe(0)
    const { text, droppedPairs } = chatPrompt(tokenizer, template, messages, { maxTokens: 12 })
    expect([text, droppedPairs]).toEqual(['[CLS]<|startofpiece|>three<|endofpiece|>>', 1])
  })

  it.each<[string, string]>([
    ['an unclosed block', '{% for m in messages %}'],
    ['nonsense', '{{ }}'],
    ['an unknown filter', '{{ messages | explode }}'],
    ['a call of nothing', '{{ foo() }}'],
    ['a range beyond reason', '{% for i in range(1000000000) %}x{% endfor %}'],
    ['an endless range', '{% for i in range(0, 10, 0) %}x{% endfor %}'],
    ['very deep nesting', `${'('.repeat(100_000)}`.replace(/^/, '{{ ')],
  ])('with %s is an error of the template', (_name, source) => {
    const run = (): unknown => jinjaTemplate(source, { tokenizer }).render([user('x')])
    expect(run).toThrow(ChatTemplateError)
    expect(run).toThrow(/template cannot be (read|rendered)/)
  })

  it('passes on what the template itself raises', () => {
    const template = jinjaTemplate(SOURCE, { tokenizer })
    expect(() => template.render([{ role: 'system', content: 's' }])).toThrow(/no system here/)
  })

  it('refuses messages and options that are none', () => {
    expect(() => jinjaTemplate('x', { tokenizer }).render('hi')).toThrow(ChatError)
    expect(() => jinjaTemplate(undefined as never, { tokenizer })).toThrow(ArgumentError)
    expect(() => jinjaTemplate('x', {} as never)).toThrow(ArgumentError)
    expect(() => jinjaTemplate('x', { tokenizer: 'gpt2' } as never)).toThrow(ArgumentError)
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(() => jinjaTemplate('x', { tokenizer, variables: { loop } }).render([user('x')])).toThrow(ChatTemplateError)
  })
})
