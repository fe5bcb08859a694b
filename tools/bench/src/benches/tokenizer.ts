/** Tokenizers: megabytes of UTF-8 per second, English and Chinese, against the JavaScript tokenizers of Hugging Face. */
import { atLeast, within, type Engine, type RowSpec } from '../bench.js'

const OURS: Engine = { name: 'tarazed tokenizer', module: 'tarazed', options: {}, measure: 'tokenizer' }
const TOKENIZERS: Engine = { name: '@huggingface/tokenizers', module: 'tokenizers', options: {}, measure: 'tokenizer' }
const TRANSFORMERS: Engine = { name: 'transformers.js', module: 'transformers', options: {}, measure: 'tokenizer' }

/** Texts of one language each; both kinds of rows are made for each. */
export const LANGUAGES = ['English', 'Chinese'] as const
export type Language = (typeof LANGUAGES)[number]

/** Names of measurements. */
export const TOKENS = 'tokens of the same text'
export const encodeNew = (language: Language): string => `encode ${language}, new text`
export const encodeAgain = (language: Language): string => `encode ${language}, the same again`
export const decodeCase = (language: Language): string => `decode ${language}`

/** Tokens of the vocabulary that every engine loads. */
export const VOCABULARY = 16_000
/** Characters of one text: one call. */
export const TEXT_LENGTH = 1 << 16

const rate = (name: string): RowSpec => ({
  case: name,
  unit: 'MB/s',
  better: 'higher',
  ours: OURS,
  peers: [TOKENIZERS, TRANSFORMERS],
  bars: [atLeast(1)],
})

export const tokenizerRows: readonly RowSpec[] = [
  {
    case: TOKENS,
    unit: '',
    better: 'lower',
    ours: OURS,
    peers: [TOKENIZERS, TRANSFORMERS],
    bars: [within(0, TOKENIZERS.name, TRANSFORMERS.name)],
  },
  ...LANGUAGES.map((language) => rate(encodeNew(language))),
  ...LANGUAGES.map((language) => rate(encodeAgain(language))),
  ...LANGUAGES.map((language) => rate(decodeCase(language))),
]
