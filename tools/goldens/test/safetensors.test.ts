import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SafetensorsError, SafetensorsFile } from '../src/safetensors.js'
import { f32, safetensorsBytes, withHeader } from './files.js'

const entry = (more: object): string =>
  JSON.stringify({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...more } })
const four = new Uint8Array(4)

describe('safetensors', () => {
  it('gives back names, dtypes, shapes and bytes', () => {
    const file = SafetensorsFile.parse(safetensorsBytes({ a: f32([2], [1, 2]), 'b.c': f32([0, 3], []) }), 'file')
    const a = file.entries.get('a')
    expect([...file.entries.keys()]).toEqual(['a', 'b.c'])
    expect(a).toMatchObject({ dtype: 'F32', shape: [2] })
    expect(a && file.data(a)).toEqual(new Uint8Array(Float32Array.of(1, 2).buffer))
  })

  it('leaves metadata out of the entries', () => {
    expect(SafetensorsFile.parse(withHeader('{"__metadata__":{"a":"b"}}'), 'file').entries.size).toBe(0)
  })

  it.each<[string, Uint8Array]>([
    ['fewer than eight bytes', new Uint8Array(7)],
    ['a header longer than the file', withHeader('{}').slice(0, 9)],
    ['a header length of 2^64 - 1', new Uint8Array(16).fill(255)],
    ['a header that is not JSON', withHeader('{')],
    ['a header that is not UTF-8', new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])],
    ['a header that is a list', withHeader('[]')],
    ['an entry that is a number', withHeader('{"x":1}')],
    ['an unknown dtype', withHeader(entry({ dtype: 'Q4' }), four)],
    ['a dtype that is a name of Object', withHeader(entry({ dtype: 'constructor' }), four)],
    ['a negative size', withHeader(entry({ shape: [-1] }), four)],
    ['a fractional size', withHeader(entry({ shape: [0.5] }), four)],
    ['sizes whose product leaves the integers', withHeader(entry({ shape: [2 ** 40, 2 ** 40] }), four)],
    ['more than 64 axes', withHeader(entry({ shape: new Array(65).fill(1) }), four)],
    ['a range that is too short', withHeader(entry({ data_offsets: [0, 3] }), four)],
    ['a range behind the file', withHeader(entry({ data_offsets: [4, 8] }), four)],
    ['a range that runs backwards', withHeader(entry({ data_offsets: [4, 0] }), four)],
    ['a hole before the data', withHeader(entry({ data_offsets: [4, 8] }), new Uint8Array(8))],
    ['bytes of no tensor at the end', withHeader(entry({}), new Uint8Array(8))],
  ])('refuses %s', (_, bytes) => {
    expect(() => SafetensorsFile.parse(bytes, 'file')).toThrow(SafetensorsError)
  })

  it('refuses two tensors that share bytes', () => {
    const shared = { dtype: 'F32', shape: [1], data_offsets: [0, 4] }
    const bytes = withHeader(JSON.stringify({ a: shared, b: shared }), four)
    expect(() => SafetensorsFile.parse(bytes, 'file')).toThrow(/follow each other/)
  })

  it('throws nothing but its own error for damaged files', () => {
    const whole = safetensorsBytes({ a: f32([2], [1, 2]), b: f32([], [3]) })
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
        const damaged = whole.slice(0, length)
        if (at < length) damaged[at] = byte
        try {
          SafetensorsFile.parse(damaged, 'file')
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
