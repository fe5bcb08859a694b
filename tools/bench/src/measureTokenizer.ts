/** What every tokenizer of the bench does: the same vocabulary, the same texts, the same clock. */
import { trainBpe } from '@tarazed/tokenizer'
import type { Measurements } from './bench.js'
import {
  decodeCase,
  encodeAgain,
  encodeNew,
  LANGUAGES,
  TEXT_LENGTH,
  TOKENS,
  VOCABULARY,
  type Language,
} from './benches/tokenizer.js'
import { measureCases } from './measureCases.js'
import { syntheticTexts } from './syntheticText.js'
import { bestMilliseconds, roundsWithin } from './timing.js'

/** An engine's tokenizer. */
export interface BenchTokenizer {
  encode(text: string): number[]
  decode(ids: number[]): string
}

/** Opens an engine's tokenizer from the texts of tokenizer.json and tokenizer_config.json. */
export type OpenTokenizer = (json: string, config: string) => Promise<BenchTokenizer> | BenchTokenizer

/** Characters of each language that the vocabulary is trained on. */
const TRAINING_LENGTH = 1 << 20
const TRAINING_SEED = 2
const BUDGET_MS = 1500

/** Files of the vocabulary: trained anew in every process, always the same. */
export async function benchVocabulary(size = VOCABULARY, length = TRAINING_LENGTH): Promise<Record<string, string>> {
  const texts = LANGUAGES.map((language) => syntheticTexts(language, length, TRAINING_SEED).next().value)
  return (await trainBpe(texts, { vocabSize: size })).files()
}

export async function measureTokenizer(open: OpenTokenizer): Promise<Measurements> {
  const files = await benchVocabulary()
  const tokenizer = await open(files['tokenizer.json'], files['tokenizer_config.json'])
  return measureCases([
    [TOKENS, async () => countTokens(tokenizer)],
    ...LANGUAGES.flatMap((language): (readonly [string, () => Promise<number>])[] => [
      [encodeNew(language), () => newText(tokenizer, language)],
      [encodeAgain(language), () => sameText(tokenizer, language)],
      [decodeCase(language), () => decoded(tokenizer, language)],
    ]),
  ])
}

const megabytes = (text: string): number => Buffer.byteLength(text) / 1e6

function countTokens(tokenizer: BenchTokenizer): number {
  const texts = LANGUAGES.map((language) => syntheticTexts(language, TEXT_LENGTH, 3).next().value)
  return texts.reduce((sum, text) => sum + tokenizer.encode(text).length, 0)
}

/** Every round has a text of its own: what helps is only what earlier texts have in common with it. */
async function newText(tokenizer: BenchTokenizer, language: Language): Promise<number> {
  const texts = syntheticTexts(language, TEXT_LENGTH, 4)
  let best = 0
  roundsWithin(BUDGET_MS, 5, () => {
    const text = texts.next().value
    const size = megabytes(text)
    const start = performance.now()
    tokenizer.encode(text)
    const ms = performance.now() - start
    best = Math.max(best, (1000 * size) / ms)
    return ms
  })
  return best
}

async function sameText(tokenizer: BenchTokenizer, language: Language): Promise<number> {
  const text = syntheticTexts(language, TEXT_LENGTH, 5).next().value
  return (1000 * megabytes(text)) / (await bestMilliseconds(() => tokenizer.encode(text), BUDGET_MS))
}

async function decoded(tokenizer: BenchTokenizer, language: Language): Promise<number> {
  const text = syntheticTexts(language, TEXT_LENGTH, 6).next().value
  const ids = tokenizer.encode(text)
  if (tokenizer.decode(ids) !== text) throw new Error('the text does not come back')
  return (1000 * megabytes(text)) / (await bestMilliseconds(() => tokenizer.decode(ids), BUDGET_MS))
}
