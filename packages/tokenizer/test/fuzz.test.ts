/** Hostile files: whatever they say, loading gives a tokenizer that works or a TokenizerError. */
import { describe, expect, it } from 'vitest'
import { tokenizerFromGguf, TokenizerError, type Tokenizer } from '../src/index.js'
import { below, pick, randomSource, randomText } from './random.js'
import { loadFrom, smallFiles } from './small.js'
import { unigramJson } from './unigramFixture.js'

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e300,
  4_194_303,
  4_194_304,
  '',
  'a',
  'Ġ',
  '\u0000',
  '\ud800',
  [],
  {},
  [[]],
  [null],
  [['a']],
  ['a b'],
  ['a', 'b', 'c'],
  { a: 1 },
  { __proto__: null, content: 'x', id: 3 },
  { type: 'BPE' },
  { type: 'Unigram' },
  { type: 'Sequence' },
  { type: 'Split', pattern: { Regex: '[' } },
  { type: 'Split', pattern: { String: '' } },
  { type: 'Replace', pattern: { Regex: '(' }, content: '' },
  { type: 'Precompiled', precompiled_charsmap: 'AAAA' },
  { type: 'Metaspace', replacement: '' },
  { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'x' } }] },
]

const KEYS = [
  'type',
  'vocab',
  'merges',
  'id',
  'content',
  '__proto__',
  'constructor',
  'unk_id',
  'special',
  'pattern',
  'x',
]

/** A copy with one or more places changed. */
function mutated(value: unknown, random: () => number, depth = 0): unknown {
  if (random() < 0.02 * (depth + 1)) return pick(random, ODD_VALUES)
  if (Array.isArray(value)) {
    // Long lists stay mostly as they are: the odd entry is what matters.
    const at = below(random, value.length + 1)
    return value.map((item, k) => (value.length < 20 || k === at ? mutated(item, random, depth + 1) : item))
  }
  if (typeof value !== 'object' || value === null) return random() < 0.05 ? pick(random, ODD_VALUES) : value
  const entries = Object.entries(value)
  const at = below(random, entries.length + 1)
  const changed = entries.map(([key, item], k): [string, unknown] => {
    const name = random() < 0.01 ? pick(random, KEYS) : key
    return [name, entries.length < 20 || k === at ? mutated(item, random, depth + 1) : item]
  })
  if (random() < 0.1) changed.push([pick(random, KEYS), pick(random, ODD_VALUES)])
  return Object.fromEntries(changed)
}

/** Bytes of a text turned, dropped and doubled. */
function torn(text: string, random: () => number): string {
  let result = text
  for (let k = 0; k < 1 + below(random, 4); k++) {
    const at = below(random, result.length + 1)
    const length = below(random, 12)
    const change = below(random, 4)
    if (change === 0) result = result.slice(0, at)
    else if (change === 1) result = result.slice(0, at) + result.slice(at + length)
    else if (change === 2) result = result.slice(0, at) + randomText(random, length) + result.slice(at)
    else result = result.slice(0, at) + result.slice(at, at + length) + result.slice(at)
  }
  return result
}

const counts = { loaded: 0, refused: 0 }

async function expectLoadsOrTeaches(load: () => Promise<Tokenizer> | Tokenizer, what: unknown): Promise<void> {
  try {
    const tokenizer = await load()
    const ids = tokenizer.encode('the 模型 <|endoftext|> 12\n# a')
    expect(tokenizer.encodeWithOffsets('the 模型 <|endoftext|> 12\n# a').ids).toEqual(ids)
    expect(typeof tokenizer.decode(ids)).toBe('string')
    counts.loaded++
  } catch (error) {
    if (!(error instanceof TokenizerError))
      expect.fail(`${String(error)} ${(error as Error).stack}\n${JSON.stringify(what).slice(0, 2000)}`)
    counts.refused++
  }
}

describe('hostile files', () => {
  it('of vocabularies: changed, torn, mixed', async () => {
    const files = await smallFiles()
    const random = randomSource(31)
    const names = Object.keys(files)
    for (let round = 0; round < 400; round++) {
      const name = pick(random, names)
      const hostile = { ...files, [name]: torn(files[name], random) }
      if (random() < 0.5) delete (hostile as Record<string, string>)['tokenizer.json']
      await expectLoadsOrTeaches(() => loadFrom(hostile), hostile[name])
    }
    expect(counts.loaded).toBeGreaterThan(10)
    expect(counts.refused).toBeGreaterThan(10)
  })

  it('with fields of wrong types', async () => {
    const files = await smallFiles()
    const random = randomSource(32)
    const names = Object.keys(files).filter((name) => name.endsWith('.json'))
    for (let round = 0; round < 400; round++) {
      const name = pick(random, names)
      const hostile = { ...files, [name]: JSON.stringify(mutated(JSON.parse(files[name]), random)) }
      await expectLoadsOrTeaches(() => loadFrom(random() < 0.7 ? { [name]: hostile[name] } : hostile), hostile[name])
    }
  })

  it('of unigram models', async () => {
    const random = randomSource(33)
    for (let round = 0; round < 600; round++) {
      const json = mutated(unigramJson(), random)
      await expectLoadsOrTeaches(() => loadFrom({ 'tokenizer.json': JSON.stringify(json) ?? '' }), json)
    }
  })

  it('of GGUF metadata', async () => {
    const random = randomSource(34)
    const sound = {
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.tokens': ['<|endoftext|>', 'a', 'b', 'ab'],
      'tokenizer.ggml.merges': ['a b'],
      'tokenizer.ggml.token_type': [3, 1, 1, 1],
      'tokenizer.ggml.eos_token_id': 0,
    }
    for (let round = 0; round < 600; round++) {
      const hostile = mutated(sound, random)
      await expectLoadsOrTeaches(() => tokenizerFromGguf(hostile as never), hostile)
    }
  })

  it('nested without end', async () => {
    const nested = (field: string): string =>
      `${`{"type":"Sequence","${field}":[`.repeat(20_000)}${']}'.repeat(20_000)}`
    const model = '"model":{"type":"BPE","vocab":{},"merges":[]}'
    for (const [part, field] of [
      ['pre_tokenizer', 'pretokenizers'],
      ['normalizer', 'normalizers'],
      ['post_processor', 'processors'],
    ]) {
      const pre = part === 'pre_tokenizer' ? '' : '"pre_tokenizer":{"type":"ByteLevel"},'
      const loading = loadFrom({ 'tokenizer.json': `{${pre}"${part}":${nested(field)},${model}}` })
      await expect(loading).rejects.toThrow(/32 deep/)
    }
  })

  it('cannot reach prototypes', async () => {
    const vocab = '{"__proto__": 0, "constructor": 1, "toString": 2}'
    const tokenizer = await loadFrom({ 'vocab.json': vocab, 'merges.txt': '#version\n' })
    expect(tokenizer.idToToken(0)).toBe('__proto__')
    expect(tokenizer.tokenToId('hasOwnProperty')).toBeUndefined()
    expect(({} as Record<string, unknown>).content).toBeUndefined()
  })
})
