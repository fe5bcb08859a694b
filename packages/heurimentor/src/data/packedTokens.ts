/** Documents packed into sequences: shuffled, joined, cut to length + 1 tokens of which neighbours share one. */
import { ConfigError, checkCount, checkOptions } from '../errors.js'
import { draw, foldIn, keyOf, permutation } from './counterRandom.js'
import { type Documents } from './documents.js'
import { Fingerprint } from './fingerprint.js'
import { type TokenSamples } from './tokenSamples.js'

/** How documents are packed. */
export interface PackingOptions {
  /** Tokens that are predicted in a sample. */
  readonly length: number
  /** An integer in [0, 2^53): decides the order of documents and samples. */
  readonly seed: number
  /** False: documents and samples stay in order, epoch after epoch. Default true. */
  readonly shuffle?: boolean
}

const DOCUMENT_ORDER = 1
const SAMPLE_ORDER = 2
const START = 3

/**
 * Sequences from documents, without end. In every epoch the documents are shuffled and joined in a ring; sample k of it is the tokens
 * from start + k·length to start + (k+1)·length, where the start is drawn anew, so that an epoch cuts the text in other places than the
 * one before and predicts every token once, but for a rest that is shorter than a sample. Then the samples are shuffled. Keys
 * are (seed, purpose, epoch): nothing has to be remembered.
 *
 * @throws ConfigError when there are fewer than length + 1 tokens
 */
export function packedTokens(
  documents: Documents,
  options: PackingOptions,
): TokenSamples & { readonly perEpoch: number } {
  checkOptions('packedTokens', options, ['length', 'seed', 'shuffle'])
  const { length, seed, shuffle = true } = options
  checkCount('packedTokens: length', length, 1)
  checkCount('packedTokens: seed', seed)
  const { tokens, weights } = documents
  const perEpoch = Math.floor((tokens.length - 1) / length)
  if (perEpoch < 1)
    throw new ConfigError(
      `packedTokens: one sample takes length + 1 tokens, got ${tokens.length} for ${length + 1}; add text, or lower length`,
    )
  let epoch: Epoch | undefined
  return {
    length,
    perEpoch,
    weighted: weights !== undefined,
    fingerprint: fingerprintOf(documents, { length, seed, shuffle }),
    read: (index, into, weightsInto) => {
      const number = Math.floor(index / perEpoch)
      if (epoch?.number !== number) epoch = layEpoch(documents, number, { perEpoch, seed, shuffle })
      copyPiece(documents, epoch, epoch.start + epoch.samples[index - number * perEpoch] * length, into, weightsInto)
    },
  }
}

/** The order of one epoch. */
interface Epoch {
  readonly number: number
  readonly documents: Uint32Array
  /** Where each document lies when they are joined in this order; the end last. */
  readonly offsets: Float64Array
  readonly samples: Uint32Array
  /** Where in the ring the first sample begins. */
  readonly start: number
}

function layEpoch(
  { starts }: Documents,
  number: number,
  { perEpoch, seed, shuffle }: { perEpoch: number; seed: number; shuffle: boolean },
): Epoch {
  const key = keyOf(seed)
  const order = (purpose: number, count: number) =>
    shuffle
      ? permutation(foldIn(foldIn(key, purpose), number), count)
      : Uint32Array.from({ length: count }, (_, k) => k)
  const documents = order(DOCUMENT_ORDER, starts.length - 1)
  const offsets = new Float64Array(documents.length + 1)
  documents.forEach((document, k) => {
    offsets[k + 1] = offsets[k] + starts[document + 1] - starts[document]
  })
  const total = offsets[documents.length]
  const start = shuffle ? draw(foldIn(foldIn(key, START), number), total) : 0
  return { number, documents, offsets, samples: order(SAMPLE_ORDER, perEpoch), start }
}

/** Copies tokens of the ring from `from` on, until `into` is full. */
function copyPiece(
  { tokens, starts, weights }: Documents,
  { documents, offsets }: Epoch,
  from: number,
  into: Int32Array,
  weightsInto: Float32Array,
): void {
  const total = offsets[documents.length]
  let place = from % total
  let at = 0
  for (let k = lastAtMost(offsets, place); at < into.length; k = (k + 1) % documents.length) {
    if (k === 0) place %= total
    const begin = starts[documents[k]] + (place - offsets[k])
    const end = Math.min(starts[documents[k] + 1], begin + into.length - at)
    into.set(tokens.subarray(begin, end), at)
    if (weights !== undefined) weightsInto.set(weights.subarray(begin, end), at)
    at += end - begin
    place += end - begin
  }
}

/** The last index whose value is at most `value`. */
function lastAtMost(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (sorted[middle] <= value) low = middle
    else high = middle - 1
  }
  return low
}

function fingerprintOf({ tokens, starts, weights }: Documents, { length, seed, shuffle }: Required<PackingOptions>) {
  const hash = new Fingerprint()
    .text('packed')
    .number(length)
    .number(seed)
    .number(shuffle ? 1 : 0)
  hash.numbers(tokens).numbers(starts)
  if (weights !== undefined) hash.numbers(weights)
  return hash.toString()
}
