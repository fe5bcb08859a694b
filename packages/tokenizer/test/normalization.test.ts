import { describe, expect, it } from 'vitest'
import { normalizerOf } from '../src/load/normalizers.js'
import { type Normalizer } from '../src/normalization.js'
import { below, randomSource, randomText } from './random.js'

function load(...configs: readonly Record<string, unknown>[]): Normalizer {
  const normalizer = normalizerOf({ normalizer: { type: 'Sequence', normalizers: configs } }, 'test')
  if (normalizer === undefined) throw new Error('no normaliser')
  return normalizer
}

/** Each unit of the normalised text with what it was made of. */
function origins(normalizer: Normalizer, text: string): [string, string][] {
  const normal = normalizer.normalize(text)
  return Array.from({ length: normal.text.length }, (_, k) => [
    normal.text[k],
    text.slice(normal.start(k), normal.end(k + 1)),
  ])
}

const CHARACTERS = [
  ...'abAB  éÅﬁ①ｱﾞ한글각',
  '\u0301',
  '\u0327',
  '\u1112',
  '\u1161',
  '\u11ab',
  'Ǆ',
  '👍',
  '\ud83d',
  '\n',
  'İ',
  'ﷺ',
]

describe('normalisation leads back', () => {
  it('through compositions, decompositions and compatibility forms', () => {
    expect(origins(load({ type: 'NFC' }), 'ae\u0301b')).toEqual([
      ['a', 'a'],
      ['é', 'e\u0301'],
      ['b', 'b'],
    ])
    expect(origins(load({ type: 'NFKC' }), 'ﬁx①')).toEqual([
      ['f', 'ﬁ'],
      ['i', 'ﬁ'],
      ['x', 'x'],
      ['1', '①'],
    ])
    expect(origins(load({ type: 'NFC' }), '\u1112\u1161\u11ab.')).toEqual([
      ['한', '\u1112\u1161\u11ab'],
      ['.', '.'],
    ])
  })

  it('through replacements, also where they take several characters', () => {
    const blanks = load(
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    )
    expect(origins(blanks, 'a   b c')).toEqual([
      ['a', 'a'],
      ['▁', '   '],
      ['b', 'b'],
      ['▁', ' '],
      ['c', 'c'],
    ])
    const dollars = load({ type: 'Replace', pattern: { String: 'x' }, content: '$&' })
    expect(dollars.normalize('axb').text).toBe('a$&b')
  })

  it('through what is put before and taken off the ends', () => {
    const steps = load({ type: 'Strip', strip_left: true, strip_right: true }, { type: 'Prepend', prepend: '▁' })
    expect(origins(steps, ' \u0085ab\u3000')).toEqual([
      ['▁', ''],
      ['a', 'a'],
      ['b', 'b'],
    ])
    expect(steps.normalize(' \n ').text).toBe('')
  })

  it('in order and within the text, on random texts', () => {
    const random = randomSource(61)
    const normalizers = [
      load({ type: 'NFC' }),
      load({ type: 'NFKD' }, { type: 'Lowercase' }, { type: 'StripAccents' }),
      load({
        type: 'BertNormalizer',
        clean_text: true,
        lowercase: true,
        strip_accents: true,
        handle_chinese_chars: true,
      }),
      load(
        { type: 'Strip', strip_left: true, strip_right: true },
        { type: 'NFKC' },
        { type: 'Replace', pattern: { Regex: '[ab]+' }, content: 'xyz' },
      ),
    ]
    for (let round = 0; round < 1000; round++) {
      const text = randomText(random, below(random, 12), CHARACTERS)
      for (const normalizer of normalizers) {
        const normal = normalizer.normalize(text)
        for (let at = 0, start = 0, end = 0; at < normal.text.length; at++) {
          expect(normal.start(at)).toBeGreaterThanOrEqual(start)
          expect(normal.end(at + 1)).toBeGreaterThanOrEqual(Math.max(end, normal.start(at)))
          start = normal.start(at)
          end = normal.end(at + 1)
        }
        expect(normal.end(normal.text.length)).toBeLessThanOrEqual(text.length)
      }
    }
  })
})
