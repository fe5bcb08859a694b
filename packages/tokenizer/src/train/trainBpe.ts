/** Trains a byte-level BPE tokenizer in Aquila's layout. */
import { AddedTokenFinder, specialToken } from '../addedTokens.js'
import { BYTE_TO_CHARACTER, BYTES_IN_ORDER } from '../byteAlphabet.js'
import { requireCallback, requireInteger, requireOptions, shown, TokenizerError } from '../errors.js'
import { AQUILA_SPECIAL_TOKENS, END_OF_TEXT } from '../load/aquila.js'
import { byteLevelTokenizer } from '../load/byteLevel.js'
import { type Tokenizer } from '../tokenizer.js'
import { writeUtf8 } from '../utf8.js'
import { MergeTrainer } from './mergeTrainer.js'
import { PieceCounter } from './pieceCounter.js'
import { trainedFiles, type Trained } from './trainedFiles.js'
import { Words } from './words.js'

/** How far training is. */
export interface BpeProgress {
  /** Texts are counted first, then merges are made. */
  readonly phase: 'count' | 'merge'
  /** UTF-16 units counted, or merges made. */
  readonly done: number
  /** Merges wanted; the length of the corpus is not known in advance. */
  readonly total?: number
  /** Different pieces so far. */
  readonly distinctPieces: number
}

/** What to train. */
export interface TrainBpeOptions {
  /** All tokens: end of text, 256 bytes, merges and special tokens. */
  readonly vocabSize: number
  /** Pairs that are met less often never become tokens; default 2. */
  readonly minFrequency?: number
  /** Longer tokens are not made; default 512 bytes. */
  readonly maxTokenBytes?: number
  /** The special tokens after the merges; default: the eight of Aquila. */
  readonly specialTokens?: readonly string[]
  /** Roles of special tokens. Defaults: bos `[CLS]` and eos `</s>` where these exist, `<|endoftext|>` for everything else. */
  readonly bos?: string
  readonly eos?: string
  readonly pad?: string
  readonly unk?: string
  /** Written into tokenizer_config.json. */
  readonly modelMaxLength?: number
  /** Called some ten times per second. */
  readonly onProgress?: (progress: BpeProgress) => void
  /** Stops training: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/** What was trained. */
export interface TrainedBpe {
  /** Tokens that came to be: fewer than wanted when no further pair was frequent enough. */
  readonly vocabSize: number
  readonly merges: number
  /** Pieces of the corpus, and how many different ones. */
  readonly pieces: number
  readonly distinctPieces: number
  /** Texts of tokenizer.json, vocab.json, merges.txt, special_tokens_map.json and tokenizer_config.json. */
  files(): Record<string, string>
  tokenizer(): Tokenizer
}

const OPTIONS = [
  'vocabSize',
  'minFrequency',
  'maxTokenBytes',
  'specialTokens',
  'bos',
  'eos',
  'pad',
  'unk',
  'modelMaxLength',
  'onProgress',
  'signal',
]
/** Longest token of the published vocabulary: 512 blanks. */
const MAX_TOKEN_BYTES = 512
const LARGEST_VOCABULARY = 1 << 22
/** After so many milliseconds others have their turn: a page stays alive. */
const TURN_MS = 50
/** Pieces and merges between two looks at the clock. */
const PIECES = 1 << 14
const MERGES = 16

/**
 * Byte-level BPE as Aquila's vocabulary has it: pieces of the GPT-2 pattern, ids 0 `<|endoftext|>`, 1 to 256 the bytes in GPT-2's order,
 * 257 + rank the merges, then the special tokens. Every text is split by itself. Special tokens that are spelt out in a text separate
 * what is around them and are not learnt from.
 *
 * Of pairs of equal frequency the one with the smaller left id comes first, then the smaller right id: the result depends on the
 * counts alone.
 *
 * @param texts documents, or large parts of documents that end where a piece ends (before a line break, for example)
 * @throws TokenizerError for wrong options and texts that are no strings; the reason of the signal when it is aborted
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainBpeOptions,
): Promise<TrainedBpe> {
  const settings = checked(options)
  const turns = new Turns(settings)
  const counter = await countPieces(texts, settings, turns)
  const trainer = new MergeTrainer(Words.of(wordsOf(counter), SYMBOL_OF_BYTE), {
    merges: settings.merges,
    minFrequency: settings.minFrequency,
    maxTokenBytes: settings.maxTokenBytes,
    byteTokens: BYTES_IN_ORDER.map((byte) => BYTE_TO_CHARACTER[byte]),
  })
  const progress = (): BpeProgress => ({
    phase: 'merge',
    done: trainer.merges.length,
    total: settings.merges,
    distinctPieces: counter.distinct,
  })
  for (let k = 1; trainer.step(); k++) if (k % MERGES === 0) await turns.take(progress)
  settings.onProgress?.(progress())
  return trainedBpe(trainer, counter, settings)
}

/** Symbol of every byte: its place in the order of ids. */
const SYMBOL_OF_BYTE = new Int32Array(256)
for (const [symbol, byte] of BYTES_IN_ORDER.entries()) SYMBOL_OF_BYTE[byte] = symbol

interface Settings {
  readonly merges: number
  readonly minFrequency: number
  readonly maxTokenBytes: number
  readonly specialTokens: readonly string[]
  readonly roles: Trained['roles']
  readonly modelMaxLength?: number
  readonly onProgress?: (progress: BpeProgress) => void
  readonly signal?: AbortSignal
}

function checked(options: TrainBpeOptions): Settings {
  requireOptions('trainBpe', options, OPTIONS)
  const { minFrequency = 2, maxTokenBytes = MAX_TOKEN_BYTES, specialTokens = AQUILA_SPECIAL_TOKENS } = options
  if (!Array.isArray(specialTokens) || specialTokens.some((token) => typeof token !== 'string' || token === ''))
    throw new TokenizerError(
      `trainBpe: specialTokens must be an array of strings that are not empty, got ${shown(specialTokens)}`,
    )
  if (new Set([END_OF_TEXT, ...specialTokens]).size !== specialTokens.length + 1)
    throw new TokenizerError(
      `trainBpe: specialTokens must differ from each other and from ${END_OF_TEXT}, which is always there`,
    )
  const byte = specialTokens.find((token) => BYTE_TO_CHARACTER.includes(token))
  if (byte !== undefined)
    throw new TokenizerError(
      `trainBpe: special tokens must differ from the tokens of single bytes, got ${shown(byte)}; use a longer one`,
    )
  requireCallback('trainBpe: onProgress', options.onProgress)
  if (options.signal !== undefined && typeof (options.signal as AbortSignal | null)?.throwIfAborted !== 'function')
    throw new TokenizerError(`trainBpe: signal must be an AbortSignal, got ${shown(options.signal)}`)
  const least = 257 + specialTokens.length
  requireInteger(
    `trainBpe: vocabSize (with ${END_OF_TEXT}, 256 bytes and ${specialTokens.length} special tokens)`,
    options.vocabSize,
    least,
    LARGEST_VOCABULARY,
  )
  requireInteger('trainBpe: minFrequency', minFrequency, 1, Number.MAX_SAFE_INTEGER)
  requireInteger('trainBpe: maxTokenBytes', maxTokenBytes, 2, 1 << 20)
  if (options.modelMaxLength !== undefined) requireInteger('trainBpe: modelMaxLength', options.modelMaxLength, 1, 1e9)
  return {
    merges: options.vocabSize - least,
    minFrequency,
    maxTokenBytes,
    specialTokens: [...specialTokens],
    roles: rolesOf(options, [END_OF_TEXT, ...specialTokens]),
    modelMaxLength: options.modelMaxLength,
    onProgress: options.onProgress,
    signal: options.signal,
  }
}

function rolesOf(options: TrainBpeOptions, tokens: readonly string[]): Trained['roles'] {
  const preferred = { bos: '[CLS]', eos: '</s>', pad: END_OF_TEXT, unk: END_OF_TEXT }
  const role = (name: keyof typeof preferred): string => {
    const token = options[name] ?? (tokens.includes(preferred[name]) ? preferred[name] : END_OF_TEXT)
    if (tokens.includes(token)) return token
    throw new TokenizerError(
      `trainBpe: ${name} must be one of the special tokens ${tokens.join(' ')}, got ${shown(token)}`,
    )
  }
  return { bos: role('bos'), eos: role('eos'), pad: role('pad'), unk: role('unk') }
}

/** Lets others run, tells progress, and looks whether to stop. */
class Turns {
  #next = performance.now() + TURN_MS
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** @throws the reason of an aborted signal */
  async take(progress: () => BpeProgress): Promise<void> {
    if (performance.now() < this.#next) return
    this.#settings.onProgress?.(progress())
    await new Promise((resolve) => setTimeout(resolve))
    this.#settings.signal?.throwIfAborted()
    this.#next = performance.now() + TURN_MS
  }
}

async function countPieces(
  texts: Iterable<string> | AsyncIterable<string>,
  settings: Settings,
  turns: Turns,
): Promise<PieceCounter> {
  settings.signal?.throwIfAborted()
  const counter = new PieceCounter()
  const special = new AddedTokenFinder(
    [END_OF_TEXT, ...settings.specialTokens].map((content, id) => specialToken(content, id)),
  )
  let done = 0
  let index = 0
  for await (const text of iterable(texts)) {
    if (typeof text !== 'string')
      throw new TokenizerError(`trainBpe: every text must be a string, got ${shown(text)} as number ${index}`)
    for (let at = 0; at < text.length;) {
      const match = special.find(text, at, text.length, () => true)
      const end = match?.from ?? text.length
      while (at < end) {
        at = counter.count(text, at, end, PIECES)
        const units = done + at
        await turns.take(() => ({ phase: 'count', done: units, distinctPieces: counter.distinct }))
      }
      at = match?.to ?? text.length
    }
    done += text.length
    index++
  }
  settings.onProgress?.({ phase: 'count', done, distinctPieces: counter.distinct })
  return counter
}

function iterable(texts: unknown): Iterable<unknown> | AsyncIterable<unknown> {
  const candidate = texts as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined
  if (typeof texts !== 'string' && (candidate?.[Symbol.asyncIterator] ?? candidate?.[Symbol.iterator]) !== undefined)
    return candidate as Iterable<unknown>
  throw new TokenizerError(
    `trainBpe: texts must be an iterable of strings, got ${shown(texts)}; pass [text] for a single one`,
  )
}

/** UTF-8 of every piece, in memory that is used again. */
function* wordsOf(counter: PieceCounter): Iterable<readonly [Uint8Array, number]> {
  let bytes = new Uint8Array(1 << 10)
  for (const [piece, count] of counter) {
    if (bytes.length < 3 * piece.length) bytes = new Uint8Array(3 * piece.length)
    const length = writeUtf8(piece, 0, piece.length, bytes)
    if (length > 1) yield [bytes.subarray(0, length), count]
  }
}

function trainedBpe(trainer: MergeTrainer, counter: PieceCounter, settings: Settings): TrainedBpe {
  const tokens = [END_OF_TEXT, ...trainer.tokens]
  const merges = trainer.merges.map(([left, right]) => [trainer.tokens[left], trainer.tokens[right]] as const)
  const after = settings.specialTokens.map((content, k) => [content, tokens.length + k] as const)
  const ordinary = new Set(trainer.tokens)
  const twice = settings.specialTokens.find((token) => ordinary.has(token))
  if (twice !== undefined)
    throw new TokenizerError(
      `trainBpe: special tokens must differ from all others, got ${shown(twice)}, which the texts made a token too; use brackets around it`,
    )
  const trained: Trained = {
    tokens,
    merges,
    special: [[END_OF_TEXT, 0], ...after],
    roles: settings.roles,
    modelMaxLength: settings.modelMaxLength,
  }
  let tokenizer: Tokenizer | undefined
  return {
    vocabSize: tokens.length + after.length,
    merges: merges.length,
    pieces: counter.total,
    distinctPieces: counter.distinct,
    files: () => trainedFiles(trained),
    tokenizer: () => (tokenizer ??= tokenizerOf(trained)),
  }
}

function tokenizerOf({ tokens, merges, special, roles, modelMaxLength }: Trained): Tokenizer {
  return byteLevelTokenizer({
    file: 'trainBpe',
    vocab: tokens.map((token, id) => [token, id] as const),
    merges,
    added: special.map(([content, id]) => specialToken(content, id)),
    settings: { roles, cleanUp: false, modelMaxLength },
  })
}
