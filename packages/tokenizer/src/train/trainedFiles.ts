/** The files of a trained tokenizer, as Hugging Face's libraries write and read them. */

/** What the files say. */
export interface Trained {
  /** Tokens of the model by id, without the special ones after it. */
  readonly tokens: readonly string[]
  readonly merges: readonly (readonly [left: string, right: string])[]
  /** Text and id of the special tokens. */
  readonly special: readonly (readonly [content: string, id: number])[]
  readonly roles: Readonly<Record<'bos' | 'eos' | 'pad' | 'unk', string>>
  readonly modelMaxLength: number | undefined
}

/** Texts of the files by name. */
export function trainedFiles(trained: Trained): Record<string, string> {
  const vocab = Object.fromEntries(trained.tokens.map((token, id) => [token, id]))
  const merges = trained.merges.map((pair) => pair.join(' '))
  const roles = Object.fromEntries(Object.entries(trained.roles).map(([role, token]) => [`${role}_token`, token]))
  return {
    'tokenizer.json': pretty(tokenizerJson(trained, vocab)),
    'vocab.json': `${JSON.stringify(vocab)}\n`,
    'merges.txt': ['#version: 0.2', ...merges, ''].join('\n'),
    'special_tokens_map.json': pretty(roles),
    'tokenizer_config.json': pretty({
      add_prefix_space: false,
      added_tokens_decoder: Object.fromEntries(trained.special.map(([content, id]) => [id, { content, ...FLAGS }])),
      ...roles,
      clean_up_tokenization_spaces: false,
      ...(trained.modelMaxLength === undefined ? {} : { model_max_length: trained.modelMaxLength }),
      padding_side: 'right',
      tokenizer_class: 'PreTrainedTokenizerFast',
    }),
  }
}

const FLAGS = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }

function tokenizerJson({ merges, special }: Trained, vocab: Readonly<Record<string, number>>): unknown {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map(([content, id]) => ({ id, content, ...FLAGS })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  }
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
