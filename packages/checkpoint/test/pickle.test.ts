import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bytesSource,
  CheckpointError,
  memoryFolder,
  openCheckpoint,
  openPickle,
  type ByteSource,
  type PickleMode,
} from '../src/index.js'
import { randomFloats } from './random.js'
import { joined, P, torchFile, zipOf } from './torchFile.js'

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const open = (bytes: Uint8Array, mode?: PickleMode) =>
  openPickle(bytesSource('m.bin', bytes), mode === undefined ? {} : { mode })

async function refusal(run: Promise<unknown>): Promise<CheckpointError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CheckpointError)
  return error as CheckpointError
}

const S = P.storage('Float', '0', 6)
const six = { 0: floats(1, 2, 3, 4, 5, 6) }
const state = (...pairs: (Uint8Array | string)[]) =>
  P.whole(P.call(P.global('collections', 'OrderedDict')), '(', ...pairs, 'u')

describe('a PyTorch file', () => {
  it('gives dense tensors and views of one storage', async () => {
    const checkpoint = await open(
      torchFile(
        state(
          P.text('whole'),
          P.tensor(S, 0, [2, 3], [3, 1]),
          P.text('transposed'),
          P.tensor(S, 0, [3, 2], [1, 3]),
          P.text('column'),
          P.tensor(S, 1, [2, 1], [3, 1]),
          P.text('expanded'),
          P.tensor(S, 5, [3], [0]),
          P.text('scalar'),
          P.tensor(S, 3, [], []),
          P.text('empty'),
          P.tensor(S, 0, [0, 4], [4, 1]),
        ),
        six,
      ),
    )
    const values = async (name: string) => [...new Float32Array((await checkpoint.read(name)).slice().buffer)]
    expect(await values('whole')).toEqual([1, 2, 3, 4, 5, 6])
    expect(await values('transposed')).toEqual([1, 4, 2, 5, 3, 6])
    expect(await values('column')).toEqual([2, 5])
    expect(await values('expanded')).toEqual([6, 6, 6])
    expect(await values('scalar')).toEqual([4])
    expect(await values('empty')).toEqual([])
    expect(checkpoint.tensors.get('transposed')?.shape).toEqual([3, 2])
    expect(await checkpoint.readRows('transposed', 1, 3)).toEqual(floats(2, 5, 3, 6))
    expect(checkpoint.format).toBe('pickle')
  })

  it('reads every element type', async () => {
    const kinds = { Double: 8, Float: 4, Half: 2, BFloat16: 2, Long: 8, Int: 4, Short: 2, Char: 1, Byte: 1, Bool: 1 }
    const pairs = Object.keys(kinds).flatMap((kind) => [P.text(kind), P.tensor(P.storage(kind, kind, 2), 1, [1], [1])])
    const storages = Object.entries(kinds).map(
      ([kind, bytes]) => [kind, new Uint8Array(2 * bytes).fill(7, bytes)] as const,
    )
    const checkpoint = await open(torchFile(state(...pairs), Object.fromEntries(storages)))
    const dtypes = [...checkpoint.tensors.values()].map(({ dtype }) => dtype)
    expect(dtypes).toEqual(['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL'])
    for (const [kind, bytes] of Object.entries(kinds))
      expect(await checkpoint.read(kind)).toEqual(new Uint8Array(bytes).fill(7))
  })

  it('gives random strided views as the formula says', async () => {
    const values = randomFloats(200)
    const storage = P.storage('Float', '0', 200)
    const views = fc.tuple(
      fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      fc.array(fc.nat(9), { minLength: 3 }),
      fc.nat(20),
    )
    await fc.assert(
      fc.asyncProperty(views, async ([shape, someStrides, offset]) => {
        const strides = shape.map((_, axis) => someStrides[axis])
        const file = torchFile(state(P.text('v'), P.tensor(storage, offset, shape, strides)), {
          0: new Uint8Array(values.buffer),
        })
        const places = shape.reduce(
          (all, extent, axis) =>
            all.flatMap((place) => Array.from({ length: extent }, (_, k) => place + k * strides[axis])),
          [offset],
        )
        const got = await (await open(file)).read('v')
        expect([...new Float32Array(got.slice().buffer)]).toEqual(places.map((place) => values[place]))
      }),
      { numRuns: 100 },
    )
  })

  it('names nested tensors by their path, and takes the weights under a usual key', async () => {
    const inner = P.dict(P.text('w'), P.tensor(S, 0, [2], [1]))
    const nested = await open(
      torchFile(
        P.whole(
          P.dict(P.text('a'), P.dict(P.text('b'), inner), P.text('c'), joined(']', P.tensor(S, 1, [1], [1]), 'a')),
        ),
        six,
      ),
    )
    expect([...nested.tensors.keys()]).toEqual(['a.b.w', 'c.0'])
    const optimiser = P.dict(P.text('m'), P.tensor(S, 0, [6], [1]))
    const training = await open(
      torchFile(
        P.whole(P.dict(P.text('epoch'), P.int(3), P.text('optimizer'), optimiser, P.text('state_dict'), inner)),
        six,
      ),
    )
    expect([...training.tensors.keys()]).toEqual(['w'])
    expect(training.metadata.get('epoch')).toBe(3)
    expect(training.warnings.join()).toContain('"optimizer.m"')
  })

  it('reads parameters, old tensors and state that modules attach', async () => {
    const parameter = P.call(P.global('torch._utils', '_rebuild_parameter'), P.tensor(S, 0, [6], [1]), '\x88', P.none)
    const old = P.call(P.global('torch._utils', '_rebuild_tensor'), S, P.int(2), P.tuple(P.int(2)), P.tuple(P.int(1)))
    const withState = P.whole(
      P.call(P.global('collections', 'OrderedDict')),
      '(',
      P.text('p'),
      parameter,
      P.text('o'),
      old,
      'u',
      P.dict(P.text('_metadata'), P.dict()),
      'b',
    )
    const checkpoint = await open(torchFile(withState, six))
    expect([...checkpoint.tensors.keys()]).toEqual(['p', 'o'])
    expect(await checkpoint.read('o')).toEqual(floats(3, 4))
  })

  it('reads archives with 64-bit sizes and with a comment', async () => {
    const pickle = state(P.text('w'), P.tensor(S, 0, [6], [1]))
    for (const changes of [{ zip64: true }, { comment: 'made by hand' }, { zip64: true, comment: 'PK\x05\x06' }])
      expect(await (await open(torchFile(pickle, six, changes))).read('w')).toEqual(six[0])
  })

  it('reads storages beyond 4 GiB without reading what lies between', async () => {
    const at = 5 * 2 ** 30
    const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer)
    const u64 = (value: number) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
    const u16 = (value: number) => new Uint8Array(Uint16Array.of(value).buffer)
    const pickle = state(P.text('w'), P.tensor(P.storage('Float', '0', 6), 0, [6], [1]))
    const head = (name: string, size: number) =>
      joined('PK\x03\x04', '\0\0\0\0\0\0\0\0\0\0\0\0\0\0', u32(size), u32(size), u16(name.length), u16(0), name)
    const first = joined(head('a/data.pkl', pickle.length), pickle)
    const second = joined(head('a/data/0', 24), six[0])
    const entry = (name: string, size: number, place: number) =>
      joined(
        'PK\x01\x02',
        '\0'.repeat(16),
        u32(size),
        u32(size),
        u16(name.length),
        u16(12),
        '\0'.repeat(10),
        u32(0xffffffff),
        name,
        u16(1),
        u16(8),
        u64(place),
      )
    const directory = joined(entry('a/data.pkl', pickle.length, 0), entry('a/data/0', 24, at))
    const directoryAt = at + second.length
    const end = joined(
      directory,
      'PK\x06\x06',
      u64(44),
      '\0'.repeat(12),
      u64(2),
      u64(2),
      u64(directory.length),
      u64(directoryAt),
      'PK\x06\x07',
      u32(0),
      u64(directoryAt + directory.length),
      u32(1),
      'PK\x05\x06',
      '\0\0\0\0',
      u16(0xffff),
      u16(0xffff),
      u32(0xffffffff),
      u32(0xffffffff),
      u16(0),
    )
    const parts = [
      [0, first],
      [at, second],
      [directoryAt, end],
    ] as const
    const source: ByteSource = {
      name: 'big.bin',
      size: directoryAt + end.length,
      async read(offset, length) {
        const bytes = new Uint8Array(length)
        for (const [start, part] of parts) {
          const from = Math.max(offset, start)
          const to = Math.min(offset + length, start + part.length)
          if (from < to) bytes.set(part.subarray(from - start, to - start), from - offset)
        }
        return bytes
      },
    }
    expect(await (await openPickle(source)).read('w')).toEqual(six[0])
  })

  it('is found in a folder, in shards too', async () => {
    const shard = torchFile(state(P.text('w'), P.tensor(S, 0, [6], [1])), six)
    const single = await openCheckpoint(memoryFolder('m', { 'pytorch_model.bin': shard, 'training_args.bin': 'x' }))
    expect(single.tensors.size).toBe(1)
    const sharded = await openCheckpoint(
      memoryFolder('m', {
        'pytorch_model-00001-of-00001.bin': shard,
        'pytorch_model.bin.index.json': '{"weight_map":{"w":"pytorch_model-00001-of-00001.bin"}}',
      }),
    )
    expect(await sharded.read('w')).toEqual(six[0])
  })

  it('loses to safetensors in the same folder, with a warning', async () => {
    const { encodeSafetensors } = await import('../src/index.js')
    const warnings: string[] = []
    const files = {
      'pytorch_model.bin': new Uint8Array(3),
      'model.safetensors': await encodeSafetensors([
        { name: 'w', dtype: 'U8', shape: [1], bytes: () => new Uint8Array(1) },
      ]),
    }
    const checkpoint = await openCheckpoint(memoryFolder('m', files), {
      onWarning: (message) => warnings.push(message),
    })
    expect(checkpoint.format).toBe('safetensors')
    expect(warnings.join()).toContain('ignores pytorch_model.bin')
  })
})

describe('a hostile pickle', () => {
  const system = P.global('posix', 'system')
  const command = P.text('echo harm')
  const cases: Record<string, readonly [Uint8Array, RegExp]> = {
    'that calls os.system': [P.whole(P.call(system, command)), /byte 2: .*"posix\.system"/],
    'of protocol 0': [joined(system, "(S'echo harm'\ntR."), /"posix\.system"/],
    'with STACK_GLOBAL': [joined('\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.'), /"builtins\.eval"/],
    'with INST': [joined("(S'echo harm'\nios\nsystem\n."), /"os\.system"/],
    'with OBJ': [P.whole('(', system, command, 'o'), /"posix\.system"/],
    'with NEWOBJ': [P.whole(P.global('subprocess', 'Popen'), P.tuple(command), '\x81'), /"subprocess\.Popen"/],
    'that walks from an allowed name': [P.whole(P.global('torch', '_utils._rebuild_tensor_v2')), /"torch\._utils/],
    'that splits an allowed name elsewhere': [P.whole(P.global('collections.OrderedDict', '__class__')), /__class__/],
    'that walks by dots inside the name': [
      P.whole(P.global('torch._utils', '_rebuild_tensor_v2.__globals__')),
      /__globals__/,
    ],
    'with an extension code': [P.whole('\x82\x01'), /0x82/],
    'that calls text': [P.whole(P.call(command, P.none)), /only names may be called/],
    'that calls a storage class': [
      P.whole(P.call(P.global('torch', 'FloatStorage'), P.int(4))),
      /arguments of torch.FloatStorage/,
    ],
    'that builds on a tensor': [P.whole(P.tensor(S, 0, [6], [1]), P.dict(), 'b'), /state may be given/],
    'with a persistent id of text': [P.whole('Pstorage\n'), /persistent id/],
    'with a storage that is no tuple': [P.whole(P.int(1), 'Q'), /persistent id/],
    'with a view past its storage': [state(P.text('w'), P.tensor(S, 0, [7], [1])), /must fit it/],
    'with a view before its storage': [state(P.text('w'), P.tensor(S, 0xffffffff, [1], [1])), /must fit it/],
    'with a view that unfolds a storage without end': [
      state(P.text('w'), P.tensor(S, 0, [2 ** 30, 2 ** 20], [0, 0])),
      /must fit it/,
    ],
    'whose storage is missing': [
      state(P.text('w'), P.tensor(P.storage('Float', '9', 6), 0, [1], [1])),
      /"archive\/data\/9".*no such record/,
    ],
    'whose storage is short': [
      state(P.text('w'), P.tensor(P.storage('Double', '0', 6), 0, [1], [1])),
      /48 bytes\), got 24 bytes/,
    ],
    'that ends early': [joined(P.start, P.text('a')), /the end of the pickle/],
    'with text longer than itself': [P.whole('X\xff\xff\xff\xff'), /the end of the pickle/],
    'with an integer of a gigabyte': [P.whole('\x8b\x00\x00\x00\x40'), /integers may have/],
    'with an empty stack': [P.whole('0'), /stack must not be empty/],
    'that remembers nothing': [P.whole('h\x07'), /number 7/],
    'without tensors': [P.whole(P.dict(P.text('a'), P.int(1))), /must hold tensors/],
    'that names a tensor twice': [
      state(P.text('w'), P.tensor(S, 0, [6], [1]), P.text('w'), P.tensor(S, 0, [1], [1])),
      /two of them/,
    ],
    'that contains itself': [P.whole('}q\x00', P.text('me'), 'h\x00s'), /nested 64 deep/],
    'nested deeply': [P.whole(']'.repeat(5000), 'a'.repeat(4999)), /nested 64 deep/],
    'that doubles itself again and again': [
      P.whole(P.int(1), '\x85q\x00', '0h\x00h\x00\x86q\x00'.repeat(60)),
      /unfold into/,
    ],
    'with a million marks': [joined(P.start, '('.repeat(1_100_000)), /values at a time/],
    'that copies a list by calls': [
      P.whole(
        ']q\x00',
        '(',
        P.tuple(P.int(1), P.int(2)).length > 0 ? joined(...Array.from({ length: 2000 }, () => 'K\x01K\x02\x86')) : '',
        'e0',
        joined(...Array.from({ length: 700 }, () => joined(P.global('collections', 'OrderedDict'), 'h\x00\x85R0'))),
        'N',
      ),
      /values at a time/,
    ],
  }
  for (const [name, [pickle, message]] of Object.entries(cases)) {
    it(`${name} is refused before a tensor is handed out`, async () => {
      const error = await refusal(open(torchFile(pickle, six)))
      expect(error.file).toBe('m.bin')
      expect(error.message).toMatch(message)
    })
  }

  it('can be looked into: unknown objects become inert records beside the tensors', async () => {
    const namespace = joined(P.global('argparse', 'Namespace'), ')\x81', P.dict(P.text('hidden_size'), P.int(64)), 'b')
    const pickle = P.whole(
      P.dict(
        P.text('args'),
        namespace,
        P.text('rng'),
        P.call(system, command),
        P.text('model'),
        P.dict(P.text('w'), P.tensor(S, 0, [6], [1])),
      ),
    )
    const checkpoint = await open(torchFile(pickle, six), 'inspect')
    expect([...checkpoint.tensors.keys()]).toEqual(['model.w'])
    expect(checkpoint.metadata.get('args')).toEqual({ class: 'argparse.Namespace', args: [], hidden_size: 64 })
    expect(checkpoint.metadata.get('rng')).toEqual({ class: 'posix.system', args: ['echo harm'] })
  })
})

describe('an archive', () => {
  const pickle = state(P.text('w'), P.tensor(S, 0, [6], [1]))
  const whole = torchFile(pickle, six)
  const cases: Record<string, readonly [Uint8Array, RegExp]> = {
    'that is cut off': [whole.subarray(0, whole.length - 30), /cut off/],
    'that is compressed': [torchFile(pickle, six, { method: 8 }), /compression method 8/],
    'that is encrypted': [torchFile(pickle, six, { flags: 1 }), /encrypted/],
    'with a name twice': [
      zipOf([
        ['a/data.pkl', pickle],
        ['a/data.pkl', pickle],
      ]),
      /"a\/data\.pkl" twice/,
    ],
    'with overlapping records': [
      torchFile(pickle, six, { entryAt: (name, at) => (name.endsWith('/0') ? 0 : at) }),
      /must end before/,
    ],
    'whose record points at another': [
      torchFile(
        pickle,
        { ...six, 1: floats(1, 2, 3, 4, 5, 6, 7, 8, 9) },
        { entryAt: (name, at) => (name.endsWith('byteorder') ? at + 3 : at) },
      ),
      /header at byte|must end before/,
    ],
    'without a pickle': [zipOf([['a/readme', pickle]]), /one data\.pkl/],
    'with two pickles': [
      zipOf([
        ['a/data.pkl', pickle],
        ['b/data.pkl', pickle],
      ]),
      /one data\.pkl/,
    ],
    'of big-endian storages': [
      zipOf([
        ['a/data.pkl', pickle],
        ['a/byteorder', new TextEncoder().encode('big')],
        ['a/data/0', six[0]],
      ]),
      /"big"/,
    ],
    'of the legacy format': [
      joined('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.'),
      /legacy format.*torch\.save/,
    ],
    'of the tar format': [joined('\0'.repeat(257), 'ustar', '\0'.repeat(300)), /tar format/],
    'that is a Git LFS pointer': [joined('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'), /git lfs pull/],
    'that is a web page': [joined('<!DOCTYPE html><html>'), /web page/],
    'of no bytes': [new Uint8Array(0), /another format/],
  }
  for (const [name, [bytes, message]] of Object.entries(cases)) {
    it(`${name} is refused with what it is`, async () => {
      expect((await refusal(open(bytes))).message).toMatch(message)
    })
  }

  it('damaged at random gives tensors or a CheckpointError', async () => {
    const files = [whole, torchFile(pickle, six, { zip64: true })]
    const damage = fc.record({
      file: fc.constantFrom(...files),
      cut: fc.option(fc.nat(), { freq: 4 }),
      flips: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      mode: fc.constantFrom('weights' as const, 'inspect' as const),
    })
    await fc.assert(
      fc.asyncProperty(damage, async ({ file, cut, flips, mode }) => {
        const broken = cut === null ? file.slice() : file.slice(0, cut % file.length)
        for (const [at, value] of flips) if (broken.length > 0) broken[at % broken.length] = value
        try {
          const checkpoint = await open(broken, mode)
          for (const [name, { byteLength }] of checkpoint.tensors) {
            expect(byteLength).toBeLessThanOrEqual(64 * 2 ** 20)
            expect((await checkpoint.read(name)).length).toBe(byteLength)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError)
        }
      }),
      { numRuns: 1500 },
    )
  })

  it('with a pickle of random opcodes gives tensors or a CheckpointError', async () => {
    const pieces = [
      ...'().]}l0124abcdeghijopqrstuxIJKLMNPQRSTUVXFGBC\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97',
    ]
    const parts = fc.constantFrom<Uint8Array | string>(
      ...pieces,
      S,
      P.tensor(S, 0, [6], [1]),
      P.text('k'),
      P.int(1),
      P.global('torch', 'Size'),
      P.global('collections', 'OrderedDict'),
      '1\n',
      '\0',
      '\x01',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(parts, { maxLength: 40 }),
        fc.constantFrom('weights' as const, 'inspect' as const),
        async (some, mode) => {
          try {
            await open(torchFile(P.whole(...some), six), mode)
          } catch (error) {
            expect(error).toBeInstanceOf(CheckpointError)
          }
        },
      ),
      { numRuns: 1500 },
    )
  })
})
