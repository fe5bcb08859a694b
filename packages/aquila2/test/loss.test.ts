import { type NamedTensors, adamw, clipByGlobalNorm, mixedPrecision } from '@tarazed/nn/optim'
import { parameters } from '@tarazed/nn'
import {
  type Tensor,
  crossEntropy,
  evaluate,
  openReference,
  random,
  setDefaultBackend,
  valueAndGrad,
} from '@tarazed/tensor'
import { checkGrad } from '@tarazed/tensor/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Aquila2, smallConfig } from '../src/index.js'
import { batch, largestGap, maskOf, randomModel, rows, tokens } from './support.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

const TINY = {
  ...smallConfig({
    vocab_size: 7,
    hidden_size: 8,
    intermediate_size: 6,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
  }),
  initializer_range: 0.4,
}

describe('the loss', () => {
  it('is the cross-entropy of each next token, labels standing at their own', async () => {
    const model = randomModel()
    await evaluate(model)
    const ids = tokens(6, 37)
    const labels = [-100, -100, ids[2], ids[3], -100, 9]
    const logits = model.forward(batch(ids))
    const want = crossEntropy(logits.slice([null, [0, -1]]), batch(labels).slice([null, [1, null]]))
    const got = model.loss(batch(ids), batch(labels))
    expect(await got.item()).toBeCloseTo((await want.item()) as number, 5)
  })

  it('predicts the ids themselves without labels, and gives single costs or their sum', async () => {
    const model = randomModel()
    await evaluate(model)
    const ids = batch(tokens(6, 37))
    const costs = model.loss(ids, undefined, { reduction: 'none' })
    expect(costs.shape).toEqual([1, 5])
    const sum = [...(await costs.data())].reduce((total, cost) => total + Number(cost), 0)
    expect(await model.loss(ids, undefined, { reduction: 'sum' }).item()).toBeCloseTo(sum, 4)
    expect(await model.loss(ids).item()).toBeCloseTo(sum / 5, 5)
    expect(await model.loss(ids, undefined, { zLoss: 0.1 }).item()).toBeGreaterThan(sum / 5)
  })

  it('of padded rows is that of the rows alone', async () => {
    const model = randomModel()
    await evaluate(model)
    const ids = tokens(5, 37)
    const alone = await model.loss(batch(ids)).item()
    const labels = batch([-100, -100, ...ids])
    const padded = model.loss(batch([3, 3, ...ids]), labels, { mask: maskOf([0, 0, 1, 1, 1, 1, 1]) })
    // One label more: the first real token, predicted by padding. It must be ignored by whoever pads on the left.
    const ignored = batch([-100, -100, -100, ...ids.slice(1)])
    const fair = model.loss(batch([3, 3, ...ids]), ignored, { mask: maskOf([0, 0, 1, 1, 1, 1, 1]) })
    expect(await fair.item()).toBeCloseTo(alone as number, 5)
    expect(await padded.item()).not.toBeCloseTo(alone as number, 5)
  })

  it('has the gradients of finite differences, for every weight', () => {
    const model = randomModel(TINY, 3)
    const names = Object.keys(parameters(model))
    const ids = batch([1, 6, 2, 0, 4], [3, 3, 5, 1, 2])
    const labels = batch([1, 6, -100, 0, 4], [3, 3, 5, -100, -100])
    const mask = maskOf([1, 1, 1, 1, 1], [1, 1, 1, 0, 0])
    const loss = (...values: Tensor[]): Tensor =>
      model.with(Object.fromEntries(names.map((name, k) => [name, values[k]]))).loss(ids, labels, { mask, zLoss: 0.01 })
    const inputs = Object.values(parameters(model)).map((value, k) => ({
      shape: value.shape,
      data: Array.from(
        { length: value.size },
        (_, i) => 0.4 * Math.sin(1 + i * 1.7 + k * 0.9) + (value.rank === 1 ? 1 : 0),
      ),
    }))
    checkGrad(loss, inputs, { second: false, batch: false })
  })
})

describe('rematerialisation', () => {
  it('keeps every bit of loss and gradients', async () => {
    const model = randomModel()
    await evaluate(model)
    const ids = batch(tokens(6, 37))
    const run = (rematerialise: boolean) =>
      valueAndGrad((params: NamedTensors) => model.with(params).loss(ids, ids, { rematerialise }))(parameters(model))
    const [[plainLoss, plainGrads], [loss, grads]] = [run(false), run(true)]
    await evaluate(plainLoss, plainGrads, loss, grads)
    expect(await loss.item()).toBe(await plainLoss.item())
    for (const name of Object.keys(grads)) expect(await rows(grads[name])).toEqual(await rows(plainGrads[name]))
  })
})

describe('training', () => {
  it('lowers the loss, in f32 and in bf16', async () => {
    const config = smallConfig({ vocab_size: 20, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 })
    for (const dtype of ['f32', 'bf16'] as const) {
      const model = randomModel({ ...config, initializer_range: 0.2 }, 5)
      const ids = batch(tokens(8, 20))
      const optimizer = adamw({ lr: 0.01 })
      let params: NamedTensors = parameters(model)
      params = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, value.cast(dtype)]))
      const blank = Aquila2.init(config, random.key(0), { dtype })
      let state = optimizer.init(params)
      const losses: number[] = []
      for (let step = 0; step < 12; step++) {
        const [loss, grads] = valueAndGrad((p: NamedTensors) => blank.with(p).loss(ids))(params)
        ;({ params, state } = optimizer.update(params, clipByGlobalNorm(grads, 1).grads, state))
        await evaluate(loss, params, state)
        losses.push((await loss.item()) as number)
      }
      expect(losses[11]).toBeLessThan(losses[0] * 0.8)
    }
  })
})

describe('mixed precision', () => {
  it('computes in bf16 over f32 parameters, whose gradients are those of f32 but for rounding', async () => {
    const config = { ...TINY, initializer_range: 0.4 }
    const model = randomModel(config, 4)
    await evaluate(model)
    const ids = batch([1, 6, 2, 0, 4])
    const narrow = Aquila2.init(config, random.key(0), { dtype: 'bf16' })
    const loss = mixedPrecision((params: NamedTensors, ids: Tensor) => narrow.with(params).loss(ids))
    const [value, grads] = valueAndGrad((params: NamedTensors) => loss(params, ids))(parameters(model))
    const [wide, wideGrads] = valueAndGrad((params: NamedTensors) => model.with(params).loss(ids))(parameters(model))
    await evaluate(value, grads, wide, wideGrads)
    expect(Math.abs(((await value.item()) as number) - ((await wide.item()) as number))).toBeLessThan(0.05)
    for (const [name, grad] of Object.entries(grads)) {
      expect(grad.dtype).toBe('f32')
      expect(largestGap(await rows(grad), await rows(wideGrads[name]))).toBeLessThan(0.1)
    }
  })
})

describe('initialisation', () => {
  it('draws weights with the standard deviation of the configuration and sets norms', async () => {
    const config = { ...smallConfig({ vocab_size: 300 }), initializer_range: 0.0165, rms_norm_init: 0.3 }
    const named = parameters(Aquila2.init(config, random.key(7)))
    const spread = async (name: string): Promise<number> => {
      const data = [...(await named[name].data())].map(Number)
      return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length)
    }
    for (const name of ['model.embed_tokens.weight', 'lm_head.weight', 'model.layers.1.mlp.down_proj.weight'])
      expect(Math.abs((await spread(name)) / 0.0165 - 1)).toBeLessThan(0.05)
    expect(new Set(await named['model.layers.0.input_layernorm.weight'].data())).toEqual(new Set([Math.fround(0.3)]))
  })
})
