import { describe, expect, it } from 'vitest'
import { loadTokenizer, tokenizerFromGguf, TokenizerError } from '../src/index.js'
import { bilingualText, loadFrom, smallBpe, smallFiles } from './small.js'

const TEXT = `${bilingualText(12, 8)}<|startofpiece|>你好<|endofpiece|></s>`

async function wanted(): Promise<number[]> {
  return (await smallBpe()).tokenizer().encode(TEXT)
}

/** The vocabulary files without what tells of special tokens. */
async function bareFiles(): Promise<Record<string, string>> {
  const { 'vocab.json': vocab, 'merges.txt': merges } = await smallFiles()
  return { 'vocab.json': vocab, 'merges.txt': merges }
}

const SPECIAL = '<|startofpiece|> <|endofpiece|> <|LDWANG|> [MASK] [gMASK] [sMASK] [CLS] </s>'.split(' ')

describe('a folder with a broken tokenizer.json', () => {
  it.each([
    ['cut off', (json: string) => json.slice(0, json.length / 2)],
    ['empty', () => ''],
    ['a pointer to a large file', () => 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'],
    ['without a model', () => '{"version": "1.0"}'],
    ['with a merge whose token is missing', (json: string) => json.replace(/"merges": \[/, '"merges": ["Q Z",')],
  ])('falls back to vocab.json and merges.txt when it is %s, and names file and length', async (_what, breaks) => {
    const files = await smallFiles()
    const warnings: string[] = []
    const json = breaks(files['tokenizer.json'])
    const tokenizer = await loadFrom({ ...files, 'tokenizer.json': json }, warnings)
    expect(tokenizer.encode(TEXT)).toEqual(await wanted())
    expect(warnings.length).toBe(1)
    expect(warnings[0]).toMatch(/^tokenizer\.json: /)
    expect(warnings[0]).toContain(`${json.length} characters`)
    expect(warnings[0]).toContain('using vocab.json and merges.txt instead')
  })

  it('is an error with file and length when there is nothing to fall back to', async () => {
    const json = (await smallFiles())['tokenizer.json'].slice(0, 1000)
    const loading = loadFrom({ 'tokenizer.json': json })
    await expect(loading).rejects.toThrow(/tokenizer\.json: .*1000 characters/)
    await expect(loading).rejects.toMatchObject({ name: 'TokenizerError', file: 'tokenizer.json', kind: 'broken' })
  })

  it('does not fall back from a sound file of another model', async () => {
    const json = '{"model": {"type": "WordPiece", "vocab": {}}}'
    await expect(loadFrom({ ...(await smallFiles()), 'tokenizer.json': json })).rejects.toMatchObject({
      kind: 'unsupported',
    })
  })
})

describe('special_tokens_map.json', () => {
  it('wins over tokenizer_config.json', async () => {
    const tokenizer = await loadFrom({
      ...(await smallFiles()),
      'special_tokens_map.json': '{"bos_token": "[CLS]", "eos_token": {"content": "</s>", "lstrip": false}}',
      'tokenizer_config.json':
        '{"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "[MASK]", "model_max_length": 2048}',
    })
    expect([tokenizer.bos, tokenizer.eos, tokenizer.pad, tokenizer.unk]).toEqual(['[CLS]', '</s>', '[MASK]', undefined])
    expect(tokenizer.modelMaxLength).toBe(2048)
  })

  it('may name a token that does not exist: the role stays empty, with a warning', async () => {
    const warnings: string[] = []
    const files = {
      ...(await bareFiles()),
      'special_tokens_map.json': '{"unk_token": "[UNK]", "pad_token": "<|endoftext|>"}',
    }
    const tokenizer = await loadFrom(files, warnings)
    expect([tokenizer.unk, tokenizer.pad]).toEqual([undefined, '<|endoftext|>'])
    expect(warnings.join()).toContain('unk is "[UNK]"')
  })
})

describe('vocab.json with merges.txt', () => {
  it('takes special tokens from special_tokens.txt, after the vocabulary', async () => {
    const tokenizer = await loadFrom({
      ...(await bareFiles()),
      'special_tokens.txt': SPECIAL.join('\n'),
      'special_tokens_map.json': '{"pad_token":"<|endoftext|>"}',
    })
    expect(tokenizer.encode(TEXT)).toEqual(await wanted())
    expect([...tokenizer.specialTokens.keys()]).toEqual(['<|endoftext|>', ...SPECIAL])
  })

  it('takes special tokens from added_tokens.json', async () => {
    const added = Object.fromEntries(SPECIAL.map((token, k) => [token, 592 + k]))
    const tokenizer = await loadFrom({ ...(await bareFiles()), 'added_tokens.json': JSON.stringify(added) })
    expect(tokenizer.encode(TEXT)).toEqual(await wanted())
  })

  it('skips only the first line: merges that begin with # are merges', async () => {
    const vocab = { '!': 1, '#': 0, '##': 2, a: 3, '#!': 4 }
    for (const merges of [
      '#version: 0.2\n# #\n# !\n',
      '#version: 0.2 - of something\r\n# #\r\n# !\r\n',
      '# #\n# !',
      '\ufeff# comment\n# #\n# !\n',
    ]) {
      const tokenizer = await loadFrom({ 'vocab.json': JSON.stringify(vocab), 'merges.txt': merges })
      expect(tokenizer.encode('###!'), JSON.stringify(merges)).toEqual([2, 4])
    }
  })

  it('leaves out bytes without a token, or makes them the unknown token, and says so', async () => {
    const vocab = '{"a": 0, "b": 1, "ab": 2, "?": 3}'
    const warnings: string[] = []
    const without = await loadFrom({ 'vocab.json': vocab, 'merges.txt': '#version\na b\n' }, warnings)
    expect(without.encode('xabxaxb')).toEqual([2, 2])
    expect(warnings.join()).toContain('253 of the 256 bytes')
    const files = {
      'vocab.json': vocab,
      'merges.txt': '#version\na b\n',
      'special_tokens_map.json': '{"unk_token": "?"}',
    }
    const withUnknown = await loadFrom(files)
    expect(withUnknown.encode('xabé')).toEqual([3, 2, 3, 3])
    expect(withUnknown.encodeWithOffsets('xabé')).toMatchObject({ starts: [0, 1, 3, 3], ends: [1, 3, 4, 4] })
  })

  it.each([
    ['merges.txt', 'a b c', /line 2 must be two tokens/],
    ['merges.txt', 'ab', /line 2 must be two tokens/],
    ['merges.txt', 'a  b', /line 2/],
    ['merges.txt', 'q q\nQ Z', /needs the token "(Q|Z|qq)"/],
    ['vocab.json', '{"a": 0, "b": 0}', /one id of its own/],
    ['vocab.json', '{"a": -1}', /integer from 0/],
    ['vocab.json', '{"a": 1e9}', /integer from 0/],
    ['vocab.json', '{"a": "0"}', /integer from 0/],
    ['vocab.json', '[]', /JSON object/],
    ['vocab.json', '{"a', /must be JSON/],
    ['added_tokens.json', '{"x": "y"}', /must be an integer/],
    ['tokenizer_config.json', '{"bos_token": 5}', /bos_token must be a string/],
    ['special_tokens_map.json', '5', /JSON object/],
  ])('names a broken %s: %s', async (file, text, message) => {
    const content = file === 'merges.txt' ? `#version: 0.2\n${text}\n` : text
    const loading = loadFrom({ ...(await bareFiles()), [file]: content })
    await expect(loading).rejects.toThrow(TokenizerError)
    await expect(loading).rejects.toThrow(message)
  })

  it('knows the published vocabulary without its special tokens by its size', async () => {
    const merges = Array.from({ length: 99_743 }, (_, k) => chainedMerge(k))
    const warnings: string[] = []
    const tokenizer = await loadFrom({ 'merges.txt': `#version: 0.2\n${merges.join('\n')}\n` }, warnings)
    expect(tokenizer.vocabSize).toBe(100_008)
    expect(tokenizer.tokenToId('</s>')).toBe(100_007)
    expect(warnings.join('\n')).toContain('eight special tokens')
  })
})

/** Merges that make 99,743 different tokens: every pair of bytes, then pairs with a third. */
function chainedMerge(k: number): string {
  const alphabet = Array.from({ length: 94 }, (_, c) => String.fromCharCode(33 + c))
  if (k < 94 * 94) return `${alphabet[Math.floor(k / 94)]} ${alphabet[k % 94]}`
  const rest = k - 94 * 94
  return `${alphabet[Math.floor(rest / 8836)]}${alphabet[Math.floor(rest / 94) % 94]} ${alphabet[rest % 94]}`
}

describe('tokenizer.json', () => {
  it('may have merges as strings, another pattern, digits one by one, and a normaliser', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    json.model.merges = json.model.merges.map((merge: string[]) => merge.join(' '))
    json.normalizer = { type: 'NFC' }
    json.pre_tokenizer = {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: '\\p{N}{1,3}|\\p{L}+|[^\\p{L}\\p{N}]+' },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'Digits', individual_digits: true },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ],
    }
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    expect(tokenizer.encode('12').length).toBe(2)
    expect(tokenizer.decode(tokenizer.encode('e\u0301 the'))).toBe('é the')
    const { starts, ends, ids } = tokenizer.encodeWithOffsets('e\u0301a')
    expect(ids.map((_, k) => [starts[k], ends[k]])).toEqual([...ids.slice(1).map(() => [0, 2]), [2, 3]])
  })

  it('may put a blank before the text', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    json.pre_tokenizer.add_prefix_space = true
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    const plain = (await smallBpe()).tokenizer()
    expect(tokenizer.encode('the model')).toEqual(plain.encode(' the model'))
    expect(tokenizer.encode(' the model')).toEqual(plain.encode(' the model'))
    const { starts, ends } = tokenizer.encodeWithOffsets('the model')
    expect([starts[0], ends.at(-1)]).toEqual([0, 9])
  })

  it('may make whole pieces tokens whatever the merges say', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    json.model.vocab['xyz'] = 900
    json.model.ignore_merges = true
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    expect(tokenizer.encode('xyz')).toEqual([900])
    expect(tokenizer.encode('xyzx')).not.toContain(900)
  })

  it.each([
    [{ model: { type: 'BPE', vocab: {}, merges: [], end_of_word_suffix: '</w>' } }, /end_of_word_suffix/],
    [{ model: { type: 'BPE', vocab: {}, merges: [] } }, /without a ByteLevel/],
    [
      {
        model: { type: 'BPE', vocab: {}, merges: [] },
        pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'ByteLevel' }, { type: 'Bert' }] },
      },
      /"Bert"/,
    ],
    [
      {
        model: { type: 'BPE', vocab: {}, merges: [] },
        pre_tokenizer: { type: 'ByteLevel' },
        normalizer: { type: 'Magic' },
      },
      /normalizer of type "Magic"/,
    ],
    [
      {
        model: { type: 'BPE', vocab: {}, merges: [] },
        pre_tokenizer: { type: 'ByteLevel' },
        post_processor: { type: 'Magic' },
      },
      /post_processor of type "Magic"/,
    ],
  ])('of a model that is not here is refused by name: %j', async (json, message) => {
    const loading = loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toMatchObject({ name: 'TokenizerError', kind: 'unsupported' })
  })

  it('whose post-processor adds an id without a token is broken', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    json.post_processor = { type: 'BertProcessing', cls: ['[CLS]', 598], sep: ['[SEP]', 600] }
    await expect(loadFrom({ 'tokenizer.json': JSON.stringify(json) })).rejects.toThrow(/adds id 600/)
    json.post_processor.sep[1] = 599
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) })
    expect(tokenizer.encode('', { addSpecial: true })).toEqual([598, 599])
  })

  it('that asks for truncation is warned of, and nothing is cut', async () => {
    const json = JSON.parse((await smallFiles())['tokenizer.json'])
    json.truncation = { max_length: 2, strategy: 'LongestFirst', stride: 0, direction: 'Right' }
    const warnings: string[] = []
    const tokenizer = await loadFrom({ 'tokenizer.json': JSON.stringify(json) }, warnings)
    expect(tokenizer.encode(TEXT)).toEqual(await wanted())
    expect(warnings.join()).toContain('truncation')
  })
})

describe('GGUF metadata', () => {
  async function metadata(): Promise<Map<string, unknown>> {
    const tokenizer = (await smallBpe()).tokenizer()
    const tokens = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.idToToken(id) ?? '')
    const merges = (await smallFiles())['merges.txt'].split('\n').slice(1, -1)
    return new Map<string, unknown>([
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', 'gpt-2'],
      ['tokenizer.ggml.tokens', tokens],
      ['tokenizer.ggml.merges', merges],
      ['tokenizer.ggml.token_type', Int32Array.from(tokens, (token) => (tokenizer.specialTokens.has(token) ? 3 : 1))],
      ['tokenizer.ggml.bos_token_id', 598],
      ['tokenizer.ggml.eos_token_id', 599],
      ['tokenizer.ggml.padding_token_id', 0],
    ])
  }

  it('give the same tokenizer, as a map, as an object, and taken apart', async () => {
    const map = await metadata()
    const apart = {
      tokens: map.get('tokenizer.ggml.tokens') as string[],
      merges: map.get('tokenizer.ggml.merges') as string[],
    }
    for (const source of [map, Object.fromEntries(map), { ...apart, eos: '</s>' }]) {
      const tokenizer = tokenizerFromGguf(source)
      expect(tokenizer.encode(TEXT)).toEqual(await wanted())
      expect(tokenizer.eos).toBe('</s>')
      expect([...tokenizer.specialTokens.keys()]).toEqual(['<|endoftext|>', ...SPECIAL])
    }
  })

  it('of old conversions of Aquila get their special tokens, with a warning', () => {
    const merges = Array.from({ length: 99_743 }, (_, k) => chainedMerge(k))
    const bytes = Array.from({ length: 256 }, (_, k) => String.fromCharCode(k < 94 ? 33 + k : 0x2000 + k))
    const tokens = ['<|endoftext|>', ...bytes, ...merges.map((merge) => merge.replace(' ', ''))]
    const warnings: string[] = []
    const tokenizer = tokenizerFromGguf({ tokens, merges }, { onWarning: (message) => warnings.push(message) })
    expect([tokenizer.vocabSize, tokenizer.bos, tokenizer.eos]).toEqual([100_008, '[CLS]', '</s>'])
    expect(warnings.length).toBe(1)
  })

  it.each([
    ['tokenizer.ggml.model', 'llama', /must be "gpt2"/],
    ['tokenizer.ggml.model', undefined, /must be "gpt2"/],
    ['tokenizer.ggml.pre', 'llama-bpe', /tokenizer\.ggml\.pre/],
    ['tokenizer.ggml.tokens', [1, 2], /list of strings/],
    ['tokenizer.ggml.merges', 'a b', /list of strings/],
    ['tokenizer.ggml.merges', ['a'], /two tokens/],
    ['tokenizer.ggml.token_type', [1], /600 numbers/],
    ['tokenizer.ggml.eos_token_id', 600, /id of one of 600 tokens/],
  ])('with a wrong %s (%j) are refused', async (key, value, message) => {
    const map = await metadata()
    map.set(key, value)
    expect(() => tokenizerFromGguf(map)).toThrow(TokenizerError)
    expect(() => tokenizerFromGguf(map)).toThrow(message)
  })
})

describe('loading', () => {
  it.each([[undefined], [null], ['./folder'], [{}]])('refuses %j as files', async (files) => {
    await expect(loadTokenizer(files as never)).rejects.toThrow(/readText/)
  })

  it('says what is missing in an empty folder', async () => {
    await expect(loadFrom({})).rejects.toThrow(/tokenizer\.json, or a vocab\.json/)
  })

  it('refuses options that it does not have', async () => {
    await expect(loadTokenizer({ readText: async () => undefined }, { warn: true } as never)).rejects.toThrow(
      /no option "warn"/,
    )
  })

  it('passes on the errors of the folder', async () => {
    const error = new Error('disk on fire')
    await expect(loadTokenizer({ readText: () => Promise.reject(error) })).rejects.toBe(error)
  })
})
