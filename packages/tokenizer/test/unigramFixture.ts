/** A tiny unigram model as tokenizer.json has it. */

const SCORES: readonly (readonly [string, number])[] = [
  ['<unk>', 0],
  ['▁', -3],
  ['▁the', -2.5],
  ['▁mod', -4],
  ['el', -3.5],
  ['▁model', -7.2],
  ['t', -5],
  ['h', -5],
  ['e', -4.5],
  ['m', -6],
  ['o', -6],
  ['d', -6],
  ['l', -6],
  ['模型', -6],
  ['模', -7],
  ['型', -7],
  ['s', -5],
  ['th', -5.5],
]

/** The object of a file; `change` replaces fields of it. */
export function unigramJson(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  return {
    version: '1.0',
    added_tokens: [
      { id: 0, content: '<unk>', ...special },
      { id: SCORES.length, content: '</s>', ...special },
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
    },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: { type: 'Unigram', unk_id: 0, vocab: SCORES.map(([token, score]) => [token, score]), byte_fallback: false },
    ...change,
  }
}
