/** Aquila2 in training, as a user writes it: one compiled step, its state donated. */
import { Aquila2 } from '@tarazed/aquila2'
import { cpuCeilings } from '@tarazed/kernels-cpu'
import { adamw, clipByGlobalNorm, matricesOnly, type OptimizerState } from '@tarazed/nn/optim'
import {
  compile,
  evaluate,
  item,
  profile,
  random,
  tensor,
  valueAndGrad,
  type Program,
  type Tensor,
} from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { LM, LM_ADAMW, LOSS, MATMUL_SHARE, TRAINING, TRAINING_LIMIT, type LmSize } from '../../benches/lmTraining.js'
import { lmConfig, lmIds, lmWeights, trainingFlopsPerToken } from '../../lmModel.js'
import { bestMilliseconds } from '../../timing.js'
import { open } from './open.js'

/** Weights by name. */
export type Weights = Readonly<Record<string, Tensor>>

export interface LmState {
  readonly params: Weights
  readonly optimizer: OptimizerState
}

const { learningRate: lr, beta1, beta2, epsilon: eps, weightDecay, clip } = LM_ADAMW
const optimizer = adamw({ lr, betas: [beta1, beta2], eps, weightDecay, decayFor: matricesOnly })

export function lmModel(size: LmSize): Aquila2 {
  return Aquila2.init(lmConfig(size), random.key(0)).with(initialWeights(size))
}

function initialWeights(size: LmSize): Weights {
  const numbers = Object.entries(lmWeights(size))
  return Object.fromEntries(numbers.map(([name, { values, shape }]) => [name, tensor(values, { shape })]))
}

export function initialState(size: LmSize): LmState {
  const params = initialWeights(size)
  return { params, optimizer: optimizer.init(params) }
}

/** i32 [B, T + 1] */
export function ids(size: LmSize, seed: number): Tensor {
  return tensor(lmIds(size, seed), { shape: [size.batch, size.time + 1], dtype: 'i32' })
}

/** One update of `model` on sequences [B, T + 1]. */
export function trainStep(model: Aquila2): (state: LmState, batch: Tensor) => { loss: Tensor; state: LmState } {
  return ({ params, optimizer: before }, batch) => {
    const [loss, grads] = valueAndGrad((p: Weights) => model.with(p).loss(batch))(params)
    const clipped = clipByGlobalNorm(grads, clip)
    const after = optimizer.update(params, clipped.grads, before)
    return { loss, state: { params: after.params, optimizer: after.state } }
  }
}

export async function measureLmTraining(options: EngineOptions): Promise<Measurements> {
  const backend = await open(options)
  const model = lmModel(LM)
  const batch = ids(LM, 1)
  const step = compile(trainStep(model), { donate: [0] })
  const start = initialState(LM)
  await evaluate(start, batch)
  let result = await step(start, batch)
  const loss = await item(result.loss)
  const update = async (): Promise<void> => {
    result = await step(result.state, batch)
    await backend.sync()
  }
  const ms = await bestMilliseconds(update, 6000)
  const share = await matmulShare(await step.program(result.state, batch), update)
  const { fmaGflops } = await cpuCeilings(backend)
  const limit = ((options.threads ?? 1) * fmaGflops * 1e9) / trainingFlopsPerToken(LM)
  return {
    [LOSS]: Number(loss),
    [TRAINING]: (1000 * LM.batch * LM.time) / ms,
    [TRAINING_LIMIT]: limit,
    [MATMUL_SHARE]: 100 * share,
  }
}

const MATMUL_CLASS: ReadonlySet<string> = new Set(['matmul', 'attention', 'attentionGrad'])
const PROFILES = 5

/**
 * The part of a program's time, 0 … 1, that its matrix products and attention take; pointwise work that a product does tile by
 * tile counts with it. Every step at its fastest of several runs.
 */
async function matmulShare(program: Program, run: () => Promise<void>): Promise<number> {
  const fastest = program.steps.map(() => Infinity)
  for (let round = 0; round < PROFILES; round++) {
    const { steps } = await profile(run)
    if (steps.length !== fastest.length)
      throw new Error(`lm: a program of ${fastest.length} steps was timed as ${steps.length}`)
    steps.forEach(({ microseconds }, k) => (fastest[k] = Math.min(fastest[k], microseconds)))
  }
  const sumOf = (counts: (k: number) => boolean): number =>
    fastest.reduce((sum, microseconds, k) => (counts(k) ? sum + microseconds : sum), 0)
  const isMatmul = (k: number): boolean => {
    const step = program.steps[k]
    return step.kind === 'routine' && MATMUL_CLASS.has(step.name)
  }
  return sumOf(isMatmul) / sumOf(() => true)
}
