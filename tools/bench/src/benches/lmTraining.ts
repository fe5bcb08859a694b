/** Training steps of Aquila2 with AdamW and clipped gradients. */
import {
  atLeastFigure,
  JAX_JS,
  JAX_JS_RELAXED,
  ONE_PLAIN,
  ONE_RELAXED,
  TWO_RELAXED,
  within,
  type Engine,
  type RowSpec,
} from '../bench.js'

export interface LmSize {
  readonly layers: number
  /** A multiple of `heads`. */
  readonly width: number
  readonly heads: number
  /** Tokens that are predicted in each of `batch` sequences. */
  readonly time: number
  readonly batch: number
  readonly vocabulary: number
}

export const LM: LmSize = { layers: 3, width: 128, heads: 4, time: 128, batch: 16, vocabulary: 2048 }

/** Matrices decay, norms do not; `clip` is the largest global norm of the gradients. */
export const LM_ADAMW = {
  learningRate: 1e-3,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  clip: 1,
} as const

/** Names of measurements. */
export const TRAINING = 'training'
/** Tokens per second if a step were its multiplications and additions only, at the speed of the register loop. */
export const TRAINING_LIMIT = 'training at the register loop'
export const LOSS = 'loss of the same weights and ids'
export const MATMUL_SHARE = 'time in matmul and attention'

const training = (label: string, ours: Engine, peers: readonly Engine[]): RowSpec => ({
  case: TRAINING,
  label: `${TRAINING}, ${label}`,
  unit: 'tokens/s',
  better: 'higher',
  ours,
  peers,
  ceiling: TRAINING_LIMIT,
})

const matmulShare = (label: string, ours: Engine): RowSpec => ({
  case: MATMUL_SHARE,
  label: `${MATMUL_SHARE}, ${label}`,
  unit: '%',
  better: 'higher',
  ours,
  peers: [],
  bars: [atLeastFigure(60, '%')],
})

export const trainingRows: readonly RowSpec[] = [
  {
    case: LOSS,
    unit: 'nats',
    better: 'lower',
    ours: ONE_RELAXED,
    peers: [JAX_JS, JAX_JS_RELAXED],
    bars: [within(1e-3, JAX_JS.name, JAX_JS_RELAXED.name)],
  },
  training('1 thread relaxed', ONE_RELAXED, [JAX_JS, JAX_JS_RELAXED]),
  training('1 thread plain', ONE_PLAIN, [JAX_JS]),
  training('2 threads relaxed', TWO_RELAXED, [JAX_JS, JAX_JS_RELAXED]),
  matmulShare('1 thread relaxed', ONE_RELAXED),
  matmulShare('2 threads relaxed', TWO_RELAXED),
]
