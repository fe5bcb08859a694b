/** What a tokenizer is to everybody else. */

/** How a text becomes ids. */
export interface EncodeOptions {
  /**
   * Whether special tokens that are spelt out in the text count as such; default true. With false they are ordinary text, as text of
   * users should be.
   */
  readonly allowSpecial?: boolean
  /** Adds what the files' post-processor puts at both ends (`[CLS]`, `<s>` …); default false. Aquila's files have none. */
  readonly addSpecial?: boolean
}

/** How ids become text. */
export interface DecodeOptions {
  /** Leaves special tokens out; default false. */
  readonly skipSpecial?: boolean
  /** Removes blanks before punctuation and contractions, which also rewrites code; default: as the tokenizer's files say. */
  readonly cleanUp?: boolean
}

/** Ids with their places. */
export interface Encoding {
  readonly ids: number[]
  /** First UTF-16 unit of each token in the text. A token of some bytes of a character has the whole character. */
  readonly starts: number[]
  /** The unit after each token. */
  readonly ends: number[]
}

/** A part of a prompt: what the template says, or what somebody else said. */
export interface Span {
  readonly text: string
  /** Special tokens count only in template spans. */
  readonly template: boolean
}

/** Text that arrives id by id. */
export interface TokenStream {
  /**
   * The text that an id completes; never a part of a character.
   * @throws TokenizerError when no token has the id
   */
  push(id: number): string
  /** What is left: U+FFFD for each incomplete character. The stream can then be used again. */
  end(): string
}

/**
 * Text to ids and back. Nothing is ever truncated, and nothing is added at the ends unless asked for.
 * Every method throws {@link TokenizerError} for arguments of wrong types and ids that no token has.
 */
export interface Tokenizer {
  /** Largest id + 1. */
  readonly vocabSize: number
  /** Ids of the special tokens by their text, in the order of ids. */
  readonly specialTokens: ReadonlyMap<string, number>
  /** The token that begins a sequence, if the files name one; likewise the others. `special_tokens_map.json` wins over `tokenizer_config.json`. */
  readonly bos?: string
  readonly eos?: string
  readonly pad?: string
  readonly unk?: string
  /** `model_max_length` of the files, for information: it is often stale, and no text is cut. */
  readonly modelMaxLength?: number
  encode(text: string, options?: EncodeOptions): number[]
  /** The same ids as {@link Tokenizer.encode} in one typed array: the form for long texts. */
  encodeToArray(text: string, options?: EncodeOptions): Int32Array<ArrayBuffer>
  encodeWithOffsets(text: string, options?: EncodeOptions): Encoding
  /**
   * One tokenisation of all spans joined: tokens may reach over the border of two spans, but special tokens are found only inside
   * of template spans that follow each other. Offsets are into the joined text.
   */
  encodeSpans(spans: readonly Span[]): Encoding
  decode(ids: Iterable<number>, options?: DecodeOptions): string
  /** Decodes id by id. Texts of a stream are never cleaned up. */
  stream(options?: { readonly skipSpecial?: boolean }): TokenStream
  /** The token as the vocabulary file spells it. */
  idToToken(id: number): string | undefined
  tokenToId(token: string): number | undefined
}
