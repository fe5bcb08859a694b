import { describe, expect, it } from 'vitest'
import { GPT2_PATTERN, nextPiece } from '../src/gpt2Split.js'
import { below, randomSource, randomText } from './random.js'

function pieces(text: string): string[] {
  const found: string[] = []
  for (let at = 0; at < text.length;) {
    const end = nextPiece(text, at, text.length)
    found.push(text.slice(at, end))
    at = end
  }
  return found
}

describe('the hand-written splitter', () => {
  it('cuts as the pattern of GPT-2 does, on random texts of odd characters', () => {
    const random = randomSource(11)
    for (let round = 0; round < 20_000; round++) {
      const text = randomText(random, below(random, 14))
      expect(pieces(text), JSON.stringify(text)).toEqual(text.match(GPT2_PATTERN) ?? [])
    }
  })

  it('knows every character as the engine does', () => {
    for (let code = 0; code < 0x30000; code++) {
      const text = `a${String.fromCodePoint(code)} b`
      const want = text.match(GPT2_PATTERN) ?? []
      if (pieces(text).join('|') !== want.join('|')) expect.fail(`U+${code.toString(16)}`)
    }
  })

  it('takes U+0085 for white space and U+FEFF for none', () => {
    expect(pieces('a\u0085b')).toEqual(['a', '\u0085', 'b'])
    expect(pieces('a \ufeffb')).toEqual(['a', ' \ufeff', 'b'])
  })

  it('leaves the last blank of a run to the word after it', () => {
    expect(pieces('a   b\n\n\nc  ')).toEqual(['a', '  ', ' b', '\n\n', '\n', 'c', '  '])
  })

  it('sees nothing behind its limit', () => {
    expect(nextPiece('a  b', 1, 3)).toBe(3)
    expect(nextPiece("a'll", 1, 3)).toBe(2)
    expect(nextPiece('𠮷', 0, 1)).toBe(1)
  })
})
