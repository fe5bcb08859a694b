import { parameters } from '@tarazed/nn'
import {
  type Tensor,
  compile,
  evaluate,
  mapTree,
  openReference,
  scalar,
  setDefaultBackend,
  tensor,
} from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Aquila2, type Aquila2Cache, type Aquila2Config, ropeFrequencies } from '../src/index.js'
import { plainLogits } from './plainModel.js'
import { ODD, batch, largestGap, maskOf, plainWeights, randomModel, rows, tokens } from './support.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

const settled = async (model: Aquila2): Promise<Aquila2> => {
  await evaluate(model)
  return model
}

describe('the forward pass', () => {
  const variants: [string, Partial<Aquila2Config>, number][] = [
    ['grouped heads', {}, 13],
    ['a key/value head for each head', { num_key_value_heads: 6 }, 7],
    ['one key/value head', { num_key_value_heads: 1 }, 3],
    ['a single token', {}, 1],
    ['heads that are wider together than the stream', { head_dim: 14 }, 6],
    ['linear scaling', { rope_scaling: { type: 'linear', factor: 3 } }, 20],
    ['linear scaling in its newer spelling', { rope_scaling: { rope_type: 'linear', factor: 3 } }, 20],
    ['dynamic scaling below the limit', { rope_scaling: { type: 'dynamic', factor: 2 } }, 11],
    ['dynamic scaling beyond the limit', { rope_scaling: { type: 'dynamic', factor: 2 } }, 29],
    ['another base and eps', { rope_theta: 500, rms_norm_eps: 0.01 }, 9],
  ]
  it.each(variants)('equals the formulas in float64: %s', async (_name, fields, length) => {
    const config = { ...ODD, ...fields }
    const model = await settled(randomModel(config))
    const ids = tokens(length, config.vocab_size)
    const want = plainLogits(config, await plainWeights(model), ids)
    const got = await rows(model.forward(batch(ids)))
    expect(largestGap(got, want)).toBeLessThan(2e-5)
    expect(Math.max(...want.map((row) => Math.max(...row)))).toBeGreaterThan(0.1)
  })

  it('gives a row of a batch what it gives the row alone', async () => {
    const model = await settled(randomModel())
    const [a, b] = [tokens(9, 37, 1), tokens(9, 37, 2)]
    const together = await rows(model.forward(batch(a, b)))
    expect(largestGap(together.slice(9), await rows(model.forward(batch(b))))).toBeLessThan(1e-6)
  })

  it('ignores padding on either side: positions count real tokens', async () => {
    const model = await settled(randomModel())
    const ids = tokens(7, 37)
    const alone = await rows(model.forward(batch(ids)))
    const padded = batch([5, 5, 5, ...ids], [...ids, 0, 36, 1])
    const mask = maskOf([0, 0, 0, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    const got = await rows(model.forward(padded, { mask }))
    expect(largestGap(got.slice(3, 10), alone)).toBeLessThan(1e-6)
    expect(largestGap(got.slice(10, 17), alone)).toBeLessThan(1e-6)
  })

  it('lets no token see a later one', async () => {
    const model = await settled(randomModel())
    const ids = tokens(8, 37)
    const changed = [...ids.slice(0, 5), 1, 2, 3]
    const [a, b] = [await rows(model.forward(batch(ids))), await rows(model.forward(batch(changed)))]
    expect(largestGap(a.slice(0, 5), b.slice(0, 5))).toBe(0)
    expect(largestGap(a.slice(5), b.slice(5))).toBeGreaterThan(0.01)
  })

  it('shows the stream of hidden states, the last after the final norm', async () => {
    const model = await settled(randomModel())
    const ids = batch(tokens(4, 37))
    const { hidden, beforeNorm, logits } = model.hiddenStates(ids)
    await evaluate(hidden, beforeNorm, logits)
    expect(hidden.map((state) => state.shape)).toEqual(Array(3).fill([1, 4, 60]))
    expect(largestGap(await rows(hidden[0]), await rows(model.model.embed_tokens.forward(ids)))).toBe(0)
    expect(largestGap(await rows(hidden[2]), await rows(model.model.norm.forward(beforeNorm)))).toBe(0)
    expect(largestGap(await rows(logits), await rows(model.forward(ids)))).toBe(0)
  })

  it('computes in bf16 and gives f32 logits close to those of f32', async () => {
    const model = await settled(randomModel())
    const narrow = mapTree(model, (leaf) => leaf.cast('bf16'))
    const ids = batch(tokens(9, 37))
    const logits = narrow.forward(ids)
    expect(logits.dtype).toBe('f32')
    const wide = await rows(mapTree(narrow, (leaf) => leaf.cast('f32')).forward(ids))
    const gap = largestGap(await rows(logits), wide)
    expect(gap).toBeGreaterThan(0)
    expect(gap).toBeLessThan(0.1)
  })

  it('takes norms that are wider than the matrices, as some checkpoints store them', async () => {
    const model = await settled(randomModel())
    const mixed = mapTree(model, (leaf) => (leaf.rank === 1 ? leaf : leaf.cast('bf16')))
    const narrow = mapTree(model, (leaf) => leaf.cast('bf16'))
    const ids = batch(tokens(9, 37))
    expect(largestGap(await rows(mixed.forward(ids)), await rows(narrow.forward(ids)))).toBeLessThan(0.1)
  })
})

describe('the cache', () => {
  const positionsFrom = (start: number, count: number, B = 1): Tensor =>
    batch(...Array.from({ length: B }, () => Array.from({ length: count }, (_, t) => start + t)))

  /** All tokens in chunks; logits of every position. */
  async function chunked(model: Aquila2, ids: readonly number[], chunks: readonly number[], dtype?: 'bf16') {
    let cache: Aquila2Cache = model.emptyCache({ batch: 1, capacity: 16, dtype })
    const all: number[][] = []
    let start = 0
    for (const count of chunks) {
      const mask = maskOf(Array.from({ length: 16 }, (_, row) => (row < start + count ? 1 : 0)))
      const step = model.forwardCached(batch(ids.slice(start, start + count)), cache, {
        start: scalar(start, { dtype: 'i32' }),
        positions: positionsFrom(start, count),
        mask,
      })
      await evaluate(step)
      cache = step.cache
      all.push(...(await rows(step.logits)))
      start += count
    }
    return all
  }

  it.each([[[13]], [[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]], [[5, 1, 4, 3]]])(
    'gives the logits of the whole sequence when it is read in chunks of %j',
    async (chunks) => {
      const model = await settled(randomModel())
      const ids = tokens(13, 37)
      const whole = await rows(model.forward(batch(ids)))
      expect(largestGap(await chunked(model, ids, chunks), whole)).toBeLessThan(2e-6)
    },
  )

  it('may be narrower than the weights', async () => {
    const model = await settled(randomModel())
    const ids = tokens(13, 37)
    const whole = await rows(model.forward(batch(ids)))
    const gap = largestGap(await chunked(model, ids, [6, 1, 6], 'bf16'), whole)
    expect(gap).toBeGreaterThan(0)
    expect(gap).toBeLessThan(0.05)
  })

  it('serves prompts of unequal length, padded on the left', async () => {
    const model = await settled(randomModel())
    const [long, short] = [tokens(8, 37, 1), tokens(5, 37, 2)]
    const ids = batch(long, [9, 9, 9, ...short])
    const real = [
      [1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
      [0, 0, 0, 1, 1, 1, 1, 1, 0, 0],
    ]
    const prefill = model.forwardCached(ids, model.emptyCache({ batch: 2, capacity: 10 }), {
      start: scalar(0, { dtype: 'i32' }),
      positions: batch([0, 1, 2, 3, 4, 5, 6, 7], [0, 0, 0, 0, 1, 2, 3, 4]),
      mask: maskOf(...real),
      last: true,
    })
    await evaluate(prefill)
    expect(prefill.logits.shape).toEqual([2, 1, 37])
    const alone = async (ids: readonly number[]): Promise<number[]> => (await rows(model.forward(batch(ids)))).at(-1)!
    expect(largestGap(await rows(prefill.logits), [await alone(long), await alone(short)])).toBeLessThan(2e-6)
    const decode = model.forwardCached(batch([3], [4]), prefill.cache, {
      start: scalar(8, { dtype: 'i32' }),
      positions: batch([8], [5]),
      mask: maskOf(...real.map((row) => [...row.slice(0, 8), 1, 0])),
    })
    const want = [await alone([...long, 3]), await alone([...short, 4])]
    expect(largestGap(await rows(decode.logits), want)).toBeLessThan(2e-6)
  })

  it('lets a decoding step compile once for all positions, writing into the donated cache', async () => {
    const model = await settled(randomModel())
    const ids = tokens(6, 37)
    const whole = await rows(model.forward(batch(ids)))
    const decode = compile(
      (model: Aquila2, cache: Aquila2Cache, id: Tensor, start: Tensor, mask: Tensor) =>
        model.forwardCached(id, cache, { start, positions: start.reshape([1, 1]), mask }),
      { donate: ['cache'] },
    )
    let cache = model.emptyCache({ batch: 1, capacity: 8 })
    for (let t = 0; t < ids.length; t++) {
      const mask = maskOf(Array.from({ length: 8 }, (_, row) => (row <= t ? 1 : 0)))
      const step = await decode(model, cache, batch([ids[t]]), scalar(t, { dtype: 'i32' }), mask)
      cache = step.cache
      expect(largestGap(await rows(step.logits), [whole[t]])).toBeLessThan(2e-6)
    }
    expect(decode.stats.traces).toBe(1)
  })

  it('turns keys by the planned length, so that they do not go stale', async () => {
    const config = { ...ODD, rope_scaling: { type: 'dynamic', factor: 2 } }
    const model = await settled(randomModel(config))
    const ids = tokens(13, 37)
    const want = plainLogits(config, await plainWeights(model), ids, 40)
    const planned = model.planned(40)
    expect(largestGap(await rows(planned.forward(batch(ids))), want)).toBeLessThan(2e-5)
    expect(largestGap(await chunked(planned, ids, [4, 9]), want)).toBeLessThan(2e-5)
    expect(largestGap(await rows(model.forward(batch(ids))), want)).toBeGreaterThan(1e-3)
  })

  it('plans nothing where no base depends on the length', () => {
    const model = randomModel()
    expect(model.planned(1000)).toBe(model)
    const dynamic = randomModel({ ...ODD, rope_scaling: { type: 'dynamic', factor: 2 } })
    expect(dynamic.planned(3).planned_length).toBe(16)
    expect(dynamic.planned(3).planned(9)).toEqual(dynamic.planned(16))
  })
})

describe('rotary frequencies', () => {
  const config = { ...ODD, hidden_size: 48, num_attention_heads: 6 }

  it('are powers of the base, divided by a linear factor', () => {
    expect(ropeFrequencies(config)).toEqual([1, 10000 ** -0.25, 10000 ** -0.5, 10000 ** -0.75])
    const linear = ropeFrequencies({ ...config, rope_scaling: { type: 'linear', factor: 8 } })
    expect(linear[1]).toBeCloseTo(10000 ** -0.25 / 8, 12)
  })

  it('follow a base that grows beyond the limit: theta·((s·L/Lmax) - (s-1))^(d/(d-2))', () => {
    const dynamic = { ...config, rope_scaling: { type: 'dynamic', factor: 2 } }
    expect(ropeFrequencies(dynamic, 16)).toEqual(ropeFrequencies(config))
    const theta = 10000 * ((2 * 40) / 16 - 1) ** (8 / 6)
    expect(ropeFrequencies(dynamic, 40)[3]).toBeCloseTo(theta ** -0.75, 12)
  })
})

describe('a wrong call', () => {
  const model = randomModel()
  const ids = batch([1, 2, 3])

  it('names the rule and the shapes', () => {
    expect(() => model.forward(tensor([1, 2], { dtype: 'i32' }))).toThrow(/ids are \[B, T\], got \[2\]/)
    expect(() => model.forward(tensor([[1.5]]))).toThrow(/ids are i32, got f32/)
    expect(() => model.forward(ids, { mask: maskOf([1, 1]) })).toThrow(/mask is \[1, 3\], got \[1, 2\]/)
    expect(() => model.forward(ids, { mask: batch([1, 1, 1]) })).toThrow(/mask is bool.*got i32/)
    expect(() => model.loss(batch([1]))).toThrow(/T of at least 2/)
    expect(() => model.loss(ids, batch([1, 2]))).toThrow(/labels \[1, 2\]/)
    expect(() => model.planned(0)).toThrow(/positive integer, got 0/)
    // @ts-expect-error -- an option that does not exist
    expect(() => model.forward(ids, { masks: 1 })).toThrow(/unknown option "masks"/)
    const step = { start: scalar(0, { dtype: 'i32' }), positions: ids, mask: maskOf([1, 1, 1]) }
    expect(() => model.forwardCached(ids, [], step)).toThrow(/2 layers, got 0/)
  })

  it('is plain JavaScript that forgot the tensors', () => {
    // @ts-expect-error -- no tensor
    expect(() => model.forward([1, 2])).toThrow(/ids are a tensor/)
    // @ts-expect-error -- nothing at all
    expect(() => model.forward()).toThrow(/ids are a tensor/)
    // @ts-expect-error -- no options
    expect(() => model.forwardCached(ids, model.emptyCache({ batch: 1, capacity: 4 }))).toThrow(/start/)
  })
})

describe('names', () => {
  it('are those of a checkpoint', () => {
    const names = Object.keys(parameters(randomModel()))
    expect(names).toHaveLength(1 + 2 * 9 + 2)
    expect(names).toContain('model.embed_tokens.weight')
    expect(names).toContain('model.layers.1.self_attn.q_proj.weight')
    expect(names).toContain('model.layers.0.mlp.gate_proj.weight')
    expect(names).toContain('model.layers.0.post_attention_layernorm.weight')
    expect(names).toContain('model.norm.weight')
    expect(names).toContain('lm_head.weight')
  })
})
