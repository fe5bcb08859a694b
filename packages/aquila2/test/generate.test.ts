import { createGenerator, logLikelihood, perplexity } from '@tarazed/lm'
import { evaluate, mapTree, openReference, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Aquila2, type Aquila2Config } from '../src/index.js'
import { ODD, batch, randomModel, rows, tokens } from './support.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

const VOCABULARY = ODD.vocab_size

async function modelOf(fields: Partial<Aquila2Config> = {}): Promise<Aquila2> {
  const model = randomModel({ ...ODD, max_position_embeddings: 64, ...fields })
  await evaluate(model)
  return model
}

/** Ids of the arg max, a whole forward pass for each. */
async function greedyByForward(model: Aquila2, prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt]
  for (let k = 0; k < count; k++) {
    const logits = (await rows(model.forward(batch(ids)))).at(-1)!
    ids.push(logits.indexOf(Math.max(...logits)))
  }
  return ids.slice(prompt.length)
}

const prompts = [3, 21, 1, 9].map((length) => tokens(length, VOCABULARY, length))

describe('generation with Aquila2', () => {
  it.each<[string, Partial<Aquila2Config>]>([
    ['grouped heads', {}],
    ['linear scaling', { rope_scaling: { type: 'linear', factor: 4 } }],
    ['one key/value head', { num_key_value_heads: 1 }],
  ])('gives a batch of unequal prompts the ids of whole forward passes: %s', async (_name, fields) => {
    const model = await modelOf(fields)
    const results = await createGenerator({ model }).complete(prompts, { temperature: 0, maxNewTokens: 4 })
    for (const [k, { ids }] of results.entries()) expect(ids).toEqual(await greedyByForward(model, prompts[k], 4))
  })

  it('fixes a dynamic base for the planned length of each sequence', async () => {
    const model = await modelOf({ rope_scaling: { type: 'dynamic', factor: 4 }, max_position_embeddings: 8 })
    const requests = [tokens(2, VOCABULARY, 5), tokens(20, VOCABULARY, 6)]
    const generator = createGenerator({ model })
    const together = await generator.complete(requests, { temperature: 0, maxNewTokens: 4 })
    for (const [k, request] of requests.entries()) {
      const [alone] = await generator.complete([request], { temperature: 0, maxNewTokens: 4 })
      expect(together[k].ids).toEqual(alone.ids)
      // Planned lengths are rounded up to 64, or the context.
      const planned = model.planned(Math.min(64, model.contextLength))
      expect(alone.ids).toEqual(await greedyByForward(planned, request, 4))
    }
  })

  it('draws the same tokens for the same seed alone and in a batch, in bf16 too', async () => {
    const wide = await modelOf()
    for (const model of [wide, mapTree(wide, (leaf) => leaf.cast('bf16'))]) {
      const options = { temperature: 2, topK: 0, topP: 1, seed: 11, maxNewTokens: 6 }
      const generator = createGenerator({ model })
      const together = await generator.complete(prompts, options)
      for (const [k, prompt] of prompts.entries()) {
        const [alone] = await generator.complete([prompt], options)
        expect(together[k].ids).toEqual(alone.ids)
      }
    }
  })
})

describe('scoring with Aquila2', () => {
  it('agrees with the loss', async () => {
    const model = await modelOf()
    const ids = tokens(30, VOCABULARY, 3)
    const loss = await model.loss(batch(ids)).item()
    const { nats, tokens: count } = await perplexity(model, ids)
    expect(count).toBe(29)
    expect(nats / count).toBeCloseTo(loss, 4)
    const [{ logProbability }] = await logLikelihood(model, [{ context: ids.slice(0, 1), continuation: ids.slice(1) }])
    expect(logProbability).toBeCloseTo(-nats, 4)
  })
})
