import { ArgumentError, DTypeError, ShapeError, type Tensor, cast, random, tensor } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import {
  Conv2d,
  Dropout,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  Module,
  RMSNorm,
  SelfAttention,
  SwiGLU,
  parameterCount,
  parameters,
  withParameters,
} from '../src/index.js'
import { values, wave } from './values.js'

const key = random.key(1)
const x = tensor(wave(12), { shape: [3, 4] })

class Stack extends Module {
  constructor(
    readonly layers: readonly Linear[],
    readonly norm: RMSNorm,
    readonly label: string,
  ) {
    super()
  }
}
const stack = () =>
  new Stack(
    [
      Linear.init({ inFeatures: 4, outFeatures: 4, key }),
      Linear.init({ inFeatures: 4, outFeatures: 2, key, bias: false }),
    ],
    RMSNorm.init({ features: 4 }),
    'a stack',
  )

describe('a module as a record of parameters', () => {
  it('names its tensors by their path, as checkpoints do', () => {
    expect(Object.keys(parameters(stack()))).toEqual([
      'layers.0.weight',
      'layers.0.bias',
      'layers.1.weight',
      'norm.weight',
    ])
    expect(parameterCount(stack())).toBe(16 + 4 + 8 + 4)
  })

  it('takes other tensors and keeps its class and its static fields', () => {
    const module = stack()
    const doubled = Object.fromEntries(Object.entries(parameters(module)).map(([name, p]) => [name, p.mul(2)]))
    const copy = module.with(doubled)
    expect(copy).toBeInstanceOf(Stack)
    expect([copy.label, copy.norm.eps, copy.layers[1].bias]).toEqual(['a stack', 1e-5, null])
    expect(parameters(copy)).toEqual(doubled)
    expect(parameters(module)).not.toEqual(doubled)
  })

  it('refuses records that do not fit, by name', () => {
    const module = stack()
    const { 'norm.weight': norm, ...rest } = parameters(module)
    const take = (record: Record<string, Tensor>) => () => withParameters(module, record)
    expect(take(rest)).toThrow(ArgumentError)
    expect(take(rest)).toThrow(/none for norm\.weight/)
    expect(take({ ...rest, 'norm.weight': norm, 'norm.bias': norm })).toThrow(/has no norm\.bias/)
    expect(take({ ...rest, 'norm.weight': x })).toThrow(ShapeError)
    expect(take({ ...rest, 'norm.weight': x })).toThrow(/norm\.weight is \[4\] in the module, got \[3, 4\]/)
    expect(take({ ...rest, 'norm.weight': cast(norm, 'bf16') })).toThrow(DTypeError)
  })
})

describe('layers', () => {
  it('Linear multiplies by its weight transposed and adds its bias', () => {
    const layer = new Linear(tensor(wave(8), { shape: [2, 4] }), tensor([10, 20]))
    const [w, input] = [values(layer.weight), values(x)]
    const wanted = [0, 1, 2].flatMap((row) =>
      [0, 1].map((out) => [0, 1, 2, 3].reduce((sum, k) => sum + input[row * 4 + k] * w[out * 4 + k], 10 * (out + 1))),
    )
    values(layer.forward(x)).forEach((got, k) => expect(got).toBeCloseTo(wanted[k], 5))
  })

  it('Linear names the shapes when the features do not fit', () => {
    expect(() => Linear.init({ inFeatures: 5, outFeatures: 2, key }).forward(x)).toThrow(
      /last axis of x has 5 features, got \[3, 4\]/,
    )
  })

  it('Embedding reads rows, and its table is the output layer of tied models', () => {
    const layer = new Embedding(x)
    expect(values(layer.forward(tensor([2, 0], { dtype: 'i32' })))).toEqual([
      ...values(x).slice(8),
      ...values(x).slice(0, 4),
    ])
    expect(layer.attend(x).shape).toEqual([3, 3])
  })

  it('norms start as plain normalisation', () => {
    const rows = (t: Tensor) => [0, 1, 2].map((row) => values(t).slice(row * 4, row * 4 + 4))
    for (const row of rows(LayerNorm.init({ features: 4, eps: 0 }).forward(x))) {
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(0, 5)
      expect(row.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 5)
    }
    for (const row of rows(RMSNorm.init({ features: 4, eps: 0 }).forward(x)))
      expect(row.reduce((a, b) => a + b * b, 0) / 4).toBeCloseTo(1, 5)
    const groups = GroupNorm.init({ groups: 2, channels: 4, eps: 0 }).forward(x)
    for (const row of rows(groups))
      expect([row[0] + row[1], row[2] + row[3]].map(Math.abs).every((s) => s < 1e-5)).toBe(true)
  })

  it('Conv2d has the weight and output shapes of torch', () => {
    const layer = Conv2d.init({ inChannels: 4, outChannels: 6, kernel: [3, 2], stride: 2, padding: 1, groups: 2, key })
    expect(layer.weight.shape).toEqual([6, 2, 3, 2])
    expect(layer.forward(tensor(wave(4 * 25), { shape: [1, 4, 5, 5] })).shape).toEqual([1, 6, 3, 3])
    expect(() => Conv2d.init({ inChannels: 3, outChannels: 6, kernel: 1, groups: 2, key })).toThrow(/got 2 for 3 and 6/)
  })

  it('Dropout keeps the mean, repeats with its key, and does nothing without one', () => {
    const ones = tensor(Array(4000).fill(1) as number[])
    const dropout = new Dropout(0.25)
    const dropped = values(dropout.forward(ones, { key }))
    expect(new Set(dropped.map((element) => element.toFixed(4)))).toEqual(new Set(['0.0000', '1.3333']))
    expect(dropped.reduce((a, b) => a + b) / 4000).toBeCloseTo(1, 1)
    expect(values(dropout.forward(ones, { key }))).toEqual(dropped)
    expect(dropout.forward(ones)).toBe(ones)
    expect(() => new Dropout(1)).toThrow(/\[0, 1\), got 1/)
  })

  it('SwiGLU gates: silu(gate) times up, then down', () => {
    const layer = SwiGLU.init({ features: 4, hidden: 6, key })
    const silu = (z: number) => z / (1 + Math.exp(-z))
    const [gate, up] = [values(layer.gate_proj.forward(x)), values(layer.up_proj.forward(x))]
    const hidden = tensor(
      gate.map((z, k) => silu(z) * up[k]),
      { shape: [3, 6] },
    )
    const wanted = values(layer.down_proj.forward(hidden))
    values(layer.forward(x)).forEach((got, k) => expect(got).toBeCloseTo(wanted[k], 5))
  })

  it('are made in the dtype that was asked for', () => {
    const modules = [
      Linear.init({ inFeatures: 2, outFeatures: 2, key, dtype: 'bf16' }),
      Embedding.init({ numEmbeddings: 2, features: 2, key, dtype: 'bf16' }),
      SwiGLU.init({ features: 2, hidden: 2, key, dtype: 'bf16' }),
      SelfAttention.init({ features: 4, heads: 2, key, dtype: 'bf16' }),
      LayerNorm.init({ features: 2, dtype: 'bf16' }),
    ]
    for (const module of modules)
      for (const [name, parameter] of Object.entries(parameters(module))) expect(parameter.dtype, name).toBe('bf16')
  })

  it('draw different weights from different keys and equal ones from equal keys', () => {
    const weight = (seed: number) =>
      values(Linear.init({ inFeatures: 3, outFeatures: 3, key: random.key(seed) }).weight)
    expect(weight(5)).toEqual(weight(5))
    expect(weight(5)).not.toEqual(weight(6))
    const swiglu = SwiGLU.init({ features: 3, hidden: 3, key })
    expect(values(swiglu.gate_proj.weight)).not.toEqual(values(swiglu.up_proj.weight))
  })
})
