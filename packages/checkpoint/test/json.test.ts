import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ArgumentError, CheckpointError, parseJsonKeepingDuplicates } from '../src/index.js'

describe('JSON that keeps doubled keys', () => {
  it('lists every value of a key that an object has twice, the last one winning as in JSON.parse', () => {
    const text = '{"rope_scaling": {"factor": 4}, "a": [{"k": 1, "k": 2, "k": 3}], "rope_scaling": null}'
    const { value, duplicates } = parseJsonKeepingDuplicates(text)
    expect(value).toEqual(JSON.parse(text))
    expect(duplicates).toEqual([
      { path: ['a', 0], key: 'k', values: [1, 2, 3] },
      { path: [], key: 'rope_scaling', values: [{ factor: 4 }, null] },
    ])
  })

  it('is what JSON.parse gives for every JSON value', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 2, '\t'), (text, space) => {
        const spaced = JSON.stringify(JSON.parse(text), null, space)
        expect(parseJsonKeepingDuplicates(spaced)).toEqual({ value: JSON.parse(text), duplicates: [] })
        // A doubled key elsewhere has the whole text looked at closely.
        const { value, duplicates } = parseJsonKeepingDuplicates(`{"d": 1, "d": 2, "v": ${spaced}}`)
        expect(value).toEqual({ d: 2, v: JSON.parse(text) })
        expect(duplicates).toEqual([{ path: [], key: 'd', values: [1, 2] }])
      }),
      { numRuns: 300 },
    )
  })

  it('accepts and refuses exactly what JSON.parse does', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\n"',
      '"\\x"',
      '1',
      '-0.5e3',
      '01',
      '1.',
      '-',
      'true',
      'nul',
      ' ',
      '\n',
      '"',
      '\u0001',
      '\ufeff',
    )
    const parses = (read: () => unknown) => {
      try {
        return [read()]
      } catch (error) {
        return error instanceof SyntaxError || error instanceof CheckpointError ? [] : [error]
      }
    }
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = parts.join('')
        for (const json of [text, `{"d": 1, "d": 2, "v": ${text}}`])
          expect(parses(() => parseJsonKeepingDuplicates(json).value)).toEqual(parses(() => JSON.parse(json)))
      }),
      { numRuns: 3000 },
    )
  })

  it('keeps __proto__ as a key', () => {
    const { value } = parseJsonKeepingDuplicates('{"__proto__": {"a": 1}}')
    expect(Object.keys(value as object)).toEqual(['__proto__'])
    expect((value as { a?: number }).a).toBeUndefined()
  })

  it('says where it breaks, and when the text is cut off', () => {
    expect(() => parseJsonKeepingDuplicates('{\n  "a": tru\n}', { file: 'c.json' })).toThrow(
      /c\.json: JSON, line 2 column 8/,
    )
    expect(() => parseJsonKeepingDuplicates('{"a": [1, 2')).toThrow(/end of the text; the file is cut off/)
    expect(() => parseJsonKeepingDuplicates('['.repeat(100_000))).toThrow(/nested 200 deep/)
    expect(() => parseJsonKeepingDuplicates(3 as never)).toThrow(ArgumentError)
  })
})
