/** Tokenised documents, one after the other in one array. */
import { ConfigError, checkCount, checkOptions, shown } from '../errors.js'

/** Documents as tokens. */
export interface Documents {
  /** All tokens, in order. */
  readonly tokens: Int32Array
  /** Where each document begins, and the end of the last one: documents + 1 numbers. */
  readonly starts: Uint32Array
  /** How much predicting each token counts in the loss; missing: all alike. */
  readonly weights?: Float32Array
}

/** One document on its way into `joinDocuments`. */
export interface Document {
  readonly ids: ArrayLike<number>
  /** One for each id. */
  readonly weights?: ArrayLike<number>
}

/**
 * Lays documents one after the other.
 *
 * @param endOfDocument a token put after each document, with weight 1
 * @throws ConfigError for ids that are none, and when some documents have weights and some do not
 */
export function joinDocuments(
  documents: Iterable<ArrayLike<number> | Document>,
  options: { readonly endOfDocument?: number } = {},
): Documents {
  checkOptions('joinDocuments', options, ['endOfDocument'])
  const { endOfDocument } = options
  if (endOfDocument !== undefined) checkCount('joinDocuments: endOfDocument', endOfDocument)
  const ids: number[] = []
  const weights: number[] = []
  const starts = [0]
  for (const entry of documents) {
    const document = asDocument(entry, starts.length - 1)
    const before = ids.length
    for (let k = 0; k < document.ids.length; k++) ids.push(document.ids[k])
    if (endOfDocument !== undefined) ids.push(endOfDocument)
    if (document.weights !== undefined) {
      if (weights.length !== before) throw mixedWeights(starts.length - 1)
      for (let k = 0; k < document.weights.length; k++) weights.push(document.weights[k])
      if (endOfDocument !== undefined) weights.push(1)
    } else if (weights.length > 0) throw mixedWeights(starts.length - 1)
    starts.push(ids.length)
  }
  const bad = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id > 0x7fffffff)
  if (bad >= 0) throw new ConfigError(`joinDocuments: ids must be integers of at least 0, got ${shown(ids[bad])}`)
  return {
    tokens: Int32Array.from(ids),
    starts: Uint32Array.from(starts),
    ...(weights.length > 0 && { weights: Float32Array.from(weights) }),
  }
}

function asDocument(entry: ArrayLike<number> | Document, index: number): Document {
  const document = typeof entry === 'object' && entry !== null && 'ids' in entry ? entry : { ids: entry }
  if (typeof document.ids !== 'object' || document.ids === null || typeof document.ids.length !== 'number')
    throw new ConfigError(`joinDocuments: document ${index} must be a list of ids, got ${shown(entry)}`)
  if (document.weights !== undefined && document.weights.length !== document.ids.length)
    throw new ConfigError(
      `joinDocuments: document ${index} must have one weight for each id, got ${document.weights.length} for ${document.ids.length}`,
    )
  return document
}

function mixedWeights(index: number): ConfigError {
  return new ConfigError(
    `joinDocuments: all documents must have weights or none, got document ${index} unlike those before it`,
  )
}
