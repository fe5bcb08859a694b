/** The JavaScript library @huggingface/tokenizers. */
import { Tokenizer } from '@huggingface/tokenizers'
import type { Measure } from '../../bench.js'
import { measureTokenizer, type BenchTokenizer } from '../../measureTokenizer.js'

/** The library's tokenizer. */
export function openTokenizer(json: string, config: string): BenchTokenizer {
  const tokenizer = new Tokenizer(JSON.parse(json) as object, JSON.parse(config) as object)
  return {
    encode: (text) => tokenizer.encode(text).ids,
    decode: (ids) => tokenizer.decode(ids, { clean_up_tokenization_spaces: false }),
  }
}

export const measures: Readonly<Record<string, Measure>> = { tokenizer: () => measureTokenizer(openTokenizer) }
