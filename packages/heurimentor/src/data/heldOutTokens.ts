/** Held-out tokens as batches in which every token is predicted once. */
import { ConfigError, checkCount, checkOptions } from '../errors.js'
import { type ValidationSet } from './sampleSource.js'
import { BatchRows, type TokenBatch } from './tokenSamples.js'

/** How held-out tokens are cut. */
export interface HeldOutOptions {
  /** Tokens that are predicted in a row; each row sees only itself. */
  readonly length: number
  /** Rows of a batch. */
  readonly rows: number
  /** Length in bytes of the text that the tokens stand for. */
  readonly bytes?: number
  /**
   * Tokens at the beginning of a row, the first row excepted, that are seen but not counted: they were counted in the row before.
   * 0 is cheapest; more gives every counted token at least so much context. Default 0.
   */
  readonly seenBefore?: number
}

/**
 * A validation set: rows of `length` predictions, one after the other, so that every token but the first is counted exactly once. What is
 * not counted, and what is left of the last batch, has weight 0.
 *
 * @throws ConfigError when there are fewer than two tokens
 */
export function heldOutTokens(name: string, tokens: Int32Array, options: HeldOutOptions): ValidationSet<TokenBatch> {
  checkOptions('heldOutTokens', options, ['length', 'rows', 'bytes', 'seenBefore'])
  const { length, rows, bytes, seenBefore = 0 } = options
  checkCount('heldOutTokens: length', length, 1)
  checkCount('heldOutTokens: rows', rows, 1)
  checkCount('heldOutTokens: seenBefore', seenBefore)
  if (seenBefore >= length)
    throw new ConfigError(`heldOutTokens: seenBefore must be less than length, got ${seenBefore} and ${length}`)
  if (tokens.length < 2)
    throw new ConfigError(`heldOutTokens: ${name} must have at least two tokens, got ${tokens.length}`)
  const stride = length - seenBefore
  const count = 1 + Math.max(0, Math.ceil((tokens.length - 1 - length) / stride))
  return {
    name,
    bytes,
    batches: Math.ceil(count / rows),
    batch: (index) => {
      const batch = new BatchRows(rows, { length, weighted: true })
      for (let row = 0; row < rows; row++) {
        const number = index * rows + row
        if (number >= count) break
        const piece = tokens.subarray(number * stride, number * stride + length + 1)
        batch.tokensOf(row).set(piece)
        batch.weightsOf(row).fill(1, number === 0 ? 1 : 1 + seenBefore, piece.length)
      }
      return batch.batch()
    },
  }
}
