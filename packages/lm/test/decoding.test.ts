import { mapTree, openReference, setDefaultBackend, tensor } from '@tarazed/tensor'
import { beforeAll, describe, expect, it } from 'vitest'
import { Batch } from '../src/decoding/batch.js'
import { capacityFor, chunksFor } from '../src/decoding/chunks.js'
import { stepsFor } from '../src/decoding/steps.js'
import { randomNumbers } from './naiveSampling.js'
import { TinyModel } from './tinyModel.js'

beforeAll(() => setDefaultBackend(openReference()))

const next = randomNumbers(6)
const prompt = (length: number): number[] => Array.from({ length }, () => Math.floor(next() * 40))

/** Logits behind the last token by the whole forward pass, [V]. */
async function wholeLogits(model: TinyModel, ids: readonly number[]): Promise<number[]> {
  const logits = model.forward(tensor(Int32Array.from(ids), { shape: [1, ids.length] }))
  return [...(await logits.slice([0, ids.length - 1].map((at) => [at, at + 1] as const)).data())]
}

function expectClose(got: ArrayLike<number>, want: readonly number[]): void {
  const worst = Math.max(...want.map((value, k) => Math.abs(got[k] - value)))
  expect(worst).toBeLessThan(1e-4)
}

describe('chunks of a prompt', () => {
  it('hold every length with little padding', () => {
    for (let length = 1; length < 2000; length++) {
      const total = chunksFor(length).reduce((sum, size) => sum + size, 0)
      expect(total).toBeGreaterThanOrEqual(length)
      expect(total - length).toBeLessThan(Math.max(16, length / 3))
      expect(chunksFor(length).length).toBeLessThanOrEqual(length / 256 + 6)
    }
  })

  it('make caches of few sizes, a third empty at most, and none above the context but for padding', () => {
    const sizes = new Set(Array.from({ length: 4000 }, (_, k) => capacityFor(k + 1, 4096)))
    expect(sizes.size).toBeLessThan(15)
    for (const size of [65, 97, 130, 200, 3000]) expect(capacityFor(size, 4096)).toBeLessThanOrEqual(size * 1.5)
    expect(capacityFor(500, 510)).toBe(510)
    expect(capacityFor(520, 510)).toBe(520)
  })
})

describe('a prompt read in chunks', () => {
  it.each([1, 15, 16, 17, 49, 64, 65, 100])('of %i tokens has the logits of the whole forward pass', async (length) => {
    const model = TinyModel.init()
    const ids = prompt(length)
    const batch = new Batch(model, [ids], { newTokens: 2 })
    const first = await batch.prefill('logits')
    expectClose((first![0] as { logits: Float32Array }).logits, await wholeLogits(model, ids))
    const second = await batch.step([7], 'logits')
    expectClose((second[0] as { logits: Float32Array }).logits, await wholeLogits(model, [...ids, 7]))
    await batch.close()
  })

  it('has them beside longer and shorter ones, and after rows were dropped', async () => {
    const model = TinyModel.init({ layers: 1 })
    const prompts = [3, 40, 1, 17].map(prompt)
    const batch = new Batch(model, prompts, { newTokens: 4 })
    const rows = await batch.prefill('logits')
    for (const [row, ids] of prompts.entries())
      expectClose((rows![row] as { logits: Float32Array }).logits, await wholeLogits(model, ids))
    await batch.step([1, 2, 3, 4], 'best')
    expect(await batch.keepRows([1, 2])).toBe(true)
    expect(batch.size).toBe(2)
    const after = await batch.step([5, 6], 'logits')
    expectClose((after[0] as { logits: Float32Array }).logits, await wholeLogits(model, [...prompts[1], 2, 5]))
    expectClose((after[1] as { logits: Float32Array }).logits, await wholeLogits(model, [...prompts[2], 3, 6]))
    await batch.close()
  })
})

describe('programs', () => {
  it('are traced once and serve models with other parameters of the same shapes', async () => {
    const model = TinyModel.init({ layers: 1, vocabSize: 24 })
    const other = mapTree(model, (leaf) => leaf.mul(0.5))
    for (const each of [model, other, model]) {
      const batch = new Batch(each, [[1, 2, 3]], { newTokens: 8 })
      await batch.prefill('best')
      for (let k = 0; k < 3; k++) await batch.step([k], 'best')
      await batch.close()
    }
    expect(stepsFor(model, 1, 64)).toBe(stepsFor(other, 1, 64))
    // One for a chunk of 16, one for a single token.
    expect(stepsFor(model, 1, 64).best.stats).toMatchObject({ traces: 2, runs: 12 })
  })
})
