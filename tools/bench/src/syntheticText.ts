/** Endless text with the frequencies of natural text, the same in every engine: words by Zipf's law, clauses, sentences. */
import type { Language } from './benches/tokenizer.js'

const ONSETS = 'b br c ch d f fl g h j k l m n p pr qu r s sh st t th tr v w'.split(' ')
const VOWELS = 'a a e e e i i o o u ai ea ee ou'.split(' ')
const CODAS = ['', '', '', 'ck', 'd', 'l', 'm', 'n', 'nd', 'ng', 'r', 's', 'st', 't']
const STOPS: Readonly<Record<Language, readonly string[]>> = {
  English: [', ', ', ', '. ', '. ', '; ', '? ', '.\n', ': '],
  Chinese: ['，', '，', '，', '。', '。', '、', '；', '？', '。\n'],
}
const WORDS: Readonly<Record<Language, number>> = { English: 60_000, Chinese: 40_000 }

/** Texts of so many characters, one after the other; never the same twice. */
export function* syntheticTexts(language: Language, length: number, seed = 1): Generator<string, never> {
  const random = randomSource(seed)
  const vocabulary = randomSource(7)
  const makeWord = language === 'English' ? englishWord : chineseWord
  const words = Array.from({ length: WORDS[language] }, () => makeWord(vocabulary))
  const between = language === 'English' ? ' ' : ''
  for (;;) {
    let text = ''
    while (text.length < length) {
      const clause = Array.from({ length: 2 + Math.floor(random() * 6) }, () => words[zipf(random, words.length)])
      text += clause.join(between) + pick(STOPS[language], random)
    }
    yield text.slice(0, length)
  }
}

function englishWord(random: () => number): string {
  const syllables = 1 + Math.floor(random() ** 1.5 * 4)
  return Array.from(
    { length: syllables },
    () => pick(ONSETS, random) + pick(VOWELS, random) + pick(CODAS, random),
  ).join('')
}

function chineseWord(random: () => number): string {
  const length = 1 + Math.floor(random() ** 1.3 * 3.2)
  return Array.from({ length }, () => String.fromCharCode(0x4e00 + Math.floor(random() ** 2.2 * 5000))).join('')
}

/** A rank with a probability of about 1 / rank. */
function zipf(random: () => number, count: number): number {
  return Math.min(count - 1, Math.floor(Math.exp(random() * Math.log(count + 1)) - 1))
}

function pick(list: readonly string[], random: () => number): string {
  return list[Math.floor(random() * list.length)]
}

function randomSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}
