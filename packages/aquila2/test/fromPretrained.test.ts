import { memoryFolder } from '@tarazed/checkpoint'
import { WeightsError, parameters } from '@tarazed/nn'
import { evaluate, openReference, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, OptionError, configs, fromPretrained } from '../src/index.js'
import { collector, folderOf } from './folders.js'
import { ODD, batch, largestGap, randomModel, rows, tokens } from './support.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

const model = randomModel()
const ids = batch(tokens(6, 37))
beforeAll(() => evaluate(model))

/** A byte-level vocabulary of the two letters a and b, their pair and two special tokens. */
const TOKENIZER = {
  'vocab.json': JSON.stringify({ '<|endoftext|>': 0, a: 1, b: 2, ab: 3 }),
  'merges.txt': '#version: 0.2\na b\n',
  'added_tokens.json': JSON.stringify({ '[CLS]': 4, '</s>': 5 }),
  'tokenizer_config.json': JSON.stringify({
    bos_token: '<|endoftext|>',
    eos_token: '<|endoftext|>',
    model_max_length: 8,
  }),
  'special_tokens_map.json': JSON.stringify({ bos_token: '[CLS]', eos_token: '</s>' }),
}

describe('loading', () => {
  it('gives the model that was stored', async () => {
    const { warnings, onWarning } = collector()
    const loaded = await fromPretrained(await folderOf(model), { onWarning })
    expect(largestGap(await rows(loaded.model.forward(ids)), await rows(model.forward(ids)))).toBe(0)
    expect(loaded.config).toEqual(model.config)
    expect([loaded.tokenizer, loaded.generationConfig, loaded.template]).toEqual([undefined, undefined, 'aquila-chat'])
    expect(warnings).toEqual([])
  })

  it('keeps the stored dtype, or gives the one asked for', async () => {
    const folder = await folderOf(model, { dtype: 'BF16' })
    const dtypes = async (options: object): Promise<Set<string>> => {
      const loaded = await fromPretrained(folder, options)
      return new Set(Object.values(parameters(loaded.model)).map(({ dtype }) => dtype))
    }
    expect(await dtypes({})).toEqual(new Set(['bf16']))
    expect(await dtypes({ dtype: 'f32' })).toEqual(new Set(['f32']))
    expect(await dtypes({ dtype: 'f16' })).toEqual(new Set(['f16']))
  })

  it('keeps norms that are wider than the matrices, and brings matrices of several dtypes to f32', async () => {
    const norm = { 'model.norm.weight': { shape: [60], dtype: 'F32' as const } }
    const quiet = collector()
    const wide = await fromPretrained(await folderOf(model, { dtype: 'BF16', tensors: norm }), {
      onWarning: quiet.onWarning,
    })
    expect(wide.model.model.norm.weight.dtype).toBe('f32')
    expect(wide.model.lm_head.weight.dtype).toBe('bf16')
    expect(quiet.warnings).toEqual([])
    const head = { 'lm_head.weight': { shape: [37, 60], dtype: 'F32' as const } }
    const told = collector()
    const mixed = await fromPretrained(await folderOf(model, { dtype: 'BF16', tensors: head }), {
      onWarning: told.onWarning,
    })
    expect(new Set(Object.values(parameters(mixed.model)).map(({ dtype }) => dtype))).toEqual(new Set(['f32']))
    expect(told.warnings[0]).toMatch(/stored as (BF16, F32|F32, BF16).*become f32/)
  })

  it('ignores inv_freq, and takes the head size from it', async () => {
    const tensors = { 'model.layers.0.self_attn.rotary_emb.inv_freq': { shape: [5] } }
    const config = { ...ODD, num_attention_heads: 4, num_key_value_heads: 2 }
    const { warnings, onWarning } = collector()
    const loaded = await fromPretrained(await folderOf(model, { tensors, config }), { onWarning })
    expect(loaded.config.num_attention_heads).toBe(6)
    expect(warnings).toEqual([expect.stringMatching(/num_attention_heads is 4, the tensors have 6/)])
    expect(largestGap(await rows(loaded.model.forward(ids)), await rows(model.forward(ids)))).toBe(0)
  })

  it('copies the embedding where the head is tied to it', async () => {
    const { warnings, onWarning } = collector()
    const config = { ...ODD, tie_word_embeddings: true }
    const loaded = await fromPretrained(await folderOf(model, { config, tensors: { 'lm_head.weight': undefined } }), {
      onWarning,
    })
    expect(await rows(loaded.model.lm_head.weight)).toEqual(await rows(model.model.embed_tokens.weight))
    expect(loaded.config.tie_word_embeddings).toBe(false)
    expect(warnings).toEqual([expect.stringMatching(/no lm_head.weight; the head is a copy/)])
  })

  it('takes overrides, such as the scaling that a 16K file lacks', async () => {
    const { warnings, onWarning } = collector()
    const folder = await folderOf(model, { name: 'AquilaChat2-7B-16K' })
    const plain = await fromPretrained(folder, { onWarning })
    expect(warnings).toEqual([expect.stringMatching(/rope_scaling is null; set .* in the file or in overrides/)])
    const overrides = { rope_scaling: { type: 'linear', factor: 8 } }
    const scaled = await fromPretrained(folder, { overrides, onWarning: (message) => expect.fail(message) })
    expect(scaled.model.contextLength).toBe(8 * plain.model.contextLength)
    expect(scaled.template).toBe('aquila')
  })

  it('reports progress and stops between two tensors', async () => {
    const controller = new AbortController()
    const folder = await folderOf(model)
    let done = 0
    const onProgress = (progress: { done: number }): void => {
      done = progress.done
      if (done === 3) controller.abort(new Error('enough'))
    }
    await expect(fromPretrained(folder, { onProgress, signal: controller.signal })).rejects.toThrow('enough')
    expect(done).toBe(3)
  })
})

describe('the tokenizer', () => {
  it('comes with the model; special_tokens_map.json wins, and a stale limit is told', async () => {
    const { warnings, onWarning } = collector()
    const folder = await folderOf(model, { name: 'AquilaChat2-7B', files: TOKENIZER })
    const { tokenizer, template } = await fromPretrained(folder, { onWarning })
    expect(tokenizer!.encode('abba')).toEqual([3, 2, 1])
    expect([tokenizer!.bos, tokenizer!.eos]).toEqual(['[CLS]', '</s>'])
    expect(template).toBe('aquila-v1')
    expect(warnings).toContainEqual(expect.stringMatching(/model_max_length.* is 8, the model reads 16 tokens/))
  })

  it('may be left out', async () => {
    const folder = await folderOf(model, { files: TOKENIZER })
    expect((await fromPretrained(folder, { tokenizer: false })).tokenizer).toBe(undefined)
  })

  it('of another model is refused: it has more ids than the model rows', async () => {
    const vocabulary = Object.fromEntries(Array.from({ length: 40 }, (_, id) => [`t${id}`, id]))
    const files = {
      ...TOKENIZER,
      'vocab.json': JSON.stringify({ ...vocabulary, a: 40, b: 41, ab: 42 }),
      'added_tokens.json': '{}',
    }
    const failed = fromPretrained(await folderOf(model, { files }), { onWarning: () => undefined })
    await expect(failed).rejects.toThrow(ConfigError)
    await expect(failed).rejects.toThrow(/ids up to 42, the model 37 rows/)
  })

  it('with a truncated tokenizer.json falls back to vocab.json and merges.txt, which is told', async () => {
    const { warnings, onWarning } = collector()
    const files = { ...TOKENIZER, 'tokenizer.json': '{"version": "1.0", "model": {"type": "BPE", "voc' }
    const { tokenizer } = await fromPretrained(await folderOf(model, { files }), { onWarning })
    expect(tokenizer!.encode('ab')).toEqual([3])
    expect(warnings).toContainEqual(expect.stringMatching(/tokenizer.json has \d+ characters/))
  })

  it('of an unknown model gets the template aquila-chat with a notice', async () => {
    const { onWarning } = collector()
    const { template, templateNotice } = await fromPretrained(await folderOf(model, { files: TOKENIZER }), {
      onWarning,
    })
    expect(template).toBe('aquila-chat')
    expect(templateNotice).toMatch(/no template is known for "my-model"/)
  })
})

describe('what cannot be loaded', () => {
  it('names missing, misshapen and unexpected tensors with their shapes', async () => {
    const q = 'model.layers.1.mlp.down_proj.weight'
    const folder = await folderOf(model, {
      tensors: { [q]: { shape: [60, 45] }, 'model.norm.weight': undefined, 'model.extra': { shape: [1] } },
    })
    const failed = fromPretrained(folder)
    await expect(failed).rejects.toThrow(WeightsError)
    await expect(failed).rejects.toThrow(
      /lacks model.norm.weight.*down_proj.weight is \[60, 45\] there and \[60, 44\] in the module.*no model.extra/,
    )
  })

  it('a model with biases is named as such', async () => {
    const tensors = { 'model.layers.0.self_attn.q_proj.bias': { shape: [60] } }
    await expect(fromPretrained(await folderOf(model, { tensors }))).rejects.toThrow(/no .*q_proj.bias/)
  })

  it('packed weights are told apart from broken ones', async () => {
    const tensors = { 'model.layers.0.self_attn.q_proj.qweight': { shape: [8, 60] } }
    await expect(fromPretrained(await folderOf(model, { tensors }))).rejects.toThrow(/packed .*q_proj.qweight/)
  })

  it('a folder without config.json, or without weights', async () => {
    await expect(fromPretrained(await folderOf(model, { config: null }))).rejects.toThrow(/config.json.*no such file/)
    const empty = memoryFolder('empty', { 'config.json': JSON.stringify(configs.tiny) })
    await expect(fromPretrained(empty)).rejects.toMatchObject({ name: 'CheckpointError' })
  })

  it('broken JSON beside the weights', async () => {
    await expect(fromPretrained(await folderOf(model, { config: '{"vocab_size": ' }))).rejects.toMatchObject({
      name: 'CheckpointError',
    })
    const files = { 'generation_config.json': '[]' }
    await expect(fromPretrained(await folderOf(model, { files }))).rejects.toThrow(
      /generation configuration is a JSON object/,
    )
  })

  it('a truncated or lying file', async () => {
    const whole = await folderOf(model)
    const source = await whole.open('model.safetensors')
    const bytes = await source.read(0, source.size)
    const cut = (content: Uint8Array) =>
      fromPretrained(memoryFolder('cut', { 'config.json': JSON.stringify(ODD), 'model.safetensors': content }))
    for (const length of [0, 7, 9, 300, bytes.length - 1])
      await expect(cut(bytes.slice(0, length))).rejects.toMatchObject({ name: 'CheckpointError' })
    const lying = bytes.slice()
    new DataView(lying.buffer).setBigUint64(0, 2n ** 62n, true)
    await expect(cut(lying)).rejects.toMatchObject({ name: 'CheckpointError' })
  })

  it('a path in place of a folder, and options that do not exist', async () => {
    // @ts-expect-error -- a path is no folder
    await expect(fromPretrained('/models/x')).rejects.toThrow(OptionError)
    // @ts-expect-error -- a path is no folder
    await expect(fromPretrained('/models/x')).rejects.toThrow(/diskFolder\(path\)/)
    // @ts-expect-error -- no such option
    await expect(fromPretrained(await folderOf(model), { type: 'f32' })).rejects.toThrow(/unknown option "type"/)
  })
})
