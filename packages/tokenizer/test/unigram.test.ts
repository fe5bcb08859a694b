import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { describe, expect, it } from 'vitest'
import { charsmapNormalizer } from '../src/unigram/charsmap.js'
import { TokenizerError } from '../src/index.js'
import { compileCharsmap } from './charsmapFixture.js'
import { below, randomSource, randomText, wellFormed } from './random.js'
import { loadFrom } from './small.js'
import { unigramJson } from './unigramFixture.js'

function load(change: Readonly<Record<string, unknown>> = {}) {
  return loadFrom({ 'tokenizer.json': JSON.stringify(unigramJson(change)) })
}

const CHARACTERS = ['t', 'h', 'e', ' ', 'm', 'o', 'd', 'l', '模', '型', 's', ' the', ' model', '？', '𠮷', '</s>', 'ｔ']

describe('a unigram model', () => {
  it('takes the cut with the best sum of scores', async () => {
    const tokenizer = await load()
    const tokens = (text: string) => tokenizer.encode(text).map((id) => tokenizer.idToToken(id))
    expect(tokens('the model')).toEqual(['▁the', '▁model'])
    expect(tokens('模型')).toEqual(['▁', '模型'])
    expect(tokens('thes')).toEqual(['▁the', 's'])
  })

  it('has the score of the best of all cuts, on random words', async () => {
    const json = unigramJson()
    const scores = new Map((json.model as { vocab: [string, number][] }).vocab)
    const tokenizer = await load({ normalizer: null })
    const random = randomSource(41)
    for (let round = 0; round < 300; round++) {
      const word = `▁${randomText(random, 1 + below(random, 9), ['t', 'h', 'e', 'm', 'o', 'd', 'l', '模', '型'])}`
      const got = tokenizer.encode(word.slice(1)).map((id) => tokenizer.idToToken(id) ?? '')
      expect(got.join('')).toBe(word)
      const sum = got.reduce((total, token) => total + (scores.get(token) ?? NaN), 0)
      expect(sum).toBeCloseTo(bestScore(word, scores), 10)
    }
  })

  it('gives the ids and texts of the library on random texts', async () => {
    const json = unigramJson()
    const library = new LibraryTokenizer(json, {})
    const tokenizer = await load()
    const random = randomSource(42)
    for (let round = 0; round < 400; round++) {
      const text = wellFormed(randomText(random, 1 + below(random, 20), CHARACTERS))
      const { ids } = library.encode(text)
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids)
      const known = ids.filter((id) => id > 1 && id < 17)
      if (known.length > 0)
        expect(tokenizer.decode(known)).toBe(library.decode(known, { clean_up_tokenization_spaces: false }))
    }
  })

  it('makes one unknown token of unknown characters in a row, with their place', async () => {
    const tokenizer = await load()
    expect(tokenizer.encodeWithOffsets('th你好𠮷e')).toEqual({
      ids: [1, 17, 0, 8],
      starts: [0, 0, 2, 6],
      ends: [0, 2, 6, 7],
    })
  })

  it('spells unknown characters in bytes when it can', async () => {
    const json = unigramJson()
    const vocab = [...(json.model as { vocab: [string, number][] }).vocab]
    for (let byte = 0; byte < 256; byte++) vocab.push([`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, -20])
    const decoder = {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    }
    const tokenizer = await load({
      model: { type: 'Unigram', unk_id: 0, vocab, byte_fallback: true },
      decoder,
      added_tokens: [],
    })
    const text = 'the 你𠮷 model'
    const { ids, starts, ends } = tokenizer.encodeWithOffsets(text)
    expect(ids.length).toBe(1 + 1 + 3 + 4 + 1)
    expect(starts.slice(2, 9)).toEqual([4, 4, 4, 5, 5, 5, 5])
    expect(ends.slice(2, 9)).toEqual([5, 5, 5, 7, 7, 7, 7])
    expect(tokenizer.decode(ids)).toBe(text)
    const stream = tokenizer.stream()
    expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(text)
  })

  it('streams what it decodes', async () => {
    const tokenizer = await load()
    const ids = tokenizer.encode('the model the 模型</s>')
    const stream = tokenizer.stream({ skipSpecial: true })
    expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(tokenizer.decode(ids, { skipSpecial: true }))
  })

  it('leads places back through normalisation and added blanks', async () => {
    const tokenizer = await load()
    const text = 'ｔｈｅ   model'
    const { ids, starts, ends } = tokenizer.encodeWithOffsets(text)
    expect(ids.map((id, k) => [tokenizer.idToToken(id), text.slice(starts[k], ends[k])])).toEqual([
      ['▁the', 'ｔｈｅ'],
      ['▁model', '   model'],
    ])
  })

  it('splits at white space first when the file says so', async () => {
    const steps = [{ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', add_prefix_space: true }]
    const tokenizer = await load({ pre_tokenizer: { type: 'Sequence', pretokenizers: steps } })
    const tokens = tokenizer.encode('  the\u2003\tmodel \n').map((id) => tokenizer.idToToken(id))
    expect(tokens).toEqual(['▁the', '▁model'])
    expect(tokenizer.encode('   ')).toEqual([])
  })

  it('puts a blank before the first section only, or never', async () => {
    const pre = (scheme: string) => ({
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: scheme, split: true },
    })
    const first = await load(pre('first'))
    expect(first.encode('the</s>th').map((id) => first.idToToken(id))).toEqual(['▁the', '</s>', 'th'])
    const never = await load(pre('never'))
    expect(never.encode('th the').map((id) => never.idToToken(id))).toEqual(['th', '▁the'])
  })

  it('takes a word of half a megabyte', async () => {
    const tokenizer = await load()
    const text = 'model'.repeat(100_000)
    expect(tokenizer.decode(tokenizer.encodeToArray(text))).toBe(text)
  })

  it.each([
    [{ model: { type: 'Unigram', unk_id: null, vocab: [['a', 0]] } }, /unk_id/],
    [{ model: { type: 'Unigram', unk_id: 5, vocab: [['a', 0]] } }, /unk_id/],
    [{ model: { type: 'Unigram', unk_id: 0, vocab: [['a']] } }, /entry 0/],
    [{ model: { type: 'Unigram', unk_id: 0, vocab: [['a', 'b']] } }, /entry 0/],
    [{ pre_tokenizer: { type: 'ByteLevel' } }, /pre_tokenizer of a Unigram/],
    [{ decoder: { type: 'WordPiece' } }, /decoder step "WordPiece"/],
    [{ normalizer: { type: 'Precompiled', precompiled_charsmap: '!' } }, /base64/],
    [{ normalizer: { type: 'Precompiled', precompiled_charsmap: '////fw==' } }, /size of its trie/],
  ])('refuses %j', async (change, message) => {
    await expect(load(change)).rejects.toThrow(TokenizerError)
    await expect(load(change)).rejects.toThrow(message)
  })
})

function bestScore(word: string, scores: ReadonlyMap<string, number>): number {
  const best = [0]
  for (let end = 1; end <= word.length; end++) {
    best[end] = Math.max(
      ...Array.from({ length: end }, (_, from) => best[from] + (scores.get(word.slice(from, end)) ?? -Infinity)),
    )
  }
  return best[word.length]
}

describe('the table of a SentencePiece model', () => {
  const rules = { ｱ: 'ア', ｱﾞ: 'ア゙', ﬁ: 'fi', A: 'a', '\u200b': '', 'e\u0301': 'é', '𝟘': '0' }
  const normalizer = charsmapNormalizer(compileCharsmap(rules), 'test')

  it('replaces the longest match at every place', () => {
    expect(normalizer.normalize('xｱﾞAｱBﬁ\u200b𝟘e\u0301e').text).toBe('xア゙aアBfi0ée')
  })

  it('leads back to the text as it was', () => {
    const { text, start, end } = normalizer.normalize('aﬁ\u200be\u0301')
    expect(text).toBe('afié')
    expect([...text].map((_, k) => [start(k), end(k + 1)])).toEqual([
      [0, 1],
      [1, 2],
      [1, 2],
      [3, 5],
    ])
  })

  it('replaces as a plain search does, on random texts', () => {
    const random = randomSource(43)
    for (let round = 0; round < 500; round++) {
      const text = wellFormed(
        randomText(random, below(random, 12), [...Object.keys(rules), 'ﾞ', 'b', 'e', '\u0301', '好']),
      )
      expect(normalizer.normalize(text).text).toBe(plainReplace(text, rules))
    }
  })

  it('survives random tables', () => {
    const random = randomSource(44)
    for (let round = 0; round < 2000; round++) {
      const table = Uint8Array.from({ length: below(random, 200) }, () => below(random, 256))
      if (table.length > 4) table.set([4 * below(random, 1 + table.length / 4), 0, 0, 0])
      try {
        expect(typeof charsmapNormalizer(table, 'test').normalize('Aﬁｱﾞ x').text).toBe('string')
      } catch (error) {
        expect(error).toBeInstanceOf(TokenizerError)
      }
    }
  })
})

function plainReplace(text: string, rules: Readonly<Record<string, string>>): string {
  const keys = Object.keys(rules).sort((a, b) => b.length - a.length)
  let output = ''
  for (let at = 0; at < text.length;) {
    const key = keys.find((candidate) => text.startsWith(candidate, at))
    const width = key?.length ?? String.fromCodePoint(text.codePointAt(at) ?? 0).length
    output += key === undefined ? text.slice(at, at + width) : rules[key]
    at += width
  }
  return output
}
