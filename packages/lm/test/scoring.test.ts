import { ArgumentError, logSoftmax, openReference, setDefaultBackend, tensor } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  ContextLengthError,
  LogitsError,
  PromptError,
  createGenerator,
  logLikelihood,
  perplexity,
  scoreChoices,
} from '../src/index.js'
import { randomNumbers } from './naiveSampling.js'
import { ScriptedModel } from './scriptedModel.js'
import { smallTokenizer } from './smallTokenizer.js'
import { TinyModel } from './tinyModel.js'

let tokenizer: Tokenizer
let model: TinyModel
let small: TinyModel
beforeAll(async () => {
  setDefaultBackend(openReference())
  tokenizer = await smallTokenizer()
  model = TinyModel.init({ layers: 1, vocabSize: 280 })
  small = TinyModel.init({ layers: 1 })
})

const next = randomNumbers(21)
const prompt = (length: number): number[] => Array.from({ length }, () => Math.floor(next() * 40))

/** log p of tokens `from` on, by one whole forward pass. */
async function naive(of: TinyModel, ids: readonly number[], from: number): Promise<number[]> {
  const logits = of.forward(tensor(Int32Array.from(ids), { shape: [1, ids.length] }))
  const all = await logSoftmax(logits).data()
  return ids.slice(from).map((id, k) => all[(from + k - 1) * of.vocabSize + id])
}

function expectClose(got: readonly number[], want: readonly number[]): void {
  expect(got).toHaveLength(want.length)
  got.forEach((value, k) => expect(Math.abs(value - want[k])).toBeLessThan(2e-4))
}

describe('log-likelihood', () => {
  it('of ids is that of the whole forward pass, for requests of any length together', async () => {
    const requests = [
      [1, 1],
      [20, 3],
      [3, 40],
      [70, 12],
      [40, 1],
    ].map(([before, after]) => ({ context: prompt(before), continuation: prompt(after) }))
    const scores = await logLikelihood(small, requests, { batchSize: 3 })
    for (const [k, { context, continuation }] of requests.entries()) {
      const want = await naive(small, [...context, ...continuation], context.length)
      expectClose(scores[k].tokenLogProbabilities, want)
      expect(scores[k].logProbability).toBeCloseTo(
        want.reduce((sum, each) => sum + each, 0),
        3,
      )
    }
  })

  it('reads a context that requests share once, whatever the batches are', async () => {
    const context = prompt(50)
    const requests = [1, 4, 20, 2, 3].map((length) => ({ context, continuation: prompt(length) }))
    const scores = await logLikelihood(small, requests, { batchSize: 2 })
    for (const [k, { continuation }] of requests.entries())
      expectClose(scores[k].tokenLogProbabilities, await naive(small, [...context, ...continuation], 50))
  })

  it('knows what greedy generation would give', async () => {
    const context = prompt(5)
    const [{ ids }] = await createGenerator({ model: small }).complete([context], { temperature: 0, maxNewTokens: 4 })
    const other = [...ids.slice(0, 3), (ids[3] + 1) % 40]
    const [greedy, not] = await logLikelihood(small, [
      { context, continuation: ids },
      { context, continuation: other },
    ])
    expect([greedy.isGreedy, not.isGreedy]).toEqual([true, false])
  })

  it('of text counts a token over the border to the continuation', async () => {
    const requests = [
      { context: 'hello ', continuation: 'world' },
      { context: 'he', continuation: 'llo' },
      { context: 'hello', continuation: ' world' },
    ]
    const scores = await logLikelihood(model, requests.slice(0, 1), { tokenizer })
    const [hello] = tokenizer.encode('hello')
    const [wor, ld] = tokenizer.encode(' world')
    expectClose(scores[0].tokenLogProbabilities, await naive(model, [hello, wor, ld], 1))
    await expect(logLikelihood(model, requests.slice(1), { tokenizer })).rejects.toThrow(PromptError)
    const [same] = await logLikelihood(model, requests.slice(2), { tokenizer })
    expect(same.logProbability).toBeCloseTo(scores[0].logProbability, 5)
  })

  it('of nothing is nothing', async () => {
    expect(await logLikelihood(small, [])).toEqual([])
  })
})

describe('choices', () => {
  it('are compared by their logits at the last position', async () => {
    const prompts = [prompt(3), prompt(40), prompt(17)]
    const scores = await scoreChoices(small, prompts, [7, 0, 39], { batchSize: 2 })
    for (const [k, ids] of prompts.entries()) {
      const logits = await small.forward(tensor(Int32Array.from(ids), { shape: [1, ids.length] })).data()
      const row = [7, 0, 39].map((id) => logits[(ids.length - 1) * 40 + id])
      expectClose(scores[k].logits, row)
      expect(scores[k].best).toBe(row.indexOf(Math.max(...row)))
    }
  })

  it('take the first among equals', async () => {
    const says = ScriptedModel.saying([5], { vocabSize: 300 })
    const [{ best, logits }] = await scoreChoices(says, [[1, 2]], [3, 4, 6])
    expect([best, logits]).toEqual([0, [0, 0, 0]])
    expect((await scoreChoices(says, [[1]], [3, 5]))[0].best).toBe(1)
  })

  it('may be texts of one token', async () => {
    const letters = ['A', 'B', 'C', 'D']
    const ids = letters.map((letter) => tokenizer.encode(letter)[0])
    expect(await scoreChoices(model, ['hello'], letters, { tokenizer })).toEqual(
      await scoreChoices(model, [tokenizer.encode('hello')], ids),
    )
    await expect(scoreChoices(model, ['hello'], ['AB'], { tokenizer })).rejects.toThrow(/one token, got "AB" with 2/)
  })
})

describe('perplexity', () => {
  it('scores every token but the first once, with at least window - stride tokens before', async () => {
    const ids = prompt(50)
    const { tokens, nats, perplexity: value } = await perplexity(small, ids, { window: 20, stride: 8, batchSize: 3 })
    let want = 0
    for (let at = 1; at < 50; at++) {
      // The window that scores it begins at the last multiple of 8 at which it is not scored yet.
      const begin = at < 20 ? 0 : Math.ceil((at + 1 - 20) / 8) * 8
      const end = Math.min(begin + 20, 50)
      const [logProbability] = (await naive(small, ids.slice(begin, end), at - begin)).slice(0, 1)
      want -= logProbability
    }
    expect(tokens).toBe(49)
    expect(nats).toBeCloseTo(want, 2)
    expect(value).toBeCloseTo(Math.exp(nats / 49), 6)
  })

  it('of a text within one window is that of one forward pass', async () => {
    const ids = prompt(30)
    const { nats } = await perplexity(small, ids)
    const want = await naive(small, ids, 1)
    expect(nats).toBeCloseTo(-want.reduce((sum, each) => sum + each, 0), 3)
  })

  it('with a prefix scores the first token too', async () => {
    const ids = prompt(25)
    const { tokens, nats } = await perplexity(small, ids, { prefix: [3], window: 11, stride: 10 })
    expect(tokens).toBe(25)
    let want = 0
    for (let begin = 0; begin < 25; begin += 10)
      want -= (await naive(small, [3, ...ids.slice(begin, begin + 10)], 1)).reduce((sum, each) => sum + each, 0)
    expect(nats).toBeCloseTo(want, 2)
  })

  it('counts bits per byte of the scored text', async () => {
    const text = 'hello 世界, hello world'
    const result = await perplexity(model, text, { tokenizer })
    expect(result.bytes).toBe(Buffer.byteLength(text) - 5) // without the first token, `hello`
    expect(result.bitsPerByte).toBeCloseTo(result.nats / Math.LN2 / result.bytes!, 9)
    const whole = await perplexity(model, text, { tokenizer, prefix: [tokenizer.tokenToId('[CLS]')!] })
    expect(whole.bytes).toBe(Buffer.byteLength(text))
    expect(whole.tokens).toBe(tokenizer.encode(text).length)
    expect(await perplexity(model, tokenizer.encode(text))).toMatchObject({ bytes: null, bitsPerByte: null })
  })

  it('of a uniform model is the size of its vocabulary', async () => {
    const uniform = ScriptedModel.saying([0], { vocabSize: 50, logit: 0 })
    expect((await perplexity(uniform, prompt(60))).perplexity).toBeCloseTo(50, 3)
  })
})

describe('scoring', () => {
  it('tells how far it is and stops at a signal', async () => {
    const requests = Array.from({ length: 5 }, () => ({ context: prompt(2), continuation: prompt(2) }))
    const seen: number[] = []
    const controller = new AbortController()
    const onProgress = (done: number, total: number): void => {
      seen.push(done)
      expect(total).toBe(5)
      if (done >= 4) controller.abort(new Error('enough'))
    }
    const run = logLikelihood(small, requests, { batchSize: 2, onProgress, signal: controller.signal })
    await expect(run).rejects.toThrow('enough')
    expect(seen).toEqual([2, 4])
    await expect(scoreChoices(small, [[1]], [1], { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })

  it('names broken logits', async () => {
    const rows = Array.from({ length: 32 }, (_, p) => [0, p === 3 ? NaN : 1])
    const broken = new ScriptedModel(tensor(rows), 2, 32)
    await expect(perplexity(broken, [0, 1, 0, 1, 0, 1])).rejects.toThrow(LogitsError)
    await expect(scoreChoices(broken, [[0, 0, 0, 0]], [1])).rejects.toThrow(LogitsError)
  })

  it.each<[string, () => Promise<unknown>, new (...args: never[]) => Error, RegExp]>([
    ['requests that are no list', () => logLikelihood(small, {} as never), ArgumentError, /write \[\{ context/],
    [
      'a request without context',
      () => logLikelihood(small, [{ continuation: [1] } as never]),
      ArgumentError,
      /context/,
    ],
    [
      'an empty context',
      () => logLikelihood(small, [{ context: [], continuation: [1] }]),
      PromptError,
      /tokenizer.bos/,
    ],
    [
      'an empty continuation',
      () => logLikelihood(small, [{ context: [1], continuation: [] }]),
      PromptError,
      /at least/,
    ],
    [
      'text and ids',
      () => logLikelihood(small, [{ context: 'a', continuation: [1] }]),
      PromptError,
      /text or token ids/,
    ],
    ['text without tokenizer', () => perplexity(small, 'abc'), PromptError, /takes a tokenizer/],
    ['ids out of range', () => perplexity(small, [1, 40]), PromptError, /0 … 39, got 40/],
    ['one token', () => perplexity(small, [1]), PromptError, /a longer text/],
    ['a window beyond the context', () => perplexity(small, [1, 2], { window: 513 }), ArgumentError, /512/],
    [
      'a stride as long as the window',
      () => perplexity(small, [1, 2], { window: 8, stride: 8 }),
      ArgumentError,
      /1 to 7/,
    ],
    ['a batch of nothing', () => perplexity(small, [1, 2], { batchSize: 0 }), ArgumentError, /batchSize/],
    ['an unknown option', () => perplexity(small, [1, 2], { strides: 3 } as never), ArgumentError, /stride/],
    ['no model', () => perplexity({} as never, [1, 2]), ArgumentError, /fromPretrained/],
    ['no choices', () => scoreChoices(small, [[1]], []), ArgumentError, /choices/],
    ['choices out of range', () => scoreChoices(small, [[1]], [99]), ArgumentError, /choices/],
    ['prompts that are no list', () => scoreChoices(small, 'x' as never, [1]), ArgumentError, /write \[prompt\]/],
    ['an empty prompt', () => scoreChoices(small, [[]], [1]), PromptError, /at least one token/],
    ['too long a prompt', () => scoreChoices(small, [prompt(513)], [1]), ContextLengthError, /512 tokens, got 513/],
  ])('refuses %s', async (_name, call, kind, message) => {
    await expect(call()).rejects.toThrow(kind)
    await expect(call()).rejects.toThrow(message)
  })
})
