import { TarazedError, openReference, setDefaultBackend } from '@tarazed/tensor'
import { type Tokenizer, TokenizerError } from '@tarazed/tokenizer'
import { beforeAll, describe, expect, it } from 'vitest'
import * as lm from '../src/index.js'
import { randomNumbers } from './naiveSampling.js'
import { ScriptedModel } from './scriptedModel.js'
import { smallTokenizer } from './smallTokenizer.js'

let tokenizer: Tokenizer
beforeAll(async () => {
  setDefaultBackend(openReference())
  tokenizer = await smallTokenizer()
})

const GARBAGE: readonly unknown[] = [
  undefined,
  null,
  5,
  'x',
  true,
  [],
  {},
  [undefined],
  [null],
  () => 1,
  new Map(),
  NaN,
]

/** Calls of every function, with one argument wrong. */
function callsWith(wrong: unknown): readonly (readonly [string, () => unknown])[] {
  const model = ScriptedModel.saying([1])
  const messages = [{ role: 'user', content: 'hi' }] as const
  const template = lm.jinjaTemplate('x', { tokenizer })
  const generator = lm.createGenerator({ model, tokenizer, template: 'aquila' })
  const any = wrong as never
  const first = async (events: AsyncIterator<unknown>): Promise<unknown> => {
    const event = await events.next()
    await events.return?.()
    return event
  }
  const scored = { model, ids: [1, 2, 3] }
  return [
    ['tokenDistribution logits', () => lm.tokenDistribution(any)],
    ['tokenDistribution rules', () => lm.tokenDistribution([1, 2], any)],
    ['tokenDistribution options', () => lm.tokenDistribution([1, 2], {}, any)],
    ['drawToken distribution', () => lm.drawToken(any, 0.5)],
    ['drawToken u', () => lm.drawToken(lm.tokenDistribution([1, 2]), any)],
    ['uniformDraw', () => lm.uniformDraw(any, any)],
    ['renderChat template', () => lm.renderChat(any, messages)],
    ['renderChat messages', () => lm.renderChat('aquila', any)],
    ['render of Jinja', () => template.render(any)],
    ['chatPrompt tokenizer', () => lm.chatPrompt(any, 'aquila', messages)],
    ['chatPrompt messages', () => lm.chatPrompt(tokenizer, 'aquila', any)],
    ['chatPrompt options', () => lm.chatPrompt(tokenizer, 'aquila', messages, any)],
    ['chatLabels tokenizer', () => lm.chatLabels(any, 'aquila', messages)],
    ['chatLabels messages', () => lm.chatLabels(tokenizer, 'aquila', any)],
    ['templateFor name', () => lm.templateFor(any)],
    ['templateFor options', () => lm.templateFor('x', any)],
    ['jinjaTemplate source', () => lm.jinjaTemplate(any, { tokenizer })],
    ['jinjaTemplate options', () => lm.jinjaTemplate('x', any)],
    ['jinjaTemplate variables', () => lm.jinjaTemplate('x', { tokenizer, variables: any }).render(messages)],
    ['cleanAnswer text', () => lm.cleanAnswer(any)],
    ['cleanAnswer options', () => lm.cleanAnswer('x', any)],
    ['cleanAnswer cuts', () => lm.cleanAnswer('x', { cuts: any })],
    ['createGenerator options', () => lm.createGenerator(any)],
    ['createGenerator model', () => lm.createGenerator({ model: any })],
    ['createGenerator tokenizer', () => lm.createGenerator({ model, tokenizer: any })],
    ['createGenerator stopIds', () => lm.createGenerator({ model, stopIds: any })],
    ['generate prompts', () => first(generator.generate(any))],
    ['generate prompt', () => first(generator.generate([any]))],
    ['generate options', () => first(generator.generate([[1]], any))],
    ['generate signal', () => first(generator.generate([[1]], { signal: any }))],
    ['generate stop', () => first(generator.generate([[1]], { stop: any }))],
    ['generate logitBias', () => first(generator.generate([[1]], { logitBias: any }))],
    ['chat messages', () => first(generator.chat(any))],
    ['chat options', () => first(generator.chat(messages, any))],
    ['chat template', () => first(generator.chat(messages, { template: any }))],
    ['chat onDropped', () => first(generator.chat(messages, { onDropped: any }))],
    ['logLikelihood model', () => lm.logLikelihood(any, [])],
    ['logLikelihood requests', () => lm.logLikelihood(model, any)],
    ['logLikelihood request', () => lm.logLikelihood(model, [any])],
    ['logLikelihood options', () => lm.logLikelihood(model, [], any)],
    ['scoreChoices prompts', () => lm.scoreChoices(model, any, [1])],
    ['scoreChoices choices', () => lm.scoreChoices(model, [[1]], any)],
    ['perplexity text', () => lm.perplexity(scored.model, any, { tokenizer })],
    ['perplexity options', () => lm.perplexity(model, scored.ids, any)],
    ['perplexity prefix', () => lm.perplexity(model, scored.ids, { prefix: any })],
    ['perplexity onProgress', () => lm.perplexity(model, scored.ids, { onProgress: any })],
  ]
}

describe('wrong arguments', () => {
  it.each(GARBAGE.map((wrong, k) => [k, wrong] as const))(
    'of plain JavaScript get an error that teaches, never a raw one: %i %o',
    async (_k, wrong) => {
      const raw: string[] = []
      for (const [name, call] of callsWith(wrong)) {
        try {
          await call()
        } catch (error) {
          if (!(error instanceof TarazedError) && !(error instanceof TokenizerError))
            raw.push(`${name}: ${String(error)}`)
        }
      }
      expect(raw).toEqual([])
    },
  )
})

describe('templates of strangers', () => {
  it('render or fail as templates, whatever is in them', () => {
    const next = randomNumbers(31)
    const parts =
      '{{ }} {% %} {# #} - for endfor if else endif in messages message .content \' " [ ] ( ) | trim + ~ == set = x 0 1 macro endmacro not is defined namespace loop.index range 10 ** , </s> break raise_exception filter call \\ { }'
        .split(' ')
        .concat([' ', '\n'])
    for (let trial = 0; trial < 3000; trial++) {
      const length = 1 + Math.floor(next() * 20)
      const words = Array.from({ length }, () => parts[Math.floor(next() * parts.length)])
      const source = words.join(trial % 2 === 0 ? ' ' : '')
      try {
        const { text, spans } = lm.jinjaTemplate(source, { tokenizer }).render([{ role: 'user', content: 'a </s> b' }])
        expect(spans.map((span) => span.text).join('')).toBe(text)
      } catch (error) {
        expect(error).toBeInstanceOf(lm.ChatTemplateError)
      }
    }
  })
})
