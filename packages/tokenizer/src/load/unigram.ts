import { type AddedToken } from '../addedTokens.js'
import { TokenizerError } from '../errors.js'
import { type Tokenizer } from '../tokenizer.js'
import { type JsonObject } from './json.js'
import { type Settings } from './settings.js'

export interface UnigramParts {
  readonly file: string
  readonly json: JsonObject
  readonly model: JsonObject
  readonly added: readonly AddedToken[]
  readonly settings: Settings
}

export function unigramTokenizer({ file }: UnigramParts): Tokenizer {
  throw new TokenizerError(`${file}: Unigram models cannot be had yet`, { file, kind: 'unsupported' })
}
