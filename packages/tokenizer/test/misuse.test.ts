import { describe, expect, it } from 'vitest'
import { loadTokenizer, TokenizerError, tokenReport, trainBpe, type Tokenizer } from '../src/index.js'
import { smallBpe } from './small.js'

/** What plain JavaScript may hand in. */
const NO_TEXT = [undefined, null, 5, {}, ['a'], 5n, Symbol('a')]

async function expectTaught(call: (tokenizer: Tokenizer) => unknown): Promise<void> {
  const tokenizer = (await smallBpe()).tokenizer()
  expect(() => call(tokenizer)).toThrow(TokenizerError)
}

describe('wrong arguments teach', () => {
  it.each(NO_TEXT)('text %s', async (text) => {
    await expectTaught((tokenizer) => tokenizer.encode(text as never))
    await expectTaught((tokenizer) => tokenizer.encodeToArray(text as never))
    await expectTaught((tokenizer) => tokenizer.encodeWithOffsets(text as never))
  })

  it.each([null, 5, true, ['allowSpecial'], { allow_special: true }, { allowSpecial: 1 }, { addSpecial: 'yes' }])(
    'options of encode %j',
    async (options) => {
      await expectTaught((tokenizer) => tokenizer.encode('a', options as never))
    },
  )

  it.each([
    undefined,
    null,
    5,
    'abc',
    {},
    [-1],
    [1.5],
    [NaN],
    ['1'],
    [600],
    [null],
    [[1]],
    new DataView(new ArrayBuffer(1)),
  ])('ids %j', async (ids) => {
    await expectTaught((tokenizer) => tokenizer.decode(ids as never))
  })

  it.each([undefined, -1, 600, 1.5, '1', null])('id %j of a stream', async (id) => {
    await expectTaught((tokenizer) => tokenizer.stream().push(id as never))
  })

  it.each([null, { skip_special: true }, { skipSpecial: 0 }])('options of decode and stream %j', async (options) => {
    await expectTaught((tokenizer) => tokenizer.decode([], options as never))
    await expectTaught((tokenizer) => tokenizer.stream(options as never))
  })

  it.each([
    undefined,
    'a',
    { text: 'a', template: true },
    [{}],
    ['a'],
    [null],
    [{ text: 'a' }],
    [{ text: 5, template: true }],
  ])('spans %j', async (spans) => {
    await expectTaught((tokenizer) => tokenizer.encodeSpans(spans as never))
  })

  it('arguments of the report', async () => {
    await expectTaught(() => tokenReport(undefined as never, []))
    await expectTaught((tokenizer) => tokenReport(tokenizer, 'text' as never))
    await expectTaught((tokenizer) => tokenReport(tokenizer, undefined as never))
    await expectTaught((tokenizer) => tokenReport(tokenizer, [5] as never))
    await expectTaught((tokenizer) => tokenReport(tokenizer, [], { sentences: 'words' } as never))
  })

  it('callbacks and files of other types', async () => {
    const sound = { readText: async () => undefined }
    await expect(loadTokenizer(sound, { onWarning: 'warn' as never })).rejects.toThrow(/onWarning must be a function/)
    await expect(loadTokenizer({ readText: async () => 5 as never })).rejects.toThrow(/readText must give strings/)
    await expect(trainBpe([], { vocabSize: 300, onProgress: 5 as never })).rejects.toThrow(
      /onProgress must be a function/,
    )
    await expect(trainBpe([], { vocabSize: 300, signal: {} as never })).rejects.toThrow(/signal must be an AbortSignal/)
  })

  it('look-ups of what is no token are undefined', async () => {
    const tokenizer = (await smallBpe()).tokenizer()
    expect(tokenizer.idToToken(-1)).toBeUndefined()
    expect(tokenizer.idToToken('length' as never)).toBeUndefined()
    expect(tokenizer.tokenToId('no such token')).toBeUndefined()
    expect(tokenizer.tokenToId(undefined as never)).toBeUndefined()
  })

  it('names position and value of an id that no token has', async () => {
    const tokenizer = (await smallBpe()).tokenizer()
    expect(() => tokenizer.decode([1, 2, 600])).toThrow(/integers from 0 to 599, got 600 at position 2/)
  })
})
