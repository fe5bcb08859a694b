/** A tokenizer around a model of subwords: added tokens, normalisation, options, places, decoding. */
import { AddedTokenFinder, type AddedToken } from './addedTokens.js'
import { cleanUpSpaces } from './cleanUp.js'
import { Detokenizer, type TokenTexts } from './detokenizer.js'
import { requireFlags, requireText, shown, TokenizerError } from './errors.js'
import { IdSink, plain } from './idSink.js'
import { type Normalizer } from './normalization.js'
import {
  type DecodeOptions,
  type EncodeOptions,
  type Encoding,
  type Span,
  type Tokenizer,
  type TokenStream,
} from './tokenizer.js'
import { type Vocabulary } from './vocabulary.js'

/** Encodes text without added tokens. */
export interface SubwordModel {
  /**
   * Puts the ids of text[from, to) into `out`.
   * @param first whether nothing stands before this part
   */
  encode(text: string, from: number, to: number, out: IdSink, first: boolean): void
}

/** The tokens with a role, as text. */
export interface Roles {
  readonly bos?: string
  readonly eos?: string
  readonly pad?: string
  readonly unk?: string
}

/** Everything that a tokenizer is made of. */
export interface TokenizerParts {
  readonly vocabulary: Vocabulary
  readonly added: readonly AddedToken[]
  readonly texts: TokenTexts
  readonly model: SubwordModel
  readonly normalizer?: Normalizer
  readonly roles: Roles
  readonly cleanUp: boolean
  readonly modelMaxLength?: number
  /** What `addSpecial` puts before and after a text. */
  readonly frame?: { readonly before: readonly number[]; readonly after: readonly number[] }
}

/** Whether an added token counts at a place. */
type Counts = (token: AddedToken, from: number, to: number) => boolean

const always: Counts = () => true
const ordinaryOnly: Counts = (token) => !token.special
const ENCODE_OPTIONS = ['allowSpecial', 'addSpecial']
/** Ids for which memory is kept. */
const MOST_KEPT = 1 << 18

/** See {@link Tokenizer}. */
export class SubwordTokenizer implements Tokenizer {
  readonly vocabSize: number
  readonly specialTokens: ReadonlyMap<string, number>
  readonly bos?: string
  readonly eos?: string
  readonly pad?: string
  readonly unk?: string
  readonly modelMaxLength?: number
  readonly #vocabulary: Vocabulary
  readonly #model: SubwordModel
  readonly #normalizer: Normalizer | undefined
  readonly #raw: AddedTokenFinder
  readonly #normalized: AddedTokenFinder
  readonly #detokenizer: Detokenizer
  readonly #cleanUp: boolean
  readonly #frame: { readonly before: readonly number[]; readonly after: readonly number[] }
  /** Used again by every call, unless a text was very long. */
  #sink = new IdSink(false)

  constructor(parts: TokenizerParts) {
    const { vocabulary, added, normalizer } = parts
    this.vocabSize = vocabulary.size
    this.specialTokens = new Map(
      added
        .filter((token) => token.special)
        .sort((a, b) => a.id - b.id)
        .map(({ content, id }) => [content, id]),
    )
    this.bos = parts.roles.bos
    this.eos = parts.roles.eos
    this.pad = parts.roles.pad
    this.unk = parts.roles.unk
    this.modelMaxLength = parts.modelMaxLength
    this.#vocabulary = vocabulary
    this.#model = parts.model
    this.#normalizer = normalizer
    this.#raw = new AddedTokenFinder(added.filter((token) => !token.normalized))
    const later = added.filter((token) => token.normalized)
    this.#normalized = new AddedTokenFinder(
      later.map((token) => ({ ...token, content: normalizer?.normalize(token.content).text ?? token.content })),
    )
    this.#detokenizer = new Detokenizer(parts.texts)
    this.#cleanUp = parts.cleanUp
    this.#frame = parts.frame ?? { before: [], after: [] }
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const sink = this.#encodeWhole('encode', text, options, this.#sink)
    if (sink.length > MOST_KEPT) this.#sink = new IdSink(false)
    return plain(sink.ids, sink.length)
  }

  encodeToArray(text: string, options: EncodeOptions = {}): Int32Array<ArrayBuffer> {
    const sink = this.#encodeWhole('encodeToArray', text, options, this.#sink)
    if (sink.length > MOST_KEPT) this.#sink = new IdSink(false)
    return sink.ids.slice(0, sink.length)
  }

  encodeWithOffsets(text: string, options: EncodeOptions = {}): Encoding {
    return encodingOf(this.#encodeWhole('encodeWithOffsets', text, options, new IdSink(true)))
  }

  encodeSpans(spans: readonly Span[]): Encoding {
    const regions = templateRegions(spans)
    const text = spans.map((span) => span.text).join('')
    const sink = new IdSink(true)
    this.#encodeText(text, sink, (token, from, to) => !token.special || regions.contain(from, to))
    return encodingOf(sink)
  }

  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    requireFlags('decode', options, ['skipSpecial', 'cleanUp'])
    const text = this.#detokenizer.decode(ids, options.skipSpecial ?? false)
    return (options.cleanUp ?? this.#cleanUp) ? cleanUpSpaces(text) : text
  }

  stream(options: { readonly skipSpecial?: boolean } = {}): TokenStream {
    requireFlags('stream', options, ['skipSpecial'])
    return this.#detokenizer.stream(options.skipSpecial ?? false)
  }

  idToToken(id: number): string | undefined {
    return typeof id === 'number' ? this.#vocabulary.tokens[id] : undefined
  }

  tokenToId(token: string): number | undefined {
    return this.#vocabulary.ids.get(token)
  }

  #encodeWhole(place: string, text: string, options: EncodeOptions, sink: IdSink): IdSink {
    requireText(place, text)
    requireFlags(place, options, ENCODE_OPTIONS)
    sink.clear()
    const framed = options.addSpecial === true
    if (framed) for (const id of this.#frame.before) sink.push(id, 0, 0)
    this.#encodeText(text, sink, (options.allowSpecial ?? true) ? always : ordinaryOnly)
    if (framed) for (const id of this.#frame.after) sink.push(id, text.length, text.length)
    return sink
  }

  /** Added tokens cut the text into sections, and nothing reaches over them. */
  #encodeText(text: string, out: IdSink, counts: Counts): void {
    let at = 0
    while (at < text.length) {
      const match = this.#raw.find(text, at, text.length, counts)
      const end = match?.from ?? text.length
      if (end > at) this.#encodeSection(text, at, end, out, counts)
      if (match === undefined) return
      out.push(match.token.id, match.from, match.to)
      at = match.to
    }
  }

  /** A part without raw added tokens: normalised, then cut by the tokens that are looked for in normalised text. */
  #encodeSection(text: string, from: number, to: number, out: IdSink, counts: Counts): void {
    if (this.#normalizer === undefined) return this.#encodeNormalized(text, from, to, out, counts, from === 0)
    const first = out.length
    const normal = this.#normalizer.normalize(text.slice(from, to))
    const here: Counts = (token, start, end) => counts(token, from + normal.start(start), from + normal.end(end))
    this.#encodeNormalized(normal.text, 0, normal.text.length, out, here, from === 0)
    out.remap(
      first,
      (at) => from + normal.start(at),
      (at) => from + normal.end(at),
    )
  }

  #encodeNormalized(text: string, from: number, to: number, out: IdSink, counts: Counts, first: boolean): void {
    let at = from
    while (at < to) {
      const match = this.#normalized.find(text, at, to, counts)
      const end = match?.from ?? to
      if (end > at) this.#model.encode(text, at, end, out, first && at === from)
      if (match === undefined) return
      out.push(match.token.id, match.from, match.to)
      at = match.to
    }
  }
}

function encodingOf({ ids, starts, ends, length }: IdSink): Encoding {
  return { ids: plain(ids, length), starts: plain(starts, length), ends: plain(ends, length) }
}

/** Runs of template spans in the joined text. A content span ends a run even when it is empty, so that no content can complete a token. */
function templateRegions(spans: readonly Span[]): { contain(from: number, to: number): boolean } {
  if (!Array.isArray(spans))
    throw new TokenizerError(`encodeSpans: spans must be an array of { text, template }, got ${shown(spans)}`)
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  let open = false
  for (const [k, span] of (spans as readonly Partial<Span>[]).entries()) {
    if (typeof span?.text !== 'string' || typeof span.template !== 'boolean')
      throw new TokenizerError(
        `encodeSpans: every span must have a string text and a boolean template, got ${shown(span?.text)} and ${shown(span?.template)} in span ${k}`,
      )
    if (span.template) {
      if (!open) starts.push(at)
      ends[starts.length - 1] = at + span.text.length
    }
    open = span.template
    at += span.text.length
  }
  return { contain: (from, to) => liesWithin(starts, ends, from, to) }
}

/** Whether one of the regions, which are in order, contains a part of the text. */
function liesWithin(starts: readonly number[], ends: readonly number[], from: number, to: number): boolean {
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (starts[middle] <= from) low = middle + 1
    else high = middle
  }
  // Regions may share a border when a content span between them is empty: then the later one begins at `from`.
  return low > 0 && to <= ends[low - 1]
}
