import { random } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import {
  Aquila2,
  type Aquila2Config,
  ConfigError,
  catalogue,
  catalogueEntry,
  configs,
  contextLength,
  estimate,
  feedForwardWidth,
  headDim,
  parameterShapes,
  parseConfig,
  ropeScaling,
  smallConfig,
  templateOf,
} from '../src/index.js'

const seven = configs['aquila2-7b']
const thirtyFour = configs['aquila2-34b']
const fieldsOf = ({ warnings }: ReturnType<typeof parseConfig>): string[] => warnings.map(({ field }) => field)
const without = (config: Aquila2Config, ...fields: string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(config).filter(([field]) => !fields.includes(field)))
const GIB = 2 ** 30

describe('the published sizes', () => {
  it.each([
    ['aquila2-7b', 7_295_537_152, 13.59, 4.66, 524_288, 1],
    ['aquila2-34b', 33_693_554_688, 62.76, 18.0, 245_760, 0.94],
    ['aquila2-70b', 70_090_891_264, 130.55, 36.2, 327_680, 1.25],
  ] as const)('%s: parameters, bytes and cache', (name, parameters, gib, int4, kvPerToken, kvGib) => {
    const all = estimate(configs[name])
    expect(all.parameters.total).toBe(parameters)
    expect((all.weights.bytes / GIB).toFixed(2)).toBe(gib.toFixed(2))
    expect(Math.abs(estimate(configs[name], { dtype: 'int4' }).weights.bytes / GIB - int4)).toBeLessThan(0.05)
    expect(all.kvCache.bytesPerToken).toBe(kvPerToken)
    expect((all.kvCache.bytes / GIB).toFixed(2)).toBe(kvGib.toFixed(2))
    expect(all.adamTrainingBytes).toBe(16 * parameters)
  })

  it('counts what the shapes of all parameters add up to', () => {
    const config = smallConfig({ vocab_size: 37, hidden_size: 60, num_attention_heads: 6, num_key_value_heads: 2 })
    const shapes = Object.values(parameterShapes(config))
    const sum = shapes.reduce((total, shape) => total + shape.reduce((product, extent) => product * extent, 1), 0)
    const { parameters, weights } = estimate(config, { dtype: 'f32' })
    expect(parameters.total).toBe(sum)
    expect(parameters.embedding + parameters.head + parameters.linears + parameters.norms).toBe(sum)
    expect(weights.bytes).toBe(4 * sum)
  })

  it('needs 8 GiB of cache for 16K tokens of the 7B, 3.75 for the 34B', () => {
    const cache = (name: string): number => estimate(catalogueEntry(name)!.config).kvCache.bytes / GIB
    expect(cache('AquilaChat2-7B-16K')).toBe(8)
    expect(cache('AquilaChat2-34B-16K')).toBe(3.75)
  })

  it('refuses counts and names that are none', () => {
    expect(() => estimate(seven, { batch: 0 })).toThrow(/batch is a positive integer, got 0/)
    // @ts-expect-error -- no such dtype
    expect(() => estimate(seven, { dtype: 'int3' })).toThrow(/dtype is f32, .*, got "int3"/)
    // @ts-expect-error -- no such option
    expect(() => estimate(seven, { contexts: 1 })).toThrow(/unknown option "contexts"/)
  })

  it('refuses what is no configuration, also where one is handed over in code', () => {
    // @ts-expect-error -- a name is no configuration
    expect(() => estimate('aquila2-7b')).toThrow(/config is an object such as .*got "aquila2-7b"/)
    // @ts-expect-error -- nothing is none either
    expect(() => parameterShapes(undefined)).toThrow(ConfigError)
    expect(() => Aquila2.init({ ...seven, hidden_size: 0 }, random.key(0))).toThrow(/hidden_size is an integer/)
  })

  it("follows FlagScale's rule of feed-forward widths", () => {
    expect(feedForwardWidth(4096)).toBe(seven.intermediate_size)
    const large = { multipleOf: 4096, multiplier: 1.3 }
    expect(feedForwardWidth(6144, large)).toBe(thirtyFour.intermediate_size)
    expect(feedForwardWidth(8192, large)).toBe(configs['aquila2-70b'].intermediate_size)
  })

  it('has heads of 128 channels everywhere', () => {
    expect(Object.values(catalogue).map(({ config }) => headDim(config))).toEqual(Array(8).fill(128))
  })
})

describe('reading a configuration', () => {
  it('fills in what the published files leave out', () => {
    const { config, warnings } = parseConfig(without(seven, 'rope_theta', 'num_key_value_heads', 'rope_scaling'))
    expect([config.rope_theta, config.num_key_value_heads, config.rope_scaling]).toEqual([10000, 32, null])
    expect(warnings).toEqual([])
  })

  it('keeps fields that it does not know', () => {
    const auto_map = { AutoConfig: 'configuration_aquila.AquilaConfig' }
    expect(parseConfig({ ...seven, auto_map, pretraining_tp: 1 }).config).toEqual({
      ...seven,
      auto_map,
      pretraining_tp: 1,
    })
  })

  it('takes all spellings of the model for one graph, and warns of strangers', () => {
    for (const model_type of ['aquila', 'llama', undefined])
      expect(parseConfig({ ...seven, model_type, architectures: ['LlamaForCausalLM'] }).warnings).toEqual([])
    expect(fieldsOf(parseConfig({ ...seven, model_type: 'baichuan' }))).toEqual(['model_type'])
  })

  it('reads scaling in both spellings, and where newer files keep it', () => {
    const scalings = [
      { rope_scaling: { type: 'linear', factor: 8 } },
      { rope_scaling: { rope_type: 'linear', factor: 8 } },
      {
        rope_scaling: undefined,
        rope_theta: undefined,
        rope_parameters: { rope_theta: 5e5, rope_type: 'linear', factor: 8 },
      },
    ]
    for (const fields of scalings) {
      const { config } = parseConfig({ ...seven, ...fields })
      expect(ropeScaling(config)).toEqual({ type: 'linear', factor: 8 })
      expect(contextLength(config)).toBe(16384)
    }
    expect(parseConfig({ ...seven, ...scalings[2] }).config.rope_theta).toBe(5e5)
    expect(ropeScaling({ rope_scaling: { rope_type: 'default' } })).toBe(null)
  })

  it('understands the keys of older programs', () => {
    const old = {
      dim: 4096,
      n_layers: 32,
      n_heads: 32,
      multiple_of: 256,
      norm_eps: 1e-5,
      vocab_size: 100008,
      max_seq_len: 2048,
    }
    const result = parseConfig(old)
    expect(result.config).toMatchObject({
      hidden_size: 4096,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      intermediate_size: 11008,
      rms_norm_eps: 1e-5,
      max_position_embeddings: 2048,
    })
    expect(fieldsOf(result)).toContain('hidden_size')
    expect(estimate(result.config).parameters.total).toBe(7_295_537_152)
  })

  it('says which of two spellings counts when they differ', () => {
    const result = parseConfig({ ...seven, n_layer: 5 })
    expect(result.config.num_hidden_layers).toBe(32)
    expect(result.warnings[0].message).toMatch(/num_hidden_layers is 32 and n_layer 5; num_hidden_layers is used/)
  })

  const wrong: [string, unknown, RegExp][] = [
    ['hidden_size', undefined, /hidden_size is needed/],
    ['vocab_size', '100008', /vocab_size is an integer.*got "100008"/],
    ['num_hidden_layers', 1e9, /from 1 to 10000, got 1000000000/],
    ['num_attention_heads', 33, /even number of channels.*4096/],
    ['num_key_value_heads', 5, /divides num_attention_heads 32, got 5/],
    ['rope_theta', -1, /rope_theta is a positive number, got -1/],
    ['rms_norm_eps', 0, /rms_norm_eps is a positive number/],
    ['rope_scaling', { type: 'yarn', factor: 2 }, /linear or dynamic, got "yarn"/],
    ['rope_scaling', { type: 'linear', factor: 0.5 }, /factor is a number from 1 to 1000000, got 0.5/],
    ['rope_scaling', 'linear', /object or null, got "linear"/],
    ['hidden_act', 'gelu', /hidden_act is silu, got "gelu"/],
    ['attention_bias', true, /AquilaDense/],
    ['eos_token_id', 1.5, /eos_token_id is a token id/],
    ['initializer_range', 'x', /initializer_range is a number/],
    ['head_dim', 7, /even number/],
  ]
  it.each(wrong)('refuses a wrong %s and names it: %j', (field, value, message) => {
    const read = (): unknown => parseConfig({ ...seven, [field]: value })
    expect(read).toThrow(ConfigError)
    expect(read).toThrow(message)
    try {
      read()
    } catch (error) {
      expect((error as ConfigError).field).toBe(field)
    }
  })

  it('refuses what is no configuration', () => {
    expect(() => parseConfig('[1, 2]')).toThrow(/a configuration is a JSON object/)
    expect(() => parseConfig('{"vocab_size": 1,')).toThrow(/line 1/)
    expect(() => parseConfig('null', { file: 'x/config.json' })).toThrow(/x\/config.json/)
    // @ts-expect-error -- no text and no object
    expect(() => parseConfig(undefined)).toThrow(ConfigError)
    // @ts-expect-error -- no such option
    expect(() => parseConfig('{}', { shape: {} })).toThrow(/unknown option "shape"/)
  })
})

describe('known wrong configurations', () => {
  it('a doubled rope_scaling, object then null, keeps the object and is told', () => {
    const text = JSON.stringify({ ...thirtyFour, rope_scaling: { type: 'linear', factor: 4 } })
    const doubled = `${text.slice(0, -1)},"rope_scaling":null}`
    expect((JSON.parse(doubled) as Aquila2Config).rope_scaling).toBe(null)
    const result = parseConfig(doubled, { name: 'AquilaChat2-34B-16K' })
    expect(ropeScaling(result.config)).toEqual({ type: 'linear', factor: 4 })
    expect(fieldsOf(result)).toEqual(['rope_scaling'])
    expect(result.warnings[0].message).toMatch(/stands 2 times.*"factor":4.*is used/)
  })

  it('a 16K model without scaling is told with the override; the catalogue has it', () => {
    const { warnings } = parseConfig(seven, { name: 'BAAI/AquilaChat2-7B-16K' })
    expect(warnings[0].message).toContain('"rope_scaling": {"type": "linear", "factor": 8}')
    expect(parseConfig(thirtyFour, { name: 'AquilaChat2-34B-16k' }).warnings[0].message).toContain('"factor": 4}')
    const overrides = catalogueEntry('BAAI/AquilaChat2-7B-16K')!.overrides
    const mended = parseConfig(seven, { name: 'AquilaChat2-7B-16K', overrides })
    expect(mended.warnings).toEqual([])
    expect(contextLength(mended.config)).toBe(16384)
    expect(parseConfig(seven, { name: 'AquilaChat2-7B' }).warnings).toEqual([])
  })

  it('the shape of the 34B beside the tensors of the 7B: the tensors win, field by field', () => {
    const result = parseConfig(thirtyFour, { shapes: parameterShapes(seven) })
    for (const field of [
      'hidden_size',
      'intermediate_size',
      'num_hidden_layers',
      'num_attention_heads',
      'num_key_value_heads',
    ])
      expect(result.config[field]).toBe(seven[field])
    expect(fieldsOf(result).sort()).toEqual([
      'hidden_size',
      'intermediate_size',
      'num_attention_heads',
      'num_hidden_layers',
      'num_key_value_heads',
    ])
    expect(result.warnings.map(({ message }) => message)).toContain(
      'config.json: hidden_size is 6144, the tensors have 4096; 4096 is used',
    )
  })

  it('the head size comes from inv_freq where that is stored', () => {
    const small = smallConfig({ hidden_size: 64, num_attention_heads: 4, num_key_value_heads: 2 })
    const shapes = { ...parameterShapes(small), 'model.layers.0.self_attn.rotary_emb.inv_freq': [8] }
    const { config } = parseConfig({ ...small, num_attention_heads: 2, num_key_value_heads: 1 }, { shapes })
    expect([config.num_attention_heads, config.num_key_value_heads, headDim(config)]).toEqual([4, 2, 16])
    const impossible = { ...parameterShapes(small), 'model.layers.0.self_attn.rotary_emb.inv_freq': [9] }
    expect(() => parseConfig(small, { shapes: impossible })).toThrow(/18 channels by inv_freq/)
  })

  it('two possible readings of the heads are an error that asks for one', () => {
    // 4096 rows are 32 heads of 128 or, by the file, 64 of 64; the file is wrong about the key heads.
    const file = { ...seven, num_attention_heads: 64, num_key_value_heads: 64 }
    const shapes = parameterShapes({ ...seven, num_key_value_heads: 8 })
    expect(() => parseConfig(file, { shapes })).toThrow(/64 or 128 channels.*give num_attention_heads/)
    const overrides = { num_attention_heads: 32, num_key_value_heads: 8 }
    expect(headDim(parseConfig(file, { shapes, overrides }).config)).toBe(128)
  })

  it('no possible reading is an error too', () => {
    const small = smallConfig({ hidden_size: 96, num_attention_heads: 4 })
    expect(() => parseConfig({ ...small, num_attention_heads: 5 }, { shapes: parameterShapes(small) })).toThrow(
      /no way to divide heads/,
    )
  })

  it('an override that the tensors contradict is an error', () => {
    expect(() => parseConfig(seven, { shapes: parameterShapes(seven), overrides: { num_hidden_layers: 31 } })).toThrow(
      /num_hidden_layers was set to 31, the tensors have 32/,
    )
  })

  it('tensors that contradict each other are named', () => {
    const shapes: Record<string, readonly number[]> = { ...parameterShapes(seven) }
    const read = (change: Record<string, readonly number[] | undefined>): (() => unknown) => {
      const changed = Object.entries({ ...shapes, ...change }).filter(([, shape]) => shape !== undefined)
      return () => parseConfig(seven, { shapes: Object.fromEntries(changed) as typeof shapes })
    }
    expect(read({ 'model.layers.3.mlp.gate_proj.weight': [1, 4096] })).toThrow(/model.layers.3.mlp.gate_proj.weight/)
    expect(read({ 'lm_head.weight': [100032, 4096] })).toThrow(/lm_head.weight.*\[100032, 4096\].*trim/)
    expect(read({ 'model.embed_tokens.weight': undefined })).toThrow(/has the tensor model.embed_tokens.weight/)
    const gap = Object.keys(shapes).filter((name) => name.startsWith('model.layers.7.'))
    expect(read(Object.fromEntries(gap.map((name) => [name, undefined])))).toThrow(/without a gap.*6 before 8/)
  })

  it('a model replaced by another under the same name loads like any other', () => {
    const replaced = {
      ...thirtyFour,
      vocab_size: 143973,
      bos_token_id: 143717,
      eos_token_id: 143718,
      rope_theta: 1e6,
      max_position_embeddings: 8192,
    }
    const result = parseConfig(replaced, { name: 'BAAI/Aquila2-34B', shapes: parameterShapes(replaced) })
    expect(result.warnings).toEqual([])
    expect(result.config).toMatchObject({ vocab_size: 143973, rope_theta: 1e6, bos_token_id: 143717 })
    expect(contextLength(result.config)).toBe(8192)
  })
})

describe('the catalogue', () => {
  it('finds entries by name, repository and path', () => {
    for (const name of ['AquilaChat2-7B', 'BAAI/AquilaChat2-7B', '/models/aquilachat2-7b/'])
      expect(catalogueEntry(name)?.repo).toBe('BAAI/AquilaChat2-7B')
    expect(catalogueEntry('gpt2')).toBe(undefined)
  })

  it('has entries that parse without a warning', () => {
    for (const { name, config } of catalogue) expect(parseConfig(config, { name }).warnings).toEqual([])
  })
})

describe('the choice of a chat template', () => {
  it.each([
    ['AquilaChat2-7B', 'aquila-v1'],
    ['BAAI/AquilaChat2-34B', 'aquila-legacy'],
    ['AquilaChat2-34B-v1.2', 'aquila-legacy'],
    ['AquilaChat2-34B-Int4-GPTQ', 'aquila-legacy'],
    ['models/AquilaChat2-70B-Expr/', 'aquila-v2'],
    ['AquilaChat2-7B-16K', 'aquila'],
    ['aquilachat2-34b-16k.Q4_K.gguf', 'aquila'],
  ])('%s uses %s', (model, name) => expect(templateOf(model)).toEqual({ name }))

  it('is aquila-chat, with a notice, for every other name', () => {
    for (const model of ['AquilaChat-7B', 'my-model', { ...seven, _name_or_path: 'Aquila2-7B' }, seven]) {
      const choice = templateOf(model)
      expect(choice.name).toBe('aquila-chat')
      expect(choice.notice).toMatch(/aquila-chat is taken/)
    }
    expect(templateOf({ ...seven, _name_or_path: 'BAAI/AquilaChat2-7B' })).toEqual({ name: 'aquila-v1' })
    // @ts-expect-error -- neither name nor configuration
    expect(() => templateOf(7)).toThrow(/a name or a configuration, got 7/)
  })
})
