import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  bytesSource,
  CheckpointError,
  encodeSafetensors,
  fromFloat32,
  memoryFolder,
  openCheckpoint,
  openGguf,
  openSafetensors,
  toFloat32,
  type Checkpoint,
  type StoredDType,
  type TensorToWrite,
} from '../src/index.js'
import { convertCheckpoint, diskFolder, fileSource, type WriteProgress } from '../src/node.js'
import { randomFloats } from './random.js'
import { P, torchFile } from './torchFile.js'

const [VOCAB, HIDDEN, HEADS, KV] = [20, 64, 4, 2]
const shapes: Record<string, readonly number[]> = {
  'model.embed_tokens.weight': [VOCAB, HIDDEN],
  'model.layers.0.input_layernorm.weight': [HIDDEN],
  'model.layers.0.self_attn.q_proj.weight': [HIDDEN, HIDDEN],
  'model.layers.0.self_attn.k_proj.weight': [HIDDEN / 2, HIDDEN],
  'model.layers.0.self_attn.k_proj.bias': [HIDDEN / 2],
  'model.layers.0.mlp.down_proj.weight': [HIDDEN, 96],
  'model.norm.weight': [HIDDEN],
  'lm_head.weight': [VOCAB, HIDDEN],
}
const values = new Map(
  Object.entries(shapes).map(([name, shape]) => [name, randomFloats(shape.reduce((a, b) => a * b))]),
)

const config = {
  model_type: 'aquila',
  hidden_size: HIDDEN,
  intermediate_size: 96,
  num_hidden_layers: 1,
  num_attention_heads: HEADS,
  num_key_value_heads: KV,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  vocab_size: VOCAB,
  torch_dtype: 'bfloat16',
}
const vocab = Object.fromEntries(Array.from({ length: 14 }, (_, id) => [`t${id}`, id]))
const modelFiles = {
  'config.json': JSON.stringify(config),
  'vocab.json': JSON.stringify(vocab),
  'merges.txt': '#version: 0.2\na b\n# #\n',
  'added_tokens.json': JSON.stringify({ '[CLS]': 14, '</s>': 15 }),
  'special_tokens_map.json': JSON.stringify({ bos_token: '[CLS]', eos_token: { content: '</s>' } }),
}

let folder: string
let from: Checkpoint
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tarazed-convert-'))
  const tensors = [...values].map(([name, numbers]) => tensorOf(name, 'BF16', shapes[name], numbers))
  const ids: TensorToWrite = {
    name: 'model.layers.0.self_attn.rotary_emb.inv_freq',
    dtype: 'F32',
    shape: [8],
    bytes: () => new Uint8Array(32),
  }
  from = await openSafetensors(bytesSource('source', await encodeSafetensors([...tensors, ids])))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function tensorOf(name: string, dtype: StoredDType, shape: readonly number[], numbers: Float32Array): TensorToWrite {
  return { name, dtype, shape, bytes: () => fromFloat32(numbers, dtype) }
}

async function numbersOf(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const info = checkpoint.tensors.get(name)
  expect(info?.shape).toEqual(shapes[name])
  return toFloat32(await checkpoint.read(name), info?.dtype ?? 'F32')
}

const quiet = { onWarning: () => undefined }

describe('converting', () => {
  it('re-shards safetensors without touching a bit, and copies the files of the model', async () => {
    const seen: WriteProgress[] = []
    const { files } = await convertCheckpoint(from, folder, {
      maxShardBytes: 9000,
      files: memoryFolder('m', modelFiles),
      onProgress: (progress) => seen.push(progress),
    })
    expect(files.filter((file) => file.endsWith('.safetensors')).length).toBeGreaterThan(1)
    expect((await readdir(folder)).length).toBe(files.length)
    const to = await openCheckpoint(diskFolder(folder))
    expect(new Set(to.tensors.keys())).toEqual(new Set(from.tensors.keys()))
    for (const [name, info] of from.tensors) {
      expect(to.tensors.get(name)).toEqual(info)
      expect(await to.read(name)).toEqual(await from.read(name))
    }
    await to.close()
    expect(await readFile(join(folder, 'config.json'), 'utf8')).toBe(modelFiles['config.json'])
    expect(seen.at(-1)?.bytes).toBe(seen.at(-1)?.totalBytes)
  })

  it('rounds weights to the type that is asked for, and says so in config.json', async () => {
    await convertCheckpoint(from, folder, { dtype: 'F16', files: memoryFolder('m', modelFiles) })
    const to = await openCheckpoint(diskFolder(folder))
    for (const [name, info] of to.tensors) {
      expect(info.dtype).toBe('F16')
      if (shapes[name]) expect(await to.read(name)).toEqual(fromFloat32(await numbersOf(from, name), 'F16'))
    }
    await to.close()
    expect(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'))).toEqual({
      ...config,
      torch_dtype: 'float16',
    })
  })

  it('turns PyTorch files into safetensors, views made dense', async () => {
    const numbers = randomFloats(12)
    const pickle = P.whole(P.dict(P.text('w'), P.tensor(P.storage('Float', '0', 12), 0, [4, 3], [1, 4])))
    const bin = await openCheckpoint(
      memoryFolder('m', { 'pytorch_model.bin': torchFile(pickle, { 0: new Uint8Array(numbers.buffer) }) }),
    )
    await convertCheckpoint(bin, folder)
    const to = await openCheckpoint(diskFolder(folder))
    expect([...toFloat32(await to.read('w'), 'F32')]).toEqual(
      [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map((at) => numbers[at]),
    )
    await to.close()
  })

  it('to GGUF and back keeps every weight and the tokenizer', async () => {
    const path = join(folder, 'model.gguf')
    await convertCheckpoint(from, path, { files: memoryFolder('m', modelFiles), ...quiet })
    const gguf = await openCheckpoint(diskFolder(folder))
    expect(gguf.tensors.get('model.norm.weight')?.dtype).toBe('F32')
    expect(gguf.tensors.has('model.layers.0.self_attn.rotary_emb.inv_freq')).toBe(false)
    const stored = await openGguf(await fileSource(path))
    // Row 2i + j of a head is HF row j·d/2 + i: row 1 of the first head is row 8.
    const hfRows = await from.readRows('model.layers.0.self_attn.q_proj.weight', 8, 9)
    expect(await stored.readRows('blk.0.attn_q.weight', 1, 2)).toEqual(hfRows)
    await stored.close()
    const back = join(folder, 'back')
    await convertCheckpoint(gguf, back)
    await gguf.close()
    const to = await openCheckpoint(diskFolder(back))
    for (const name of values.keys()) expect(await numbersOf(to, name)).toEqual(await numbersOf(from, name))
    await to.close()
    const read = async (file: string) => JSON.parse(await readFile(join(back, file), 'utf8')) as Record<string, unknown>
    expect(await read('config.json')).toMatchObject({
      hidden_size: HIDDEN,
      num_key_value_heads: KV,
      vocab_size: VOCAB,
      bos_token_id: 14,
      eos_token_id: 15,
    })
    expect(await read('vocab.json')).toMatchObject({ ...vocab, '[CLS]': 14, '</s>': 15 })
    expect(await readFile(join(back, 'merges.txt'), 'utf8')).toBe(modelFiles['merges.txt'])
  })

  it('to quantised GGUF takes smaller blocks where rows are short, and 8 bits for the head', async () => {
    const warnings: string[] = []
    const path = join(folder, 'model.gguf')
    await convertCheckpoint(from, path, {
      dtype: 'Q4_K',
      files: memoryFolder('m', modelFiles),
      onWarning: (note) => warnings.push(note),
    })
    const gguf = await openCheckpoint(diskFolder(folder))
    expect(gguf.tensors.get('model.embed_tokens.weight')?.dtype).toBe('Q8_0')
    expect(gguf.tensors.get('lm_head.weight')?.dtype).toBe('Q8_0')
    expect(warnings.join()).toContain('"token_embd.weight" is Q8_0 instead of Q4_K')
    const [got, want] = [
      await numbersOf(gguf, 'model.layers.0.self_attn.q_proj.weight'),
      await numbersOf(from, 'model.layers.0.self_attn.q_proj.weight'),
    ]
    got.forEach((value, i) => expect(Math.abs(value - want[i])).toBeLessThan(0.03))
    await gguf.close()
  })

  it('refuses what cannot be, and leaves what was there', async () => {
    const path = join(folder, 'model.gguf')
    await writeFile(path, 'old')
    await expect(convertCheckpoint(from, path)).rejects.toThrow(/needs `files`/)
    await expect(convertCheckpoint(from, folder, { dtype: 'Q8_0' })).rejects.toThrow(/write \*\.gguf instead/)
    await expect(convertCheckpoint(from, folder, { dtype: 'Q3_K' as never })).rejects.toThrow(/dtype must be one of/)
    await expect(convertCheckpoint(from, path, { files: memoryFolder('m', {}), ...quiet })).rejects.toThrow(
      /config\.json must be there/,
    )
    const foreign = await openSafetensors(
      bytesSource(
        's',
        await encodeSafetensors([
          tensorOf('model.embed_tokens.weight', 'F32', [20, 64], randomFloats(1280)),
          tensorOf('vision.weight', 'F32', [1], randomFloats(1)),
        ]),
      ),
    )
    await expect(convertCheckpoint(foreign, path, { files: memoryFolder('m', modelFiles), ...quiet })).rejects.toThrow(
      /"vision\.weight"/,
    )
    expect(await readFile(path, 'utf8')).toBe('old')
  })

  it('refuses weights that half precision cannot hold', async () => {
    const large = await openSafetensors(
      bytesSource('s', await encodeSafetensors([tensorOf('w', 'F32', [2], Float32Array.of(1, 1e6))])),
    )
    const error = await convertCheckpoint(large, folder, { dtype: 'F16' }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CheckpointError)
    expect((error as CheckpointError).message).toMatch(/1000000; convert to BF16/)
    expect(await readdir(folder)).toEqual([])
  })

  it('holds one piece of a tensor at a time', async () => {
    // A tensor of 512 MiB that is made as it is read; nothing may ask for more than a piece of it.
    const bytes = 2 ** 29
    let largest = 0
    const source: Checkpoint = {
      ...from,
      tensors: new Map([['w', { name: 'w', dtype: 'U8', shape: [bytes], byteLength: bytes }]]),
      read: () => Promise.reject(new Error('asked for the whole')),
      async *stream(_name, { chunkBytes = 0 } = {}) {
        largest = Math.max(largest, chunkBytes)
        const piece = new Uint8Array(chunkBytes)
        for (let at = 0; at < bytes; at += chunkBytes) yield piece
      },
    }
    let written = 0
    const { safetensorsPieces } = await import('../src/node/writeSafetensors.js')
    const { planSafetensors } = await import('../src/safetensors/layout.js')
    const { convertedTensor } = await import('../src/convert/dtypes.js')
    const tensors = [...source.tensors.values()].map((info) => convertedTensor(source, info, info.dtype))
    for await (const piece of safetensorsPieces('nowhere', planSafetensors('test', tensors))) written += piece.length
    expect(written).toBeGreaterThan(bytes)
    expect(largest).toBeLessThanOrEqual(16 * 2 ** 20)
  })
})

describe('packed weights', () => {
  const packed = async (): Promise<Checkpoint> => {
    const word: TensorToWrite = { name: 'l.qweight', dtype: 'I32', shape: [2], bytes: async () => new Uint8Array(8) }
    const scale: TensorToWrite = { name: 'l.scales', dtype: 'F16', shape: [2], bytes: async () => new Uint8Array(4) }
    return openSafetensors(bytesSource('packed', await encodeSafetensors([word, scale])))
  }
  let to: string
  beforeEach(async () => {
    to = await mkdtemp(join(tmpdir(), 'tarazed-packed-'))
  })
  afterEach(() => rm(to, { recursive: true }))

  it('are refused where they would be rounded, before anything is written', async () => {
    for (const [target, options] of [
      [to, { dtype: 'F32' }],
      [join(to, 'm.gguf'), {}],
    ] as const)
      await expect(convertCheckpoint(await packed(), target, options)).rejects.toThrow(/packed/)
    expect(await readdir(to)).toEqual([])
  })

  it('are copied as they are with the file that explains them', async () => {
    const files = memoryFolder('packed', { 'config.json': '{}', 'quantize_config.json': '{"bits": 4}' })
    await convertCheckpoint(await packed(), to, { files })
    const copy = await openCheckpoint(diskFolder(to))
    expect([...copy.tensors.values()].map(({ dtype }) => dtype)).toEqual(['I32', 'F16'])
    await copy.close()
    expect(await readFile(join(to, 'quantize_config.json'), 'utf8')).toBe('{"bits": 4}')
  })
})
