import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ArgumentError,
  bytesSource,
  CheckpointError,
  fromFloat32,
  ggufModelFiles,
  ggufToHfName,
  hfToGgufName,
  memoryFolder,
  openCheckpoint,
  openGguf,
  readGgufTokenizer,
  toFloat32,
  type ByteSource,
  type GgufValue,
  type StoredDType,
  type TensorToWrite,
} from '../src/index.js'
import { writeGguf } from '../src/node.js'
import { randomFloats } from './random.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tarazed-gguf-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function refusal(run: Promise<unknown>): Promise<CheckpointError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CheckpointError)
  return error as CheckpointError
}

const u32 = (value: number): GgufValue => ({ type: 'u32', value })
const text = (value: string): GgufValue => ({ type: 'string', value })

const [HEADS, KV, DIM] = [4, 2, 8]
const HIDDEN = HEADS * DIM

const llama: Record<string, GgufValue> = {
  'general.architecture': text('llama'),
  'llama.attention.head_count': u32(HEADS),
  'llama.attention.head_count_kv': u32(KV),
  'llama.block_count': u32(1),
  'llama.embedding_length': u32(HIDDEN),
  'llama.feed_forward_length': u32(48),
  'llama.context_length': u32(64),
  'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
  'llama.rope.freq_base': { type: 'f32', value: 1e6 },
}

function tensor(name: string, dtype: StoredDType, shape: readonly number[], values?: Float32Array): TensorToWrite {
  const numbers = values ?? randomFloats(shape.reduce((product, size) => product * size, 1))
  return { name, dtype, shape, bytes: () => fromFloat32(numbers, dtype) }
}

async function fileOf(tensors: TensorToWrite[], metadata: Record<string, GgufValue> = llama): Promise<Uint8Array> {
  const path = join(folder, 'made.gguf')
  await writeGguf(path, tensors, { metadata })
  return new Uint8Array(await readFile(path))
}

const open = (bytes: Uint8Array, names: 'gguf' | 'hf' = 'gguf') => openGguf(bytesSource('x.gguf', bytes), { names })

describe('a GGUF file', () => {
  it('gives back typed metadata, names, shapes and bytes', async () => {
    const metadata: Record<string, GgufValue> = {
      ...llama,
      a: { type: 'u8', value: 200 },
      b: { type: 'i8', value: -3 },
      c: { type: 'u16', value: 65535 },
      d: { type: 'i16', value: -300 },
      e: { type: 'i32', value: -70000 },
      f: { type: 'bool', value: true },
      g: { type: 'u64', value: 2n ** 60n },
      h: { type: 'i64', value: -5 },
      i: { type: 'f64', value: Math.PI },
      j: { type: 'array', of: 'string', value: ['你', '', 'b'] },
      k: { type: 'array', of: 'i32', value: Int32Array.of(1, -2) },
      l: { type: 'array', of: 'bool', value: [true, false] },
    }
    const file = await fileOf([tensor('m', 'Q8_0', [3, 64]), tensor('v', 'F32', [5])], metadata)
    const checkpoint = await open(file)
    expect(Object.fromEntries(checkpoint.typedMetadata)).toEqual({
      ...metadata,
      'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: Math.fround(1e-5) },
    })
    expect(checkpoint.metadata.get('j')).toEqual(['你', '', 'b'])
    expect(checkpoint.tensors.get('m')).toEqual({ name: 'm', dtype: 'Q8_0', shape: [3, 64], byteLength: 204 })
    const whole = await checkpoint.read('m')
    expect(await checkpoint.readRows('m', 1, 3)).toEqual(whole.slice(68))
    expect((await checkpoint.read('v')).length).toBe(20)
  })

  it('keeps the alignment that it names', async () => {
    const file = await fileOf([tensor('a', 'F32', [1]), tensor('b', 'F32', [1], Float32Array.of(7))], {
      'general.alignment': u32(256),
    })
    expect(file.length % 256).toBe(0)
    expect(toFloat32(await (await open(file)).read('b'), 'F32')).toEqual(Float32Array.of(7))
  })

  it('has names of Hugging Face, both ways', () => {
    for (const [gguf, hf] of [
      ['token_embd.weight', 'model.embed_tokens.weight'],
      ['output.weight', 'lm_head.weight'],
      ['blk.12.attn_q.bias', 'model.layers.12.self_attn.q_proj.bias'],
      ['blk.0.ffn_down.weight', 'model.layers.0.mlp.down_proj.weight'],
    ]) {
      expect(ggufToHfName(gguf)).toBe(hf)
      expect(hfToGgufName(hf)).toBe(gguf)
    }
    expect(ggufToHfName('rope_freqs.weight')).toBeUndefined()
    expect(hfToGgufName('model.layers.0.self_attn.rotary_emb.inv_freq')).toBeUndefined()
  })

  it('gives rows of q and k in the order of Hugging Face, by rows and by pieces too', async () => {
    const values = Float32Array.from({ length: HIDDEN * 32 }, (_, at) => Math.floor(at / 32))
    for (const dtype of ['F32', 'Q8_0'] as const) {
      const checkpoint = await open(await fileOf([tensor('blk.0.attn_q.weight', dtype, [HIDDEN, 32], values)]), 'hf')
      const name = 'model.layers.0.self_attn.q_proj.weight'
      // HF row j·d/2 + i of a head is GGUF row 2i + j.
      const want = Array.from({ length: HIDDEN }, (_, row) => {
        const within = row % DIM
        return row - within + 2 * (within % (DIM / 2)) + Math.floor(within / (DIM / 2))
      })
      const bytes = await checkpoint.read(name)
      const rows = toFloat32(bytes, dtype).filter((_, at) => at % 32 === 0)
      rows.forEach((value, row) => expect(value).toBeCloseTo(want[row], 1))
      const rowBytes = bytes.length / HIDDEN
      expect(await checkpoint.readRows(name, 3, 21)).toEqual(bytes.slice(3 * rowBytes, 21 * rowBytes))
      const pieces: Uint8Array[] = []
      for await (const piece of checkpoint.stream(name, { chunkBytes: 300 })) pieces.push(piece.slice())
      expect(pieces.length).toBeGreaterThan(3)
      expect(Buffer.compare(Buffer.concat(pieces), bytes)).toBe(0)
    }
  })

  it('is opened from a folder with the names of Hugging Face, cut into parts or not', async () => {
    const [first, second] = [
      await fileOf([tensor('token_embd.weight', 'F16', [10, 32])]),
      await fileOf([tensor('output.weight', 'F16', [10, 32])]),
    ]
    expect([...(await openCheckpoint(memoryFolder('m', { 'some-Q4.gguf': first }))).tensors.keys()]).toEqual([
      'model.embed_tokens.weight',
    ])
    const parts = { 'm-00001-of-00002.gguf': first, 'm-00002-of-00002.gguf': second }
    expect([...(await openCheckpoint(memoryFolder('m', parts))).tensors.keys()]).toEqual([
      'model.embed_tokens.weight',
      'lm_head.weight',
    ])
    expect((await refusal(openCheckpoint(memoryFolder('m', { 'm-00001-of-00002.gguf': first })))).message).toContain(
      'one of 2 parts',
    )
    expect(
      (await refusal(openCheckpoint(memoryFolder('m', { ...parts, 'm-00002-of-00002.gguf': first })))).tensor,
    ).toBe('model.embed_tokens.weight')
  })

  it('is read beyond 4 GiB', async () => {
    const head = await fileOf([tensor('w', 'F32', [2], Float32Array.of(3, 4))])
    const at = 6 * 2 ** 30
    // The place of the only tensor is the last number of the header.
    const view = new DataView(head.buffer)
    const dataStart = head.length - 32
    let placeAt = dataStart - 8
    while (view.getUint32(placeAt - 4, true) !== 0 || view.getUint32(placeAt - 16, true) !== 1) placeAt--
    view.setBigUint64(placeAt, BigInt(at), true)
    const source: ByteSource = {
      name: 'big.gguf',
      size: dataStart + at + 8,
      async read(offset, length) {
        if (offset >= dataStart + at) return new Uint8Array(Float32Array.of(3, 4).buffer)
        const bytes = new Uint8Array(length)
        bytes.set(head.subarray(offset, Math.min(dataStart, offset + length)))
        return bytes
      },
    }
    expect(toFloat32(await (await openGguf(source)).read('w'), 'F32')).toEqual(Float32Array.of(3, 4))
  })
})

describe('a lying GGUF file', () => {
  const good = () => fileOf([tensor('blk.0.attn_q.weight', 'F32', [HIDDEN, 4]), tensor('v', 'F32', [5])])
  const changed = async (change: (view: DataView, bytes: Uint8Array) => void) => {
    const bytes = (await good()).slice()
    change(new DataView(bytes.buffer), bytes)
    return bytes
  }
  const cases: Record<string, readonly [() => Promise<Uint8Array>, RegExp]> = {
    'of another format': [async () => new TextEncoder().encode('PK\x03\x04 something'), /zip archive/],
    'of no bytes': [async () => new Uint8Array(0), /empty file/],
    'of version 1': [() => changed((view) => view.setUint32(4, 1, true)), /version 1; convert it/],
    'that is big-endian': [() => changed((view) => view.setUint32(4, 3, false)), /big-endian/],
    'with 2^60 tensors': [() => changed((view) => view.setBigUint64(8, 2n ** 60n, true)), /number of tensors/],
    'with a million keys': [() => changed((view) => view.setBigUint64(16, 1_000_000n, true)), /number of keys/],
    'with a key of 2^50 bytes': [() => changed((view) => view.setBigUint64(24, 2n ** 50n, true)), /bytes must follow/],
    'that is cut off in its tensors': [async () => (await good()).slice(0, -60), /cut off/],
    'that is cut off in its header': [async () => (await good()).slice(0, 100), /must (fit|follow)/],
    'with an odd alignment': [() => fileOf([], { ...llama, 'general.alignment': u32(24) }), /power of two/],
    'whose heads do not divide its rows': [
      () => fileOf([tensor('blk.0.attn_k.weight', 'F32', [7, 4])]),
      /even number for each head/,
    ],
  }
  for (const [name, [make, message]] of Object.entries(cases)) {
    it(`${name} is refused`, async () => {
      const error = await refusal(make().then((bytes) => open(bytes, 'hf')))
      expect(error.message).toMatch(message)
    })
  }

  it('with a type that cannot be read names type and tensor', async () => {
    const bytes = await changed((view, all) => {
      const name = new TextEncoder().encode('v')[0]
      // name, one axis of 5, type, place
      for (let at = 0; at + 25 < all.length; at++)
        if (all[at] === name && view.getUint32(at + 1, true) === 1 && view.getUint32(at + 5, true) === 5)
          view.setUint32(at + 13, 16, true)
    })
    const error = await refusal(open(bytes))
    expect(error.tensor).toBe('v')
    expect(error.message).toContain('IQ2_XXS')
  })

  it('damaged at random gives tensors or a CheckpointError', async () => {
    const file = await fileOf([tensor('blk.0.attn_q.weight', 'Q4_0', [HIDDEN, 32]), tensor('v', 'F32', [5])], {
      ...llama,
      'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: ['a', 'b'] },
      'tokenizer.ggml.scores': { type: 'array', of: 'f32', value: [1, 2] },
    })
    const damage = fc.record({
      cut: fc.option(fc.nat(file.length), { freq: 4 }),
      flips: fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { maxLength: 5 }),
      names: fc.constantFrom('gguf' as const, 'hf' as const),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ cut, flips, names }) => {
        const broken = file.slice(0, cut ?? file.length)
        for (const [at, value] of flips) if (at < broken.length) broken[at] = value
        try {
          const checkpoint = await open(broken, names)
          for (const [name, { byteLength }] of checkpoint.tensors)
            expect((await checkpoint.read(name)).length).toBe(byteLength)
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError)
        }
      }),
      { numRuns: 1500 },
    )
  })
})

describe('the model in a GGUF file', () => {
  const tokens = ['<|endoftext|>', 'a', 'b', 'ab', '[CLS]', '</s>']
  const tokenizer: Record<string, GgufValue> = {
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: tokens },
    'tokenizer.ggml.merges': { type: 'array', of: 'string', value: ['a b', '# #'] },
    'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: [3, 1, 1, 1, 3, 3] },
    'tokenizer.ggml.bos_token_id': u32(4),
    'tokenizer.ggml.eos_token_id': u32(5),
    'tokenizer.ggml.padding_token_id': u32(0),
    'tokenizer.chat_template': text('{{ x }}'),
  }

  it('is described by the files of a Hugging Face folder', async () => {
    const file = await fileOf(
      [tensor('token_embd.weight', 'F16', [6, HIDDEN]), tensor('output.weight', 'F16', [6, HIDDEN])],
      {
        ...llama,
        ...tokenizer,
        'llama.rope.scaling.type': text('linear'),
        'llama.rope.scaling.factor': { type: 'f32', value: 8 },
      },
    )
    const { files, warnings } = ggufModelFiles(await open(file, 'hf'))
    expect(warnings).toEqual([])
    expect(JSON.parse(files['config.json'])).toMatchObject({
      model_type: 'llama',
      hidden_size: HIDDEN,
      intermediate_size: 48,
      num_hidden_layers: 1,
      num_attention_heads: HEADS,
      num_key_value_heads: KV,
      rms_norm_eps: 1e-5,
      rope_theta: 1e6,
      rope_scaling: { type: 'linear', factor: 8 },
      vocab_size: 6,
      tie_word_embeddings: false,
      bos_token_id: 4,
      eos_token_id: 5,
      pad_token_id: 0,
    })
    expect(files['merges.txt']).toBe('#version: 0.2\na b\n# #\n')
    expect(JSON.parse(files['vocab.json'])).toEqual({ '<|endoftext|>': 0, a: 1, b: 2, ab: 3, '[CLS]': 4, '</s>': 5 })
    expect(JSON.parse(files['added_tokens.json'])).toEqual({ '<|endoftext|>': 0, '[CLS]': 4, '</s>': 5 })
    expect(JSON.parse(files['special_tokens_map.json'])).toEqual({
      bos_token: '[CLS]',
      eos_token: '</s>',
      pad_token: '<|endoftext|>',
    })
    expect(JSON.parse(files['tokenizer_config.json'])).toMatchObject({
      chat_template: '{{ x }}',
      add_prefix_space: false,
    })
  })

  it('has its eight special tokens appended where an old conversion of Aquila2 lacks them', async () => {
    const listed = ['<|endoftext|>', ...Array.from({ length: 99_999 }, (_, k) => `t${k}`)]
    const merges = Array.from({ length: 99_743 }, (_, k) => `a ${k}`)
    const old: Record<string, GgufValue> = {
      ...llama,
      'tokenizer.ggml.model': text('gpt2'),
      'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: listed },
      'tokenizer.ggml.merges': { type: 'array', of: 'string', value: merges },
      'tokenizer.ggml.token_type': { type: 'array', of: 'i32', value: new Int32Array(100_000).fill(1) },
    }
    const embedding = (rows: number) => tensor('token_embd.weight', 'F16', [rows, 1], new Float32Array(rows))
    const repaired = readGgufTokenizer(await open(await fileOf([embedding(100_008)], old)))
    expect(repaired.tokens.length).toBe(100_008)
    expect(repaired.tokens.slice(100_000)).toEqual([
      '<|startofpiece|>',
      '<|endofpiece|>',
      '<|LDWANG|>',
      '[MASK]',
      '[gMASK]',
      '[sMASK]',
      '[CLS]',
      '</s>',
    ])
    expect([repaired.bos, repaired.eos, repaired.types?.[100_007]]).toEqual(['[CLS]', '</s>', 3])
    expect(repaired.warnings.join()).toContain('appended')
    const other = readGgufTokenizer(await open(await fileOf([embedding(100_016)], old)))
    expect(other.tokens.length).toBe(100_000)
    expect(other.warnings.join()).toContain('100016 rows')
  })

  it('is refused when it is not a byte-level BPE or not LLaMA-like', async () => {
    const embedding = [tensor('token_embd.weight', 'F16', [6, HIDDEN])]
    const spm = await open(await fileOf(embedding, { ...llama, ...tokenizer, 'tokenizer.ggml.model': text('llama') }))
    expect(() => readGgufTokenizer(spm)).toThrow(/byte-level BPE, got "llama"/)
    const bert = await open(await fileOf(embedding, { ...llama, 'general.architecture': text('bert') }))
    expect(() => ggufModelFiles(bert)).toThrow(/must be "llama", got "bert"/)
    const beyond = await open(
      await fileOf(embedding, { ...llama, ...tokenizer, 'tokenizer.ggml.bos_token_id': u32(6) }),
    )
    expect(() => readGgufTokenizer(beyond)).toThrow(/one of 6 tokens, got 6/)
  })
})

it('writing GGUF refuses types, values and names that do not fit', async () => {
  const path = join(folder, 'never.gguf')
  await expect(writeGguf(path, [tensor('a', 'F32', [1]), tensor('a', 'F32', [1])])).rejects.toThrow(/names must differ/)
  await expect(writeGguf(path, [tensor('a', 'U8', [1], Float32Array.of(1))])).rejects.toThrow(/GGUF holds/)
  await expect(writeGguf(path, [], { metadata: { a: { type: 'u8', value: 256 } } })).rejects.toThrow(
    /must be u8, got 256/,
  )
  await expect(writeGguf(path, [], { metadata: { a: 5 as never } })).rejects.toThrow(ArgumentError)
  await expect(readFile(path)).rejects.toThrow(/ENOENT/)
})
