/** Documents packed into sequences: shuffled, joined, cut to length + 1 tokens of which neighbours share one. */
import { ConfigError, checkCount, checkOptions } from '../errors.js'
import { foldIn, keyOf, permutation } from './counterRandom.js'
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

/**
 * Sequences from documents, without end. In every epoch the documents are shuffled and joined; sample k of it is the tokens
 * [k·length, (k+1)·length], so every token but the first is predicted once; what is left at the end, less than a sample, waits for
 * another epoch's shuffle. Then the samples are shuffled. Keys are (seed, purpose, epoch): nothing has to be remembered.
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
      copyPiece(documents, epoch, epoch.samples[index - number * perEpoch] * length, into, weightsInto)
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
  return { number, documents, offsets, samples: order(SAMPLE_ORDER, perEpoch) }
}

/** Copies joined tokens from `from` on, until `into` is full. */
function copyPiece(
  { tokens, starts, weights }: Documents,
  { documents, offsets }: Epoch,
  from: number,
  into: Int32Array,
  weightsInto: Float32Array,
): void {
  let at = 0
  for (let k = lastAtMost(offsets, from); at < into.length; k++) {
    const begin = starts[documents[k]] + (from + at - offsets[k])
    const end = Math.min(starts[documents[k] + 1], begin + into.length - at)
    into.set(tokens.subarray(begin, end), at)
    if (weights !== undefined) weightsInto.set(weights.subarray(begin, end), at)
    at += end - begin
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
