import { describe, expect, it } from 'vitest'
import { BYTE_TO_CHARACTER } from '../src/byteAlphabet.js'
import { below, randomSource, randomText, wellFormed } from './random.js'
import { bilingualText, loadFrom, smallBpe, smallFiles } from './small.js'

async function small() {
  return (await smallBpe()).tokenizer()
}

const utf8 = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true })

/** Ids of the tokens of single bytes. */
async function idsOfBytes(bytes: readonly number[]): Promise<number[]> {
  const tokenizer = await small()
  return bytes.map((byte) => tokenizer.tokenToId(BYTE_TO_CHARACTER[byte]) ?? -1)
}

describe('decoding', () => {
  it('gives every text back', async () => {
    const tokenizer = await small()
    const random = randomSource(7)
    for (let round = 0; round < 500; round++) {
      const text = wellFormed(randomText(random, below(random, 30)))
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    }
  })

  it('keeps a byte order mark at the beginning', async () => {
    const tokenizer = await small()
    expect(tokenizer.decode(tokenizer.encode('\ufeffthe'))).toBe('\ufeffthe')
  })

  it('reads random bytes as TextDecoder does, whole and as a stream', async () => {
    const tokenizer = await small()
    const random = randomSource(8)
    const leads = [0x41, 0x80, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe4, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x9f, 0x90]
    for (let round = 0; round < 3000; round++) {
      const bytes = Array.from({ length: below(random, 9) }, () => leads[below(random, leads.length)])
      const ids = await idsOfBytes(bytes)
      const want = utf8().decode(Uint8Array.from(bytes))
      expect(tokenizer.decode(ids)).toBe(want)
      const stream = tokenizer.stream()
      const chunks = ids.map((id) => stream.push(id))
      expect(chunks.join('') + stream.end()).toBe(want)
    }
  })

  it('leaves special tokens out when asked', async () => {
    const tokenizer = await small()
    const ids = tokenizer.encode('[CLS]the</s> model')
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('the model')
    expect(tokenizer.decode(ids)).toBe('[CLS]the</s> model')
  })

  it('cleans blanks up when the file or the caller says so', async () => {
    const text = "a , b . c ? d ! it 's do n't I 'm we 've they 're x ' y"
    const clean = "a, b. c? d! it's don't I'm we've they're x'y"
    const plain = await small()
    expect(plain.decode(plain.encode(text))).toBe(text)
    expect(plain.decode(plain.encode(text), { cleanUp: true })).toBe(clean)
    const config = JSON.stringify({ clean_up_tokenization_spaces: true })
    const cleaning = await loadFrom({ ...(await smallFiles()), 'tokenizer_config.json': config })
    expect(cleaning.decode(cleaning.encode(text))).toBe(clean)
    expect(cleaning.decode(cleaning.encode(text), { cleanUp: false })).toBe(text)
  })

  it('takes arrays, typed arrays and iterables', async () => {
    const tokenizer = await small()
    const ids = tokenizer.encode('the model 模型')
    expect(tokenizer.decode(Int32Array.from(ids))).toBe('the model 模型')
    expect(tokenizer.decode(new Set(ids))).toBe('the model 模型')
    expect(tokenizer.decode([])).toBe('')
  })
})

describe('a stream', () => {
  it('never gives a part of a character', async () => {
    const tokenizer = await small()
    const text = `${bilingualText(2, 5)}👨‍👩‍👧𠮷é\u0301`
    const stream = tokenizer.stream()
    let got = ''
    for (const id of tokenizer.encode(text)) {
      const chunk = stream.push(id)
      expect(chunk).not.toContain('\ufffd')
      expect(wellFormed(chunk)).toBe(chunk)
      got += chunk
    }
    expect(got + stream.end()).toBe(text)
  })

  it('gives what is left as U+FFFD at the end, and begins again', async () => {
    const tokenizer = await small()
    const [first, second] = await idsOfBytes([0xe4, 0xbd])
    const stream = tokenizer.stream()
    expect([stream.push(first), stream.push(second), stream.end()]).toEqual(['', '', '\ufffd'])
    expect([stream.push(tokenizer.encode('a')[0]), stream.end()]).toEqual(['a', ''])
  })

  it('skips special tokens as decode does', async () => {
    const tokenizer = await small()
    const ids = tokenizer.encode('[CLS]the</s>')
    const stream = tokenizer.stream({ skipSpecial: true })
    expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe('the')
  })
})
