/** The tokenizer classes of transformers.js. */
import { PreTrainedTokenizer } from '@huggingface/transformers'
import type { Measure } from '../../bench.js'
import { measureTokenizer, type BenchTokenizer } from '../../measureTokenizer.js'

/** The library's tokenizer, as its documentation uses it on lists of ids. */
export function openTokenizer(json: string, config: string): BenchTokenizer {
  const tokenizer = new PreTrainedTokenizer(JSON.parse(json), JSON.parse(config))
  return {
    encode: (text) => tokenizer.encode(text),
    decode: (ids) => tokenizer.decode(ids, { clean_up_tokenization_spaces: false }),
  }
}

export const measures: Readonly<Record<string, Measure>> = { tokenizer: () => measureTokenizer(openTokenizer) }
