/** What generation tells its caller. */

/**
 * Why a sequence ended: a stop string or id, the number of tokens, the caller's signal, or an error that is thrown after the
 * last event.
 */
export type FinishReason = 'stop' | 'length' | 'abort' | 'error'

/** Tokens counted. */
export interface Usage {
  readonly promptTokens: number
  /** The token that stopped it included. */
  readonly newTokens: number
}

/** A sequence as a whole. */
export interface GenerationResult {
  /** Which prompt, from 0. */
  readonly index: number
  /** The answer, without the stop string. */
  readonly text: string
  /** Ids of the answer, without the one that stopped it. A stop string's own tokens are among them. */
  readonly ids: readonly number[]
  /** Probability after all rules of each of `ids`, when asked for. */
  readonly probabilities?: readonly number[]
  readonly finishReason: FinishReason
  /** The stop string, or the id of the stop token. */
  readonly stoppedBy: string | number | null
  readonly usage: Usage
}

/** One more token of one sequence. */
export interface GenerationEvent {
  /** Which prompt, from 0. */
  readonly index: number
  /** The token; null in a last event that no token came with. */
  readonly id: number | null
  /**
   * Text that became certain: whole characters, nothing that may be the beginning of a stop string. Often empty, or of several
   * tokens. All texts of a sequence joined are its answer.
   */
  readonly text: string
  /** Probability of the token after all rules, when asked for. */
  readonly probability?: number
  /** Set in the last event of a sequence only, and the whole result with it. */
  readonly finishReason: FinishReason | null
  readonly result?: GenerationResult
}
