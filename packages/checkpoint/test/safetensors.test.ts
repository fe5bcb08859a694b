import { mkdtemp, open as openFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  bytesSource,
  CheckpointError,
  encodeSafetensors,
  memoryFolder,
  openCheckpoint,
  openSafetensors,
  type ByteSource,
  type TensorToWrite,
} from '../src/index.js'
import { diskFolder, fileSource, replaceFile, writeSafetensors, writeShardedSafetensors } from '../src/node.js'

const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer)

const tensors: readonly TensorToWrite[] = [
  { name: 'flags', dtype: 'U8', shape: [3], bytes: () => Uint8Array.of(1, 2, 3) },
  { name: 'w', dtype: 'F32', shape: [3, 2], bytes: async () => floats([1, 2, 3, 4, 5, 6]) },
  { name: 'empty', dtype: 'F32', shape: [0, 4], bytes: () => new Uint8Array(0) },
  { name: 'scalar', dtype: 'F64', shape: [], bytes: () => new Uint8Array(Float64Array.of(7).buffer) },
]

/** A file with any header in front of `data`. */
function fileOf(header: string | Uint8Array, data = new Uint8Array(0), length?: bigint): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const file = new Uint8Array(8 + json.length + data.length)
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(json.length), true)
  file.set(json, 8)
  file.set(data, 8 + json.length)
  return file
}

function open(bytes: Uint8Array) {
  return openSafetensors(bytesSource('x.safetensors', bytes))
}

async function refusal(run: Promise<unknown>): Promise<CheckpointError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CheckpointError)
  return error as CheckpointError
}

describe('a safetensors file', () => {
  it('gives back names, types, shapes, bytes and metadata', async () => {
    const checkpoint = await open(await encodeSafetensors(tensors, { metadata: { format: 'pt' } }))
    expect(checkpoint.format).toBe('safetensors')
    expect([...checkpoint.metadata]).toEqual([['format', 'pt']])
    expect(checkpoint.tensors.get('w')).toEqual({ name: 'w', dtype: 'F32', shape: [3, 2], byteLength: 24 })
    expect(await checkpoint.read('w')).toEqual(floats([1, 2, 3, 4, 5, 6]))
    expect(await checkpoint.read('flags')).toEqual(Uint8Array.of(1, 2, 3))
    expect(await checkpoint.read('empty')).toEqual(new Uint8Array(0))
    expect(await checkpoint.readRows('w', 1, 3)).toEqual(floats([3, 4, 5, 6]))
  })

  it('has its data aligned to 8 bytes and wide types first', async () => {
    const file = await encodeSafetensors(tensors)
    expect(new DataView(file.buffer).getBigUint64(0, true) % 8n).toBe(0n)
    const names = [...(await open(file)).tensors.keys()]
    expect(names[0]).toBe('scalar')
    expect(names[3]).toBe('flags')
  })

  it('is streamed in pieces of whole elements', async () => {
    const checkpoint = await open(await encodeSafetensors(tensors))
    const pieces: Uint8Array[] = []
    for await (const piece of checkpoint.stream('w', { chunkBytes: 9 })) pieces.push(piece)
    expect(pieces.map(({ length }) => length)).toEqual([8, 8, 8])
    expect(Buffer.concat(pieces)).toEqual(Buffer.from(floats([1, 2, 3, 4, 5, 6])))
  })

  it('keeps names that are special in JavaScript', async () => {
    const bytes = () => Uint8Array.of(9)
    const names = ['__proto__', 'constructor', '10', '9', 'é\u2028"\\']
    const file = await encodeSafetensors(names.map((name) => ({ name, dtype: 'U8', shape: [1], bytes })))
    const checkpoint = await open(file)
    expect(new Set(checkpoint.tensors.keys())).toEqual(new Set(names))
  })

  it('names the tensors that there are when one is missing', async () => {
    const error = await refusal((await open(await encodeSafetensors(tensors))).read('q'))
    expect(error.tensor).toBe('q')
    expect(error.message).toContain('"w"')
  })

  it('is not read after it was closed', async () => {
    const checkpoint = await open(await encodeSafetensors(tensors))
    await checkpoint.close()
    expect((await refusal(checkpoint.read('w'))).rule).toContain('open')
  })

  it('is read beyond 4 GiB without reading the rest', async () => {
    const at = 5 * 2 ** 30
    const head = fileOf(
      JSON.stringify({
        hole: { dtype: 'U8', shape: [at], data_offsets: [0, at] },
        w: { dtype: 'F32', shape: [2], data_offsets: [at, at + 8] },
      }),
    )
    let bytesRead = 0
    const source: ByteSource = {
      name: 'sparse',
      size: head.length + at + 8,
      async read(offset, length) {
        bytesRead += length
        if (offset >= head.length + at) return floats([3, 4]).subarray(offset - head.length - at)
        const bytes = new Uint8Array(length)
        bytes.set(head.subarray(offset, offset + length))
        return bytes
      },
    }
    const checkpoint = await openSafetensors(source)
    expect(await checkpoint.read('w')).toEqual(floats([3, 4]))
    expect(bytesRead).toBeLessThan(100_000)
  })
})

describe('a lying safetensors header', () => {
  const entry = (dtype: unknown, shape: unknown, offsets: unknown) =>
    JSON.stringify({ a: { dtype, shape, data_offsets: offsets } })
  const four = new Uint8Array(4)
  const cases: Record<string, Uint8Array> = {
    'of 3 bytes': new Uint8Array(3),
    'longer than the file': fileOf('{}', four, 1000n),
    'of 2^63 bytes': fileOf('{}', four, 2n ** 63n),
    'that is no JSON': fileOf('{"a":'),
    'that is no UTF-8': fileOf(Uint8Array.of(0x22, 0xff, 0x22)),
    'that is a list': fileOf('[1]'),
    'with an unknown dtype': fileOf(entry('F7', [1], [0, 4]), four),
    'with a negative size': fileOf(entry('F32', [-1], [0, 4]), four),
    'with a fractional size': fileOf(entry('F32', [0.5], [0, 4]), four),
    'with a shape of text': fileOf(entry('F32', '1', [0, 4]), four),
    'with offsets beyond the file': fileOf(entry('F32', [2], [0, 8]), four),
    'with offsets backwards': fileOf(entry('F32', [1], [4, 0]), four),
    'with bytes that do not fit the shape': fileOf(entry('F32', [2], [0, 4]), four),
    'with a shape beyond all numbers': fileOf(entry('F32', [2 ** 40, 2 ** 40], [0, 4]), four),
    'with a hole at the start': fileOf(entry('U8', [2], [2, 4]), four),
    'with bytes after the last tensor': fileOf(entry('U8', [2], [0, 2]), four),
    'with an overlap': fileOf(
      '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
      four,
    ),
    'with a tensor twice': fileOf(
      '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
      four,
    ),
    'with a field twice': fileOf('{"a":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}}', four),
    'with metadata of numbers': fileOf('{"__metadata__":{"a":1}}'),
  }
  for (const [name, bytes] of Object.entries(cases)) {
    it(`${name} is refused with the file's name`, async () => {
      expect((await refusal(open(bytes))).message).toMatch(/^x\.safetensors: /)
    })
  }

  it('damaged at random gives tensors or a CheckpointError', async () => {
    const file = await encodeSafetensors(tensors, { metadata: { a: 'b' } })
    const damage = fc.record({
      cut: fc.integer({ min: 0, max: file.length }),
      flips: fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ cut, flips }) => {
        const broken = file.slice(0, cut)
        for (const [at, value] of flips) if (at < cut) broken[at] = value
        try {
          const checkpoint = await open(broken)
          for (const [name, { byteLength }] of checkpoint.tensors)
            expect((await checkpoint.read(name)).length).toBe(byteLength)
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a folder of shards', () => {
  const index = (map: object) => JSON.stringify({ metadata: { total_size: 1 }, weight_map: map })

  it('reads as one checkpoint, wrong total_size or not', async () => {
    const folder = memoryFolder('m', {
      'model-00001-of-00002.safetensors': await encodeSafetensors(tensors.slice(0, 2)),
      'model-00002-of-00002.safetensors': await encodeSafetensors(tensors.slice(2)),
      'model.safetensors.index.json': index({
        w: 'model-00001-of-00002.safetensors',
        flags: 'model-00001-of-00002.safetensors',
        scalar: 'model-00002-of-00002.safetensors',
        empty: 'model-00002-of-00002.safetensors',
      }),
    })
    const checkpoint = await openCheckpoint(folder)
    expect(await checkpoint.readRows('w', 2, 3)).toEqual(floats([5, 6]))
    expect(checkpoint.tensors.size).toBe(4)
  })

  it('that lacks a shard, a tensor or the index is refused by name', async () => {
    const shard = await encodeSafetensors(tensors.slice(0, 2))
    const names = { w: 'model-00001-of-00002.safetensors', scalar: 'model-00002-of-00002.safetensors' }
    const lacksShard = memoryFolder('m', { [names.w]: shard, 'model.safetensors.index.json': index(names) })
    expect((await refusal(openCheckpoint(lacksShard))).file).toContain(names.scalar)
    const lacksTensor = memoryFolder('m', {
      [names.w]: shard,
      [names.scalar]: shard,
      'model.safetensors.index.json': index(names),
    })
    expect((await refusal(openCheckpoint(lacksTensor))).tensor).toBe('scalar')
    const lacksIndex = memoryFolder('m', { [names.w]: shard, [names.scalar]: shard })
    expect((await refusal(openCheckpoint(lacksIndex))).rule).toContain('index')
  })

  it('whose index points out of the folder is refused', async () => {
    for (const target of ['../secret.safetensors', '/etc/passwd', 'a\\..\\b', 'C:x', 3, '']) {
      const folder = memoryFolder('m', { 'model.safetensors.index.json': index({ w: target }) })
      expect((await refusal(openCheckpoint(folder))).rule).toContain('stay within its folder')
    }
  })

  it('without weights says what was there', async () => {
    expect((await refusal(openCheckpoint(memoryFolder('m', { 'config.json': '{}' })))).message).toContain('config.json')
  })
})

describe('writing to a disk', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tarazed-checkpoint-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const failing: TensorToWrite = {
    name: 'late',
    dtype: 'F32',
    shape: [2],
    async *bytes() {
      yield floats([1])
      throw new Error('source broke')
    },
  }

  it('gives the bytes of the encoder', async () => {
    const path = join(folder, 'a.safetensors')
    await writeSafetensors(path, tensors, { metadata: { format: 'pt' } })
    const encoded = await encodeSafetensors(tensors, { metadata: { format: 'pt' } })
    expect(Buffer.compare(await readFile(path), encoded)).toBe(0)
    expect(await readdir(folder)).toEqual(['a.safetensors'])
    const source = await fileSource(path)
    const checkpoint = await openSafetensors(source)
    expect(await checkpoint.readRows('w', 0, 1)).toEqual(floats([1, 2]))
    await checkpoint.close()
  })

  it('that fails half way leaves the old file and nothing else', async () => {
    const path = join(folder, 'a.safetensors')
    await writeFile(path, 'old')
    await expect(writeSafetensors(path, [...tensors, failing])).rejects.toThrow('source broke')
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['a.safetensors'])
  })

  it('refuses tensors whose bytes are too few or too many', async () => {
    for (const count of [1, 3]) {
      const wrong: TensorToWrite = { ...failing, bytes: () => floats(new Array<number>(count).fill(0)) }
      const error = await refusal(writeSafetensors(join(folder, 'a'), [wrong]))
      expect(error.tensor).toBe('late')
      expect(error.rule).toContain('8 bytes')
    }
    expect(await readdir(folder)).toEqual([])
  })

  it('cuts into shards, and back into one file, without leftovers', async () => {
    const files = await writeShardedSafetensors(folder, tensors, { maxShardBytes: 26 })
    expect(files.at(-1)).toBe('model.safetensors.index.json')
    expect(files.length).toBeGreaterThan(2)
    expect((await readdir(folder)).sort()).toEqual([...files].sort())
    const sharded = await openCheckpoint(diskFolder(folder))
    expect(await sharded.read('w')).toEqual(floats([1, 2, 3, 4, 5, 6]))
    await sharded.close()
    const fewer = await writeShardedSafetensors(folder, tensors)
    expect(fewer).toEqual(['model.safetensors'])
    expect(await readdir(folder)).toEqual(['model.safetensors'])
  })

  it('of shards that fails leaves the old checkpoint readable', async () => {
    await writeShardedSafetensors(folder, tensors, { maxShardBytes: 26 })
    const before = (await readdir(folder)).sort()
    await expect(writeShardedSafetensors(folder, [...tensors, failing], { maxShardBytes: 26 })).rejects.toThrow('broke')
    expect((await readdir(folder)).sort()).toEqual(before)
    const checkpoint = await openCheckpoint(diskFolder(folder))
    expect(checkpoint.tensors.size).toBe(4)
    await checkpoint.close()
  })

  it('on a full disk leaves the old files and says what to do', async () => {
    await writeShardedSafetensors(folder, tensors, { maxShardBytes: 26 })
    const before = (await readdir(folder)).sort()
    const handle = await openFile(join(folder, before[0]))
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    const write = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'write')
    await handle.close()
    let writes = 0
    // The second shard does not fit any more.
    write.mockImplementation(((bytes: Uint8Array) =>
      ++writes > 1 ? Promise.reject(full) : Promise.resolve({ bytesWritten: bytes.length })) as never)
    const error = await refusal(writeShardedSafetensors(folder, tensors, { maxShardBytes: 26 })).finally(() =>
      write.mockRestore(),
    )
    expect(error.message).toMatch(/untouched.*ENOSPC.*free space/)
    expect((await readdir(folder)).sort()).toEqual(before)
    const checkpoint = await openCheckpoint(diskFolder(folder))
    expect(await checkpoint.read('w')).toEqual(floats([1, 2, 3, 4, 5, 6]))
    await checkpoint.close()
  })

  it('replaces a file in one step, from text, bytes or pieces', async () => {
    const path = join(folder, 'note.txt')
    await replaceFile(path, '你好')
    expect(await readFile(path, 'utf8')).toBe('你好')
    await replaceFile(path, [Uint8Array.of(65), new Uint8Array(3 * 2 ** 20).fill(66), Uint8Array.of(67)])
    const bytes = await readFile(path)
    expect([bytes.length, bytes[0], bytes[1], bytes.at(-1)]).toEqual([3 * 2 ** 20 + 2, 65, 66, 67])
    expect(await readdir(folder)).toEqual(['note.txt'])
    expect((await refusal(replaceFile(join(folder, 'no', 'such'), 'x'))).message).toContain('create the folder')
  })
})
