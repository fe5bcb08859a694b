/** The limits of kind `lm` in layout 1, as the README of the area states them. */
import { type Tolerance } from '../../compare.js'

/** Logits, hidden states, keys and values of caches, for arithmetic in float32. */
export const LOGITS: Tolerance = [1e-4, 1e-4]
/** Losses and gradient norms of one step. */
export const LOSS: Tolerance = [1e-5, 1e-5]
/** Losses and norms over ten training steps. */
export const TRAINING: Tolerance = [2e-4, 0]
/** Inverse frequencies: stored in float32. */
export const FREQUENCIES: Tolerance = [1e-6, 0]
/** Of each gradient tensor: largest difference over largest value, and the rest. */
export const GRADIENTS = { relative: 1e-4, absolute: 1e-7 } as const
/** Final parameters of training: nearly all entries, and every one. */
export const FINAL_PARAMETERS = { share: 0.999, most: 5e-6, every: 2e-4 } as const
/** Logits of bf16 arithmetic throughout. */
export const NARROW_LOGITS = { rootMeanSquare: 0.06, most: 0.5 } as const
