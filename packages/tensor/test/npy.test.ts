import { describe, expect, it } from 'vitest'
import { ArgumentError, DTypeError } from '../src/errors.js'
import { DTYPES, dtypeBytes } from '../src/dtype.js'
import { formatNpy, NpyError, parseNpy, type NpyArray } from '../src/io/npy.js'
import { formatNpz, parseNpz } from '../src/io/npz.js'

/** Files written by numpy 2.4. */
const NUMPY = {
  savezCompressed:
    'UEsDBC0AAAAIAAAAIQBP6QAq//////////8FABQAYS5ucHkBABAAmAAAAAAAAABVAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CsaaOgq1CmQDLgYwaLAHEg5ABMQNQLzAAQBQSwMELQAAAAgAAAAhAAZ2pOH//////////wcAFABpZHMubnB5AQAQAIgAAAAAAAAATQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mirqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOpo6CrUKFAAuRgYGhn////8HAFBLAwQtAAAACAAAACEAgi340///////////CAAUAGZsYWcubnB5AQAQAIEAAAAAAAAAQwAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBek2SorqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqaOgq1ChQBLkYAUEsBAi0DLQAAAAgAAAAhAE/pACpVAAAAmAAAAAUAAAAAAAAAAAAAAIABAAAAAGEubnB5UEsBAi0DLQAAAAgAAAAhAAZ2pOFNAAAAiAAAAAcAAAAAAAAAAAAAAIABjAAAAGlkcy5ucHlQSwECLQMtAAAACAAAACEAgi3400MAAACBAAAACAAAAAAAAAAAAAAAgAESAQAAZmxhZy5ucHlQSwUGAAAAAAMAAwCeAAAAjwEAAAAA',
  fortran:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAABAQAAAgD8AAIBAAAAAQAAAoEA=',
  bigEndian:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAP4AAAEAAAAA=',
  float64:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqamZmZmZm5P5x1AIg85Dd+',
  int64:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr///9/AAAAAAAAAID/////',
  int64TooLarge:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAACAAAAAAA==',
  structured:
    'k05VTVBZAQB2AHsnZGVzY3InOiBbKCd4JywgJzxmNCcpXSwgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAA',
  rank0:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAMA/',
} as const

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))
const floats = (array: NpyArray): number[] => [...new Float32Array(array.bytes.slice().buffer)]
const integers = (array: NpyArray): number[] => [...new Int32Array(array.bytes.slice().buffer)]

function arrayOf(dtype: NpyArray['dtype'], shape: readonly number[]): NpyArray {
  const count = shape.reduce((product, size) => product * size, 1)
  const bytes = Uint8Array.from({ length: count * dtypeBytes(dtype) }, (_, k) =>
    dtype === 'bool' ? k % 2 : (k * 37) & 0x3f,
  )
  return { dtype, shape, bytes }
}

/** A header of our own around some data. */
function fileOf(dictionary: string, dataBytes = 0, version = 1): Uint8Array {
  const text = new TextEncoder().encode(dictionary)
  const head = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, text.length & 0xff, text.length >> 8]
  if (version > 1) head.push(0, 0)
  return Uint8Array.from([...head, ...text, ...new Uint8Array(dataBytes)])
}

describe('parseNpy', () => {
  it('reads files of numpy: Fortran order, big-endian numbers, rank 0', () => {
    expect(parseNpy(bytesOf(NUMPY.fortran))).toMatchObject({ dtype: 'f32', shape: [2, 3] })
    expect(floats(parseNpy(bytesOf(NUMPY.fortran)))).toEqual([0, 1, 2, 3, 4, 5])
    expect(floats(parseNpy(bytesOf(NUMPY.bigEndian)))).toEqual([0, 1, 2])
    expect(parseNpy(bytesOf(NUMPY.rank0))).toMatchObject({ shape: [] })
    expect(floats(parseNpy(bytesOf(NUMPY.rank0)))).toEqual([1.5])
  })

  it('narrows float64 and int64 only when asked, and never an integer that does not fit', () => {
    expect(() => parseNpy(bytesOf(NUMPY.float64))).toThrow(DTypeError)
    expect(() => parseNpy(bytesOf(NUMPY.float64))).toThrow(/astype\('float32'\)/)
    expect(floats(parseNpy(bytesOf(NUMPY.float64), { wide: 'narrow' }))).toEqual([Math.fround(0.1), Infinity])
    const ids = parseNpy(bytesOf(NUMPY.int64), { wide: 'narrow' })
    expect(ids).toMatchObject({ dtype: 'i32', shape: [2] })
    expect(integers(ids)).toEqual([2147483647, -2147483648])
    expect(() => parseNpy(bytesOf(NUMPY.int64TooLarge), { wide: 'narrow' })).toThrow(/element 0 is 2147483648/)
  })

  it('reads back what formatNpy wrote, for every dtype and rank', () => {
    for (const dtype of DTYPES)
      for (const shape of [[], [0], [5], [2, 3], [3, 0, 2], [1, 2, 3, 4, 5]]) {
        const array = arrayOf(dtype, shape)
        const file = formatNpy(array)
        expect(parseNpy(file)).toEqual(array)
        const dataBytes = array.bytes.byteLength
        expect((file.byteLength - dataBytes) % 64).toBe(0)
      }
  })

  it('reads a file that lies inside a larger buffer', () => {
    const file = formatNpy(arrayOf('f32', [3]))
    const larger = new Uint8Array(file.length + 3)
    larger.set(file, 3)
    expect(parseNpy(larger.subarray(3))).toEqual(arrayOf('f32', [3]))
  })

  it('makes bools of hostile bytes', () => {
    const file = fileOf("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", 3)
    file.set([7, 0, 255], file.length - 3)
    expect([...parseNpy(file).bytes]).toEqual([1, 0, 1])
  })

  it('refuses what is no plain array of numbers, naming the rule', () => {
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /NUMPY/],
      [new TextEncoder().encode('PK\x03\x04 something else'), /NUMPY/],
      [bytesOf(NUMPY.structured), /structured/],
      [fileOf("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8), /dtype '\|O'/],
      [fileOf("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8), /dtype '<c8'/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4), /takes 8 bytes, got 4/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 8), /takes 4 bytes, got 8/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4), /size is expected/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999), }"), /limit/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999999999999), }"), /below 2\^53/],
      [fileOf("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", 4), /twice/],
      [fileOf("{'descr': '<f4', 'shape': (1,), }", 4), /'fortran_order' is missing/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4), /'x' is not known/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } + 1", 4), /nothing more/],
      [fileOf("__import__('os')", 4), /'\{' is expected/],
      [fileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4, 9), /version/],
    ]
    for (const [file, rule] of cases) expect(() => parseNpy(file)).toThrow(rule)
    expect(() => parseNpy(formatNpy(arrayOf('f32', [10])), { maxBytes: 39 })).toThrow(/limit of 39/)
    expect(() => formatNpy({ dtype: 'f32', shape: [2], bytes: new Uint8Array(7) })).toThrow(ArgumentError)
  })

  it('never does worse than a typed error on damaged files', () => {
    const random = randomBytes(1)
    for (let round = 0; round < 3000; round++) {
      const file = damaged(bytesOf(round % 2 === 0 ? NUMPY.fortran : NUMPY.float64), random)
      expectTyped(() => parseNpy(file, { wide: 'narrow', maxBytes: 1 << 20 }))
    }
  })
})

describe('parseNpz', () => {
  it('reads what numpy.savez_compressed wrote', async () => {
    const arrays = await parseNpz(bytesOf(NUMPY.savezCompressed))
    expect([...arrays.keys()]).toEqual(['a', 'ids', 'flag'])
    expect(floats(arrays.get('a') as NpyArray)).toEqual([0, 1, 2, 3, 4, 5])
    expect(integers(arrays.get('ids') as NpyArray)).toEqual([1, -2])
    expect(arrays.get('flag')).toMatchObject({ dtype: 'bool', shape: [], bytes: Uint8Array.of(1) })
  })

  it('reads back what formatNpz wrote, stored and deflated, names such as __proto__ included', async () => {
    const arrays = new Map<string, NpyArray>([
      ['weights/层', arrayOf('bf16', [30, 40])],
      ['__proto__', arrayOf('i32', [2])],
      ['empty', arrayOf('f32', [0, 4])],
    ])
    for (const compress of [false, true]) {
      const file = await formatNpz(arrays, { compress })
      expect(await parseNpz(file)).toEqual(arrays)
      expect(await formatNpz(arrays, { compress })).toEqual(file)
    }
    const [stored, packed] = await Promise.all([formatNpz(arrays), formatNpz(arrays, { compress: true })])
    expect(packed.length).toBeLessThan(stored.length)
    expect(await parseNpz(await formatNpz({}))).toEqual(new Map())
  })

  it('refuses damaged and over-large archives', async () => {
    const file = await formatNpz({ a: arrayOf('f32', [100]), b: arrayOf('f32', [100]) })
    await expect(parseNpz(file.subarray(0, file.length - 30))).rejects.toThrow(/end of the zip directory/)
    await expect(parseNpz(new Uint8Array(100))).rejects.toThrow(NpyError)
    await expect(parseNpz(file, { maxBytes: 500 })).rejects.toThrow(/limit/)
    await expect(parseNpz(file, { maxEntries: 1 })).rejects.toThrow(/2 entries/)
    const flipped = file.slice()
    flipped[200] ^= 1
    await expect(parseNpz(flipped)).rejects.toThrow(/checksum/)
  })

  it('refuses an entry that unpacks to more than it says', async () => {
    const file = await formatNpz(
      { a: { dtype: 'u8', shape: [1 << 20], bytes: new Uint8Array(1 << 20) } },
      { compress: true },
    )
    const view = new DataView(file.buffer)
    const central = file.length - 22 - 46 - 'a.npy'.length
    expect(view.getUint32(central, true)).toBe(0x02014b50)
    view.setUint32(central + 24, 1000, true)
    await expect(parseNpz(file)).rejects.toThrow(/more than the 1000 bytes/)
    view.setUint32(central + 24, 2 ** 31, true)
    await expect(parseNpz(file)).rejects.toThrow(/cannot unpack/)
  })

  it('never does worse than a typed error on damaged archives', async () => {
    const random = randomBytes(2)
    const files = [bytesOf(NUMPY.savezCompressed), await formatNpz({ a: arrayOf('f32', [5]), b: arrayOf('i8', [3]) })]
    for (let round = 0; round < 600; round++) {
      const file = damaged(files[round % 2], random)
      await parseNpz(file, { maxBytes: 1 << 20 }).catch(checkTyped)
    }
  })
})

function expectTyped(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    checkTyped(error)
  }
}

function checkTyped(error: unknown): void {
  if (!(error instanceof NpyError || error instanceof DTypeError)) throw error
}

/** Some bytes changed, the file cut, or a piece repeated. */
function damaged(file: Uint8Array, random: () => number): Uint8Array {
  const copy = file.slice()
  const changes = 1 + (random() % 4)
  for (let k = 0; k < changes; k++) copy[random() % copy.length] = random() & 0xff
  if (random() % 4 === 0) return copy.subarray(0, random() % copy.length)
  if (random() % 8 === 0) return Uint8Array.from([...copy, ...copy.subarray(random() % copy.length)])
  return copy
}

function randomBytes(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
}
