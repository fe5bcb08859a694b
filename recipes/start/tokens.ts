/** Texts to tokens: the tokenizer of a run, and its corpus as sequences. */
import {
  type SampleSource,
  type TokenBatch,
  type ValidationSet,
  heldOutTokens,
  joinDocuments,
  packedTokens,
  tokenBatches,
} from '@tarazed/heurimentor'
import { type Tokenizer, type TrainedBpe, trainBpe } from '@tarazed/tokenizer'
import { type Corpus, type Domain, type LearnedText, bytesOf, learnedBytes, wholeOf } from './corpus.js'
import { Failure } from './failure.js'

/** Ends every document. */
export const END = '</s>'

/** Text that the tokenizer is learned from, of each domain: more changes little. */
const TOKENIZER_BYTES = 4_000_000
/** No token is longer: words of the language, not phrases of the corpus. */
const LONGEST_TOKEN_BYTES = 12

/** How much what is no answer counts, in documents with questions: half of it cannot be known, all of it must be read. */
const QUESTION_WEIGHT = 0.15

/** A byte-level BPE tokenizer in Aquila's layout, of at most `vocabulary` tokens. */
export async function learnTokenizer({ domains }: Corpus, vocabulary: number): Promise<TrainedBpe> {
  const all = domains.reduce((sum, domain) => sum + learnedBytes(domain), 0)
  const texts = domains.flatMap((domain) => firstTexts(domain, (TOKENIZER_BYTES * learnedBytes(domain)) / all))
  return trainBpe(texts, { vocabSize: vocabulary, maxTokenBytes: LONGEST_TOKEN_BYTES })
}

function firstTexts({ texts }: Domain, bytes: number): string[] {
  const taken: string[] = []
  for (const text of texts) {
    if (bytes <= 0) break
    const whole = wholeOf(text)
    taken.push(whole)
    bytes -= Buffer.byteLength(whole)
  }
  return taken
}

/** The corpus as tokens. */
export interface TokenCorpus {
  readonly data: SampleSource<TokenBatch>
  /** The beginning of every domain's held-out text: what is looked at during training. */
  readonly glimpses: readonly ValidationSet<TokenBatch>[]
  /** All of it, with half a sequence of context before everything that counts. */
  readonly heldOut: readonly ValidationSet<TokenBatch>[]
  /** Tokens to learn from. */
  readonly count: number
}

/**
 * Documents of all domains are shuffled together, so that a sequence holds several kinds of text.
 *
 * @throws Failure when all text is shorter than one sequence
 */
export function tokenCorpus(
  corpus: Corpus,
  tokenizer: Tokenizer,
  { length, rows, seed }: { readonly length: number; readonly rows: number; readonly seed: number },
): TokenCorpus {
  const end = tokenizer.tokenToId(END) as number
  const texts = corpus.domains.flatMap((domain) => domain.texts)
  const documents = joinDocuments(
    texts.map((text) => encoded(text, tokenizer, corpus.isWorld)),
    { endOfDocument: end },
  )
  const count = documents.tokens.length
  if (count <= length) throw new Failure((say) => say.shortCorpus(length))
  return {
    data: tokenBatches(packedTokens(documents, { length, seed })),
    glimpses: corpus.domains.map((domain) => glimpse(domain, tokenizer, { length, rows, end })),
    heldOut: corpus.domains.map((domain) => heldOutSet(domain, tokenizer, { length, rows, end })),
    count,
  }
}

function encoded({ pieces }: LearnedText, tokenizer: Tokenizer, weighted: boolean) {
  const text = wholeOf({ pieces })
  if (!weighted) return { ids: tokenizer.encode(text, { allowSpecial: false }) }
  const { ids, starts } = tokenizer.encodeWithOffsets(text, { allowSpecial: false })
  const weights = new Float32Array(ids.length)
  let [piece, ends] = [0, pieces[0].text.length]
  for (let k = 0; k < ids.length; k++) {
    while (starts[k] >= ends) ends += pieces[++piece].text.length
    weights[k] = pieces[piece].isAnswer ? 1 : QUESTION_WEIGHT
  }
  return { ids, weights }
}

interface Cut {
  readonly length: number
  readonly rows: number
  readonly end: number
}

/** Every byte of the held-out text is predicted once; the end of a document counts as one byte more, as a line's end would. */
function heldOutSet(
  { name, heldOut }: Domain,
  tokenizer: Tokenizer,
  { length, rows, end }: Cut,
): ValidationSet<TokenBatch> {
  const ids = heldOut.flatMap((text) => [...tokenizer.encode(text, { allowSpecial: false }), end])
  const bytes = bytesOf(heldOut) + heldOut.length
  return heldOutTokens(name, Int32Array.from([end, ...ids]), {
    length,
    rows,
    bytes,
    seenBefore: Math.floor(length / 2),
  })
}

/** UTF-16 units of a glimpse. */
const GLIMPSE = 6000

function glimpse(
  { name, heldOut }: Domain,
  tokenizer: Tokenizer,
  { length, rows, end }: Cut,
): ValidationSet<TokenBatch> {
  const text = heldOut.join('').slice(0, GLIMPSE)
  const ids = [end, ...tokenizer.encode(text, { allowSpecial: false })]
  return heldOutTokens(name, Int32Array.from(ids), { length, rows, bytes: bytesOf([text]) })
}
