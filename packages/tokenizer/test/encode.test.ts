import { describe, expect, it } from 'vitest'
import { byteTokens, naiveMerge } from './naiveBpe.js'
import { below, randomSource, randomText, ODD_CHARACTERS } from './random.js'
import { bilingualText, loadFrom, smallBpe, smallFiles } from './small.js'
import { BYTES_IN_ORDER, tokenOfBytes } from '../src/byteAlphabet.js'
import { GPT2_PATTERN } from '../src/gpt2Split.js'
import { type Encoding, type Span } from '../src/index.js'

async function small() {
  return (await smallBpe()).tokenizer()
}

async function smallRanks(): Promise<ReadonlyMap<string, number>> {
  const lines = (await smallFiles())['merges.txt'].split('\n').slice(1, -1)
  return new Map(lines.map((line, rank) => [line, rank]))
}

const CHARACTERS = [...ODD_CHARACTERS, 'the', ' model', '模型', '阅读', ' and', '###', '    ']

/** Every token's place holds its bytes, and the places cover the text. */
function expectPlaces(text: string, { ids, starts, ends }: Encoding): void {
  expect(starts.length).toBe(ids.length)
  expect(ends.length).toBe(ids.length)
  let covered = 0
  for (let k = 0; k < ids.length; k++) {
    expect(starts[k]).toBeLessThanOrEqual(covered)
    expect(ends[k]).toBeGreaterThan(starts[k])
    expect(ends[k]).toBeGreaterThanOrEqual(covered)
    covered = ends[k]
  }
  expect(covered).toBe(text.length)
}

/** Merges of neighbours in random texts, wherever they are cut: nothing that training would choose. */
function randomMerges(random: () => number, characters: readonly string[], count: number) {
  const vocab = new Map<string, number>(BYTES_IN_ORDER.map((byte, id) => [tokenOfBytes(Uint8Array.of(byte)), id]))
  const ranks = new Map<string, number>()
  for (let k = 0; k < count; k++) {
    const tokens = naiveMerge(byteTokens(randomText(random, 6, characters)), ranks)
    const at = below(random, Math.max(1, tokens.length - 1))
    if (at + 1 >= tokens.length || vocab.has(tokens[at] + tokens[at + 1])) continue
    ranks.set(`${tokens[at]} ${tokens[at + 1]}`, ranks.size)
    vocab.set(tokens[at] + tokens[at + 1], vocab.size)
  }
  const files = {
    'vocab.json': JSON.stringify(Object.fromEntries(vocab)),
    'merges.txt': ['#version: 0.2', ...ranks.keys(), ''].join('\n'),
  }
  return { files, ranks }
}

describe('encoding', () => {
  it('merges as the definition says, on random texts', async () => {
    const tokenizer = await small()
    const ranks = await smallRanks()
    const random = randomSource(3)
    for (let round = 0; round < 600; round++) {
      const text = randomText(random, below(random, 40), CHARACTERS)
      const want = [...text.matchAll(GPT2_PATTERN)].flatMap(([piece]) => naiveMerge(byteTokens(piece), ranks))
      expect(tokenizer.encode(text, { allowSpecial: false }).map((id) => tokenizer.idToToken(id))).toEqual(want)
    }
  })

  it('merges long words, which take another way, as the definition says', async () => {
    const tokenizer = await small()
    const ranks = await smallRanks()
    const random = randomSource(4)
    for (const length of [150, 191, 192, 193, 400, 1500]) {
      const text = randomText(random, length, ['t', 'h', 'e', 'm', 'o', 'd', '模', '型', '阅'])
      const want = naiveMerge(byteTokens(text), ranks)
      expect(tokenizer.encode(text).map((id) => tokenizer.idToToken(id))).toEqual(want)
    }
  })

  it('merges Chinese as the definition says, with merges of whole and of cut characters', async () => {
    const random = randomSource(14)
    const characters = [...'你好世界模型的，。', 'ア', 'é', 'a', ' ', '👍']
    for (let round = 0; round < 60; round++) {
      const { files, ranks } = randomMerges(random, characters, 40 + below(random, 200))
      const tokenizer = await loadFrom(files)
      for (let k = 0; k < 10; k++) {
        const text = randomText(random, below(random, 25), characters)
        const want = [...text.matchAll(GPT2_PATTERN)].flatMap(([piece]) => naiveMerge(byteTokens(piece), ranks))
        const got = tokenizer.encodeWithOffsets(text)
        expect(got.ids.map((id) => tokenizer.idToToken(id))).toEqual(want)
        expect(tokenizer.encode(text)).toEqual(got.ids)
        expectPlaces(text, got)
      }
    }
  })

  it('takes a word of a megabyte and a million blanks', async () => {
    const tokenizer = await small()
    for (const text of [
      'themodel'.repeat(125_000),
      ' '.repeat(1_000_000),
      '模型'.repeat(200_000),
      "'".repeat(500_000),
    ]) {
      const ids = tokenizer.encodeToArray(text)
      expect(tokenizer.decode(ids)).toBe(text)
    }
  })

  it('gives the same ids in every form, before and after pieces are known', async () => {
    const tokenizer = await small()
    const text = bilingualText(9, 20)
    const first = tokenizer.encode(text)
    expect(tokenizer.encode(text)).toEqual(first)
    expect([...tokenizer.encodeToArray(text)]).toEqual(first)
    expect(tokenizer.encodeWithOffsets(text).ids).toEqual(first)
    expect(tokenizer.encodeSpans([{ text, template: false }]).ids).toEqual(first)
  })

  it('keeps working when more pieces were met than it remembers', async () => {
    const tokenizer = await small()
    const numbers = (from: number): string =>
      Array.from({ length: 90_000 }, (_, k) => `x${(from + k).toString(36)}`).join(' ')
    const before = tokenizer.encode(numbers(0))
    for (let k = 1; k < 4; k++) tokenizer.encodeToArray(numbers(k * 90_000))
    expect(tokenizer.encode(numbers(0))).toEqual(before)
  })

  it('adds nothing at the ends', async () => {
    const tokenizer = await small()
    expect(tokenizer.encode('')).toEqual([])
    expect(tokenizer.encode('the')).toEqual(tokenizer.encode('the', { addSpecial: true }))
  })

  it('reads lone surrogates as U+FFFD', async () => {
    const tokenizer = await small()
    expect(tokenizer.decode(tokenizer.encode('a\ud83db'))).toBe('a\ufffdb')
    expect(tokenizer.encode('\udc4d')).toEqual(tokenizer.encode('\ufffd'))
  })
})

describe('places', () => {
  it('cover random texts, and split characters belong to all their tokens', async () => {
    const tokenizer = await small()
    const random = randomSource(5)
    for (let round = 0; round < 300; round++) {
      const text = randomText(random, below(random, 30), CHARACTERS)
      expectPlaces(text, tokenizer.encodeWithOffsets(text))
    }
  })

  it('are UTF-16 units into the text', async () => {
    const tokenizer = await small()
    const text = 'a👍the'
    const { ids, starts, ends } = tokenizer.encodeWithOffsets(text)
    const places = ids.map((_, k) => text.slice(starts[k], ends[k]))
    expect(places[0]).toBe('a')
    expect(new Set(places.slice(1, -1))).toEqual(new Set(['👍']))
    expect(places.at(-1)).toBe('the')
  })
})

describe('special tokens', () => {
  it('count by default, and not when the text is only text', async () => {
    const tokenizer = await small()
    const text = 'the</s> model'
    const eos = tokenizer.tokenToId('</s>')
    expect(tokenizer.encode(text)).toContain(eos)
    const asText = tokenizer.encode(text, { allowSpecial: false })
    expect(asText).not.toContain(eos)
    expect(tokenizer.decode(asText)).toBe(text)
  })

  it('keep the blanks around them', async () => {
    const tokenizer = await small()
    const ids = tokenizer.encode('the  </s>  model')
    expect(tokenizer.decode(ids)).toBe('the  </s>  model')
  })

  it('are found leftmost and longest', async () => {
    const tokenizer = await small()
    const id = (token: string): number | undefined => tokenizer.tokenToId(token)
    expect(tokenizer.encode('[CLS][CLS]</s></s')).toEqual([
      id('[CLS]'),
      id('[CLS]'),
      id('</s>'),
      ...tokenizer.encode('</s'),
    ])
    expect(tokenizer.encode('<|startofpiece|><|endofpiece|>')).toEqual([id('<|startofpiece|>'), id('<|endofpiece|>')])
  })

  it('may take blanks with them, stand alone only, and be part of ordinary text, when a file says so', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
    json.added_tokens.push(
      { ...flags, id: 800, content: '<mask>', lstrip: true },
      { ...flags, id: 801, content: '<right>', rstrip: true },
      { ...flags, id: 802, content: 'alone', single_word: true },
      { ...flags, id: 803, content: 'usual', special: false, normalized: true },
    )
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    expect(tokenizer.encodeWithOffsets('a \t<mask>')).toEqual({
      ids: [...tokenizer.encode('a'), 800],
      starts: [0, 1],
      ends: [1, 9],
    })
    expect(tokenizer.encode('<right>  <right>')).toEqual([801, 801])
    expect(tokenizer.encode('alone')).toEqual([802])
    expect(tokenizer.encode('an alone!')).toContain(802)
    for (const text of ['aloneness', 'lalone', 'alone1', 'é_alone']) expect(tokenizer.encode(text)).not.toContain(802)
    expect(tokenizer.encode('usual', { allowSpecial: false })).toEqual([803])
    expect(tokenizer.specialTokens.has('usual')).toBe(false)
  })

  it('take the ids that a post-processor puts around a text only when asked', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    json.post_processor = {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: { '[CLS]': { ids: [598] }, '</s>': { ids: [599] } },
    }
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    const plain = tokenizer.encode('the')
    expect(tokenizer.encode('the', { addSpecial: true })).toEqual([598, ...plain, 599])
    expect(tokenizer.encodeWithOffsets('the', { addSpecial: true })).toMatchObject({
      starts: [0, 0, 3],
      ends: [0, 3, 3],
    })
  })
})

describe('spans', () => {
  const span = (text: string, template = false): Span => ({ text, template })

  it('are one text for the model: tokens reach over borders', async () => {
    const tokenizer = await small()
    const joined = tokenizer.encodeSpans([span('a: ', true), span('the model')])
    expect(joined.ids).toEqual(tokenizer.encode('a: the model'))
    const straddling = joined.starts.findIndex((start, k) => start < 3 && joined.ends[k] > 3)
    expect(straddling).toBeGreaterThanOrEqual(0)
  })

  it('let special tokens count in templates only', async () => {
    const tokenizer = await small()
    const eos = tokenizer.tokenToId('</s>')
    const { ids } = tokenizer.encodeSpans([span('the</s>'), span('</s>', true), span('</s>')])
    expect(ids.filter((id) => id === eos).length).toBe(1)
    expect(tokenizer.decode(ids)).toBe('the</s></s></s>')
  })

  it('never let content complete a special token', async () => {
    const tokenizer = await small()
    const eos = tokenizer.tokenToId('</s>')
    for (const spans of [
      [span('</', true), span('s>')],
      [span('<'), span('/s>', true)],
      [span('</', true), span(''), span('s>', true)],
      [span('</', true), span('s'), span('>', true)],
    ]) {
      expect(tokenizer.encodeSpans(spans).ids).not.toContain(eos)
    }
    expect(tokenizer.encodeSpans([span('</', true), span('s>', true)]).ids).toEqual([eos])
    expect(tokenizer.encodeSpans([span('</s>', true), span(''), span('</s>', true)]).ids).toEqual([eos, eos])
  })

  it('equal ordinary encoding when all is template, or all is content', async () => {
    const tokenizer = await small()
    const random = randomSource(6)
    const special = [...tokenizer.specialTokens.keys()]
    for (let round = 0; round < 200; round++) {
      const texts = Array.from({ length: below(random, 6) }, () =>
        randomText(random, below(random, 6), [...CHARACTERS, ...special]),
      )
      const text = texts.join('')
      const all = (template: boolean) => tokenizer.encodeSpans(texts.map((part) => span(part, template)))
      expect(all(true).ids).toEqual(tokenizer.encode(text))
      expect(all(false).ids).toEqual(tokenizer.encode(text, { allowSpecial: false }))
      expectPlaces(text, all(true))
    }
  })
})
