/** Sequences of tokens: the form of samples that language models learn from. */
import { type Tensor, tensor } from '@tarazed/tensor'
import { ConfigError, checkCount, checkMethods } from '../errors.js'
import { type SampleSource } from './sampleSource.js'

/** Sequences of one length, numbered without end, each a pure function of its number. */
export interface TokenSamples {
  /** Tokens that are predicted in a sample; it has one more, since the first one only begins it. */
  readonly length: number
  /** Equal for equal tokens in equal order. */
  readonly fingerprint: string
  /** Whether tokens have weights in the loss. */
  readonly weighted: boolean
  /**
   * Writes sample `index`.
   *
   * @param tokens [length + 1]
   * @param weights [length + 1]: how much predicting each token counts; left alone when `weighted` is false
   */
  read(index: number, tokens: Int32Array, weights: Float32Array): void
}

/** What a loss gets: i32 [B, length + 1]; weights, where there are some, f32 of the same shape. */
export interface TokenBatch {
  readonly tokens: Tensor
  readonly weights?: Tensor
}

/** Batches of sequences, for `createTrainer`. */
export function tokenBatches(samples: TokenSamples): SampleSource<TokenBatch> {
  checkMethods('tokenBatches: samples', samples, ['read'])
  return {
    fingerprint: samples.fingerprint,
    batch: (from, count) => {
      checkCount('batch: from', from)
      checkCount('batch: count', count, 1)
      const rows = new BatchRows(count, samples)
      for (let row = 0; row < count; row++) samples.read(from + row, rows.tokensOf(row), rows.weightsOf(row))
      return rows.batch()
    },
  }
}

/** The memory of one batch, filled row by row. */
export class BatchRows {
  readonly #shape: readonly [rows: number, width: number]
  readonly #tokens: Int32Array<ArrayBuffer>
  readonly #weights: Float32Array<ArrayBuffer>
  readonly #weighted: boolean

  constructor(rows: number, { length, weighted }: Pick<TokenSamples, 'length' | 'weighted'>) {
    this.#shape = [rows, length + 1]
    this.#tokens = new Int32Array(rows * (length + 1))
    this.#weights = new Float32Array(weighted ? rows * (length + 1) : 0)
    this.#weighted = weighted
  }

  /** The tokens of a row, to be written. */
  tokensOf(row: number): Int32Array {
    return this.#tokens.subarray(row * this.#shape[1], (row + 1) * this.#shape[1])
  }

  /** The weights of a row, to be written; empty without weights. */
  weightsOf(row: number): Float32Array {
    return this.#weights.subarray(row * this.#shape[1], (row + 1) * this.#shape[1])
  }

  /** The rows as tensors. */
  batch(): TokenBatch {
    const tokens = tensor(this.#tokens, { shape: this.#shape })
    return this.#weighted ? { tokens, weights: tensor(this.#weights, { shape: this.#shape }) } : { tokens }
  }
}

/** @throws ConfigError unless all have one length, and weights in all or in none */
export function checkAlike(what: string, parts: readonly TokenSamples[]): void {
  const [first] = parts
  for (const { length, weighted } of parts)
    if (length !== first.length || weighted !== first.weighted)
      throw new ConfigError(
        `${what}: all domains must have one length, and weights in all or in none, got ` +
          `${first.length}${first.weighted ? ' weighted' : ''} and ${length}${weighted ? ' weighted' : ''}`,
      )
}
