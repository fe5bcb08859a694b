/** Text for measuring: English-like and Chinese-like halves with the frequencies of natural text, the same for the same seed. */

/** How much text. */
export interface SyntheticOptions {
  /** Bytes of UTF-8, half of them Chinese. */
  readonly bytes: number
  readonly seed?: number
}

const ONSETS = 'b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sh sl sp st str t th tr v w z'.split(
  ' ',
)
const VOWELS = 'a a a e e e i i o o u ai ea ee ie oa oo ou'.split(' ')
const CODAS = '- - - b ck d ft g k l ll m n nd ng nt p r rd s ss st t th x'
  .split(' ')
  .map((coda) => coda.replace('-', ''))
const ENDINGS = ' s ed ing er ly ness able tion'.split(' ')
const STOPS = [', ', ', ', '. ', '. ', '; ', '? ', '.\n', '.\n\n', ' (', ') ', ': ']
const ZH_STOPS = ['，', '，', '，', '。', '。', '、', '；', '：', '！', '？', '。\n', '”\n', '“']

/** Paragraphs of about a thousand characters, English and Chinese by turns. */
export function* syntheticText({ bytes, seed = 1 }: SyntheticOptions): Generator<string> {
  const random = randomSource(seed)
  const english = Array.from({ length: 400_000 }, () => englishWord(random))
  const chinese = Array.from({ length: 120_000 }, () => chineseWord(random))
  const encoder = new TextEncoder()
  const written = { english: 0, chinese: 0 }
  while (written.english + written.chinese < bytes) {
    const language = written.english <= written.chinese ? 'english' : 'chinese'
    const text = language === 'english' ? englishParagraph(random, english) : chineseParagraph(random, chinese)
    written[language] += encoder.encode(text).length
    yield text
  }
}

function englishParagraph(random: () => number, words: readonly string[]): string {
  let text = ''
  while (text.length < 1000) {
    const clause = 3 + Math.floor(random() * 9)
    for (let k = 0; k < clause; k++) {
      const word =
        random() < 0.015 ? String(Math.floor(random() ** 3 * 100_000)) : pick(words, zipf(random, words.length))
      const capital = random() < 0.08 ? word[0].toUpperCase() + word.slice(1) : word
      text += (k === 0 ? '' : ' ') + capital + (random() < 0.01 ? "'s" : '')
    }
    text += pick(STOPS, random() * STOPS.length)
  }
  return text
}

/** Clauses without blanks: nearly every one is a different piece. */
function chineseParagraph(random: () => number, words: readonly string[]): string {
  let text = ''
  while (text.length < 400) {
    const clause = 2 + Math.floor(random() * 6)
    for (let k = 0; k < clause; k++) text += pick(words, zipf(random, words.length))
    text += pick(ZH_STOPS, random() * ZH_STOPS.length)
  }
  return text
}

function englishWord(random: () => number): string {
  const syllables = 1 + Math.floor(random() ** 1.5 * 4)
  let word = ''
  for (let k = 0; k < syllables; k++)
    word +=
      pick(ONSETS, random() * ONSETS.length) +
      pick(VOWELS, random() * VOWELS.length) +
      pick(CODAS, random() * CODAS.length)
  return word + (random() < 0.4 ? pick(ENDINGS, random() * ENDINGS.length) : '')
}

/** One to four characters out of some 6,000, a few of them very common. */
function chineseWord(random: () => number): string {
  const length = 1 + Math.floor(random() ** 1.3 * 3.2)
  let word = ''
  for (let k = 0; k < length; k++) word += String.fromCharCode(0x4e00 + Math.floor(random() ** 2.2 * 6000))
  return word
}

/** A rank with a probability of about 1 / rank. */
function zipf(random: () => number, count: number): number {
  return Math.exp(random() * Math.log(count + 1)) - 1
}

function pick(list: readonly string[], at: number): string {
  return list[Math.min(list.length - 1, Math.floor(at))]
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
