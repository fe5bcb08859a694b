import {
  AllocationError,
  ArgumentError,
  collectGarbage,
  memoryReport,
  openReference,
  setDefaultBackend,
  tensor,
} from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  ContextLengthError,
  type GenerateOptions,
  type GenerationEvent,
  LogitsError,
  type Prompt,
  PromptError,
  createGenerator,
  tokenDistribution,
} from '../src/index.js'
import { type CausalModel } from '../src/index.js'
import { hasSteps } from '../src/decoding/steps.js'
import { randomNumbers } from './naiveSampling.js'
import { ScriptedModel } from './scriptedModel.js'
import { smallTokenizer } from './smallTokenizer.js'
import { TinyModel } from './tinyModel.js'

const backend = openReference()
let tokenizer: Tokenizer
beforeAll(async () => {
  setDefaultBackend(backend)
  tokenizer = await smallTokenizer()
})

const next = randomNumbers(8)
const prompt = (length: number): number[] => Array.from({ length }, () => Math.floor(next() * 40))

/** The ids of the arg max, one whole forward pass for each. */
async function greedyByForward(model: TinyModel, ids: readonly number[], count: number): Promise<number[]> {
  const all = [...ids]
  for (let k = 0; k < count; k++) {
    const logits = model.forward(tensor(Int32Array.from(all), { shape: [1, all.length] }))
    const row = logits.slice([null, [-1, null]])
    all.push(await row.argmax().item())
  }
  return all.slice(ids.length)
}

async function collect(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

describe('greedy generation', () => {
  it('with a cache gives the ids of whole forward passes', async () => {
    const model = TinyModel.init()
    const generator = createGenerator({ model })
    const ids = prompt(21)
    const [{ ids: got }] = await generator.complete([ids], { temperature: 0, maxNewTokens: 10 })
    expect(got).toEqual(await greedyByForward(model, ids, 10))
  })

  it('is the same where a rule asks for whole rows instead of the arg max of the device', async () => {
    const generator = createGenerator({ model: TinyModel.init() })
    const options = { temperature: 0, maxNewTokens: 8 }
    const [byDevice] = await generator.complete([[1, 2]], options)
    const [byRows] = await generator.complete([[1, 2]], { ...options, logitBias: { 0: 0 } })
    expect(byRows.ids).toEqual(byDevice.ids)
  })
})

describe('a model with more rows than its tokenizer has tokens', () => {
  it('never draws one of the rows behind them', async () => {
    const model = ScriptedModel.saying([299]) // far above all others, and no token
    const generator = createGenerator({ model, tokenizer })
    for (const temperature of [0, 1]) {
      const [{ ids }] = await generator.complete([[1]], { temperature, maxNewTokens: 6, stopIds: [] })
      expect(ids).toHaveLength(6)
      for (const id of ids) expect(id).toBeLessThan(tokenizer.vocabSize)
    }
  })
})

describe('a batch', () => {
  const prompts = [3, 40, 1, 17, 5].map(prompt)
  const options: GenerateOptions[] = [{ temperature: 0 }, { temperature: 1.5, topK: 0, topP: 1, seed: 5 }]

  it.each(options)('of unequal prompts gives each what it gets alone: %o', async (shared) => {
    const generator = createGenerator({ model: TinyModel.init() })
    const lengths = [2, 9, 12, 4, 7]
    const requests = prompts.map((ids, k) => ({ prompt: ids, maxNewTokens: lengths[k] }))
    const together = await generator.complete(requests, shared)
    for (const [k, request] of requests.entries()) {
      const [alone] = await generator.complete([request], shared)
      expect(together[k]).toEqual({ ...alone, index: k })
    }
  })

  it('drops finished rows when it pays, and the others do not notice', async () => {
    const model = TinyModel.init({ layers: 1, seed: 3 })
    const generator = createGenerator({ model })
    const requests = [3, 50, 2, 60, 1, 25].map((maxNewTokens, k) => ({ prompt: prompt(2 + k), maxNewTokens }))
    const together = await generator.complete(requests, { seed: 4 })
    for (const [k, request] of requests.entries()) {
      const [alone] = await generator.complete([request], { seed: 4 })
      expect(together[k]).toEqual({ ...alone, index: k })
    }
    // Half of six rows would be four; two are left after 25 tokens, and are worth a program of their own some tokens later.
    expect(hasSteps(model, 4, 96)).toBe(false)
    expect(hasSteps(model, 2, 96)).toBe(true)
  })

  it('larger than maxBatch is answered in parts, each event under the index of its prompt', async () => {
    const model = TinyModel.init({ layers: 1 })
    const [small, large] = [2, 16].map((maxBatch) => createGenerator({ model, maxBatch }))
    const shared = { maxNewTokens: 4, seed: 9 }
    const results = await small.complete(prompts, shared)
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4])
    expect(results).toEqual(await large.complete(prompts, shared))
  })

  it('may be empty', async () => {
    expect(await createGenerator({ model: TinyModel.init() }).complete([])).toEqual([])
  })

  it('goes on for the others when one row has broken logits, and then throws', async () => {
    const rows = Array.from({ length: 64 }, (_, p) => [0, p === 5 ? NaN : 1, 2])
    const model = new ScriptedModel(tensor(rows), 3, 64)
    const generator = createGenerator({ model })
    for (const temperature of [0, 1]) {
      const events: GenerationEvent[] = []
      const run = async (): Promise<void> => {
        const requests = [[0, 0, 0], [0]].map((ids) => ({ prompt: ids, maxNewTokens: 4 }))
        for await (const event of generator.generate(requests, { temperature })) events.push(event)
      }
      await expect(run()).rejects.toThrow(LogitsError)
      const last = events.filter(({ result }) => result !== undefined)
      expect(last.map(({ index, finishReason, result }) => [index, finishReason, result?.ids.length])).toEqual([
        [0, 'error', 3],
        [1, 'length', 4],
      ])
    }
  })
})

describe('seeds', () => {
  const ask = async (options: GenerateOptions, requests: readonly Prompt[] = [[1, 2, 3]]): Promise<string[]> => {
    const generator = createGenerator({ model: TinyModel.init({ layers: 1 }) })
    const shared = { maxNewTokens: 12, topK: 0, topP: 1, temperature: 3, ...options }
    return (await generator.complete(requests, shared)).map(({ ids }) => ids.join(' '))
  }

  it('repeat an answer, and others give others', async () => {
    expect(await ask({ seed: 1 })).toEqual(await ask({ seed: 1 }))
    expect(await ask({ seed: 1 })).not.toEqual(await ask({ seed: 2 }))
    expect(await ask({})).toEqual(await ask({ seed: 123 }))
  })

  it('of their own make several answers to one prompt', async () => {
    const requests = [1, 2, 3].map((seed) => ({ prompt: [4, 5], seed }))
    expect(new Set(await ask({}, requests)).size).toBe(3)
    expect(
      new Set(
        await ask({ seed: 7 }, [
          [4, 5],
          [4, 5],
        ]),
      ).size,
    ).toBe(1)
  })
})

describe('probabilities', () => {
  it('are those after the rules, and the tokens are drawn from them', async () => {
    const model = TinyModel.init({ layers: 1 })
    const rules = { order: 'hf', temperature: 2, topK: 12, topP: 0.9, repetitionPenalty: 1.3 } as const
    const generator = createGenerator({ model })
    const events = await collect(generator.generate([[1, 2]], { ...rules, probabilities: true, maxNewTokens: 5 }))
    const history = [1, 2]
    for (const { id, probability } of events) {
      const logits = model.forward(tensor(Int32Array.from(history), { shape: [1, history.length] }))
      const row = await logits.slice([null, [-1, null]]).data()
      const { ids, probabilities } = tokenDistribution(row, rules, { history, answerStart: 2 })
      expect(probability).toBeCloseTo(probabilities[ids.indexOf(id!)], 4)
      history.push(id!)
    }
    expect(events.at(-1)?.result?.probabilities).toEqual(events.map(({ probability }) => probability))
  })

  it('are left out unless asked for', async () => {
    const [event] = await collect(createGenerator({ model: TinyModel.init() }).generate([[1]], { maxNewTokens: 1 }))
    expect('probability' in event || 'probabilities' in event.result!).toBe(false)
  })
})

describe('penalties', () => {
  it('see what was said: no pair of tokens comes twice', async () => {
    const generator = createGenerator({ model: TinyModel.init({ layers: 1, vocabSize: 6 }) })
    const [{ ids }] = await generator.complete([[1, 2]], { noRepeatNgram: 2, maxNewTokens: 20, temperature: 0 })
    const pairs = [1, 2, ...ids].slice(1).map((id, k) => `${[1, 2, ...ids][k]} ${id}`)
    expect(new Set(pairs).size).toBe(pairs.length)
  })
})

/** The answer to `prompt` of a model that says a text, and its events. */
async function say(
  text: string,
  options: GenerateOptions = {},
  cut: (ids: number[]) => number[] = (ids) => ids,
): Promise<{ events: GenerationEvent[]; text: string; last: GenerationEvent }> {
  const script = [...cut(tokenizer.encode(text)), tokenizer.tokenToId('</s>')!]
  const generator = createGenerator({ model: ScriptedModel.saying(script), tokenizer })
  const events = await collect(generator.generate([[9]], options))
  return { events, text: events.map((event) => event.text).join(''), last: events[events.length - 1] }
}

describe('text', () => {
  it('comes token by token, and the whole of it in the result', async () => {
    const { events, text, last } = await say('hello world, 世界')
    expect(text).toBe('hello world, 世界')
    expect(events.slice(0, 3).map((event) => event.text)).toEqual(['hello', ' wor', 'ld'])
    expect(last).toMatchObject({
      id: tokenizer.tokenToId('</s>'),
      text: '',
      finishReason: 'stop',
      result: { text, finishReason: 'stop', stoppedBy: tokenizer.tokenToId('</s>'), usage: { promptTokens: 1 } },
    })
    expect(last.result?.usage.newTokens).toBe(events.length)
    expect(last.result?.ids).toEqual(events.slice(0, -1).map(({ id }) => id))
    expect(events.slice(0, -1).every((event) => event.finishReason === null && event.result === undefined)).toBe(true)
  })

  it('never has half a character, and U+FFFD where the answer ends in one', async () => {
    const { events } = await say('世')
    expect(events.map((event) => event.text)).toEqual(['', '', '世', ''])
    const { text, last } = await say('世', { maxNewTokens: 2 })
    expect(text).toBe('\ufffd')
    expect(last.finishReason).toBe('length')
  })

  it('ends before a stop string that tokens cut', async () => {
    const { text, last } = await say('hello ##\n## end', { stop: ['# end', '#\n#'] })
    expect(text).toBe('hello #')
    expect(last).toMatchObject({ finishReason: 'stop', result: { stoppedBy: '#\n#', text: 'hello #' } })
  })

  it('shows what was held back when the stop string does not come', async () => {
    const { events, text } = await say('hello ##', { stop: ['###'] })
    expect(text).toBe('hello ##')
    expect(events.at(-1)?.text).toBe('##')
    expect((await say('hello ##', { stop: ['###'], maxNewTokens: 3 })).text).toBe('hello ##')
  })

  it('ends at a special token named as stop string, which the text never shows', async () => {
    const { text, last } = await say('hello<|endofpiece|>world', { stop: ['<|endofpiece|>'] })
    expect(text).toBe('hello')
    expect(last.result?.stoppedBy).toBe(tokenizer.tokenToId('<|endofpiece|>'))
    expect((await say('hello<|endofpiece|> world')).text).toBe('hello world')
    expect((await say('hello<|endofpiece|>', { skipSpecial: false })).text).toBe('hello<|endofpiece|>')
  })

  it('goes on past stop ids until minNewTokens', async () => {
    const { last } = await say('he', { minNewTokens: 3, maxNewTokens: 5 })
    expect(last.result?.usage.newTokens).toBe(4)
    expect(last.result?.ids).toHaveLength(3)
    expect(last.result?.ids).not.toContain(tokenizer.tokenToId('</s>'))
  })

  it('ends at the stop ids of the call instead of the tokenizer’s', async () => {
    const w = tokenizer.encode(' wor')[0]
    const { text } = await say('hello world', { stopIds: [w] })
    expect(text).toBe('hello')
    const { last } = await say('hello', { stopIds: [], maxNewTokens: 6 })
    expect(last.result?.usage.newTokens).toBe(6)
  })

  it('may lose one blank at its beginning', async () => {
    expect((await say(' wor  x', { dropLeadingSpace: true })).text).toBe('wor  x')
    expect((await say('  x', { dropLeadingSpace: true })).last.result?.text).toBe(' x')
    expect((await say(' wor')).text).toBe(' wor')
  })

  it('is empty where there is no tokenizer', async () => {
    const generator = createGenerator({ model: ScriptedModel.saying([5, 6]) })
    const [result] = await generator.complete([[1]], { maxNewTokens: 3, temperature: 0 })
    expect(result).toMatchObject({ text: '', ids: [5, 6, 6] })
  })

  it('of a prompt counts special tokens, unless told otherwise', async () => {
    const generator = createGenerator({ model: ScriptedModel.saying([1]), tokenizer })
    const tokens = async (allowSpecial?: boolean): Promise<number> =>
      (await generator.complete(['[CLS]a'], { maxNewTokens: 1, allowSpecial }))[0].usage.promptTokens
    expect(await tokens()).toBe(2)
    expect(await tokens(false)).toBeGreaterThan(2)
  })
})

describe('the context', () => {
  const model = TinyModel.init({ layers: 1, contextLength: 32 })
  const generator = createGenerator({ model })

  it('is never exceeded in silence', async () => {
    const call = (): unknown => generator.generate([[1], prompt(30)], { maxNewTokens: 3 })
    expect(call).toThrow(ContextLengthError)
    expect(call).toThrow(/got 30 \+ 3; ask for at most 2/)
    expect(() => generator.generate([prompt(32)])).toThrow(ContextLengthError)
  })

  it('is filled to its last token', async () => {
    const [result] = await generator.complete([prompt(30)], { maxNewTokens: 2, temperature: 0 })
    expect(result.ids).toHaveLength(2)
    const [rest] = await generator.complete([prompt(20)], { temperature: 0 })
    expect(rest.usage).toEqual({ promptTokens: 20, newTokens: 12 })
  })

  it('of the order aquila1 is at most 2,048 tokens', () => {
    const long = createGenerator({ model: TinyModel.init({ contextLength: 8192 }) })
    expect(() => long.generate([prompt(2040)], { maxNewTokens: 9, order: 'aquila1' })).toThrow(ContextLengthError)
  })

  it('may change the model: one for each planned length, asked for once a sequence', async () => {
    const planned: number[] = []
    const model = TinyModel.init({ layers: 1 })
    const other = TinyModel.init({ layers: 1, seed: 1 })
    const choosing = Object.assign(Object.create(Object.getPrototypeOf(model) as object) as TinyModel, model)
    const withPlan = new Proxy(choosing, {
      get: (target, name) =>
        name === 'planned'
          ? (length: number) => {
              planned.push(length)
              return length <= 64 ? model : resized(other)
            }
          : (Reflect.get(target, name) as unknown),
    }) as CausalModel<unknown>
    const requests = [prompt(10), prompt(90)]
    const results = await createGenerator({ model: withPlan }).complete(requests, { temperature: 0, maxNewTokens: 3 })
    expect(planned).toEqual([64, 128])
    expect(results[0].ids).toEqual(await greedyByForward(model, requests[0], 3))
    expect(results[1].ids).toEqual(await greedyByForward(other, requests[1], 3))
  })
})

/** The same model with a static field of another value: a model of another structure. */
function resized(model: TinyModel): TinyModel {
  return new TinyModel(model.embed, model.blocks, model.head, model.vocabSize, model.contextLength + 1)
}

describe('a call that ends early', () => {
  /** Says `hello##########…`. */
  const endless = (): ReturnType<typeof createGenerator> => {
    const model = ScriptedModel.saying(tokenizer.encode('hello##'), { contextLength: 4000 })
    return createGenerator({ model, tokenizer })
  }

  it('by its signal tells what was held back, then throws the reason of the signal', async () => {
    const controller = new AbortController()
    const events: GenerationEvent[] = []
    const run = async (): Promise<void> => {
      const options = { signal: controller.signal, stop: ['###'], maxNewTokens: 3000 }
      for await (const event of endless().generate([[9], [8]], options)) {
        events.push(event)
        if (events.length === 4) controller.abort(new Error('enough'))
      }
    }
    await expect(run()).rejects.toThrow('enough')
    expect(events.map(({ index, text, finishReason }) => [index, text, finishReason])).toEqual([
      [0, 'hello', null],
      [1, 'hello', null],
      [0, '', null],
      [1, '', null],
      [0, '##', 'abort'],
      [1, '##', 'abort'],
    ])
    expect(events[5]).toMatchObject({ id: null, result: { text: 'hello##', stoppedBy: null } })
  })

  it('by a timer ends although nothing but microtasks is awaited', async () => {
    const events = endless().generate([[9]], { signal: AbortSignal.timeout(30), maxNewTokens: 3000 })
    await expect(collect(events)).rejects.toThrow(/timeout/i)
  })

  it('by a signal that was aborted before computes nothing', async () => {
    const events = endless().generate([[9]], { signal: AbortSignal.abort() })
    await expect(events.next()).rejects.toThrow(/abort/i)
  })

  it('by a break or an abort frees its memory without a garbage collection', async () => {
    const generator = endless()
    const broken = async (): Promise<void> => {
      for await (const { id } of generator.generate([[9], [8]], { maxNewTokens: 50 })) if (id !== null) break
    }
    const aborted = async (): Promise<void> => {
      const controller = new AbortController()
      const events = generator.generate([[9], [8]], { maxNewTokens: 50, signal: controller.signal })
      await events.next()
      controller.abort()
      await expect(collect(events)).rejects.toThrow()
      await new Promise((resolve) => setTimeout(resolve, 20)) // the step under way ends
    }
    await broken()
    await collectGarbage() // what earlier tests dropped
    const before = memoryReport(backend).liveBytes
    for (let k = 0; k < 3; k++) {
      await broken()
      await aborted()
    }
    expect(memoryReport(backend).liveBytes).toBeLessThanOrEqual(before)
  })

  it('by an error of the backend tells so for every sequence, also for those that had not begun', async () => {
    const model = ScriptedModel.saying([1], { contextLength: 64 })
    const small = openReference({ memoryLimitBytes: 1_000_000 })
    setDefaultBackend(small)
    try {
      const events: GenerationEvent[] = []
      const run = async (): Promise<void> => {
        const generator = createGenerator({ model: ScriptedModel.saying([1], { contextLength: 4096 }), maxBatch: 1 })
        for await (const event of generator.generate([[1], [2]], { maxNewTokens: 3 })) events.push(event)
      }
      await expect(run()).rejects.toThrow(AllocationError)
      expect(events.map(({ index, finishReason }) => [index, finishReason])).toEqual([
        [0, 'error'],
        [1, 'error'],
      ])
      const [result] = await createGenerator({ model }).complete([[1]], { maxNewTokens: 3, temperature: 0 })
      expect(result.ids).toEqual([1, 1, 1])
    } finally {
      setDefaultBackend(backend)
    }
  })
})

describe('wrong calls', () => {
  const model = ScriptedModel.saying([1])
  const generator = createGenerator({ model })

  it.each<[string, unknown, unknown, RegExp]>([
    ['a prompt instead of a list', 'hello', {}, /write \[prompt\]/],
    ['text without a tokenizer', ['hello'], {}, /takes a tokenizer/],
    ['an empty prompt', [[]], {}, /at least one token/],
    ['ids beyond the vocabulary', [[1], [300]], {}, /prompt 1 .* 0 … 299, got 300/],
    ['ids that are no integers', [[0.5]], {}, /got 0.5/],
    ['a prompt of the wrong type', [7], {}, /text or token ids, got 7/],
    ['null for a prompt', [null], {}, /got null/],
    ['an unknown option', [[1]], { maxTokens: 3 }, /maxNewTokens/],
    ['an unknown option of a prompt', [{ prompt: [1], temprature: 1 }], {}, /temperature/],
    ['a prompt object without a prompt', [{ seed: 1 }], {}, /prompt/],
    ['no tokens', [[1]], { maxNewTokens: 0 }, /at least 1, got 0/],
    ['a stop string alone', [[1]], { stop: 'x' }, /list of strings/],
    ['stop strings without a tokenizer', [[1]], { stop: ['x'] }, /take a tokenizer/],
    ['an empty stop string', [[1]], { stop: [''] }, /not empty/],
    ['stop ids out of range', [[1]], { stopIds: [300] }, /stopIds/],
    ['a seed out of range', [[1]], { seed: -1 }, /seed/],
    ['rules of a prompt out of range', [{ prompt: [1], topP: 2 }], {}, /topP/],
    ['a flag that is none', [[1]], { probabilities: 1 }, /true or false/],
  ])('%s is refused at once', (_name, prompts, options, message) => {
    const call = (): unknown => generator.generate(prompts as never, options as never)
    expect(call).toThrow(message)
    try {
      call()
    } catch (error) {
      expect(error instanceof ArgumentError || error instanceof PromptError).toBe(true)
    }
  })

  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /model/],
    ['no model', {}, /model/],
    ['a model that is none', { model: {} }, /fromPretrained/],
    ['a tokenizer that is none', { model, tokenizer: 'gpt2' }, /loadTokenizer/],
    ['a batch of nothing', { model, maxBatch: 0 }, /maxBatch/],
    ['stop ids out of range', { model, stopIds: [-1] }, /stopIds/],
  ])('createGenerator with %s says what it needs', (_name, options, message) => {
    expect(() => createGenerator(options as never)).toThrow(ArgumentError)
    expect(() => createGenerator(options as never)).toThrow(message)
  })

  it('createGenerator refuses a tokenizer with more tokens than the model', () => {
    expect(() => createGenerator({ model: TinyModel.init({ vocabSize: 100 }), tokenizer })).toThrow(/one folder/)
  })
})
