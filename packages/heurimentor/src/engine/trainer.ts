/** The engine: one update after the other, and a snapshot at any moment between two. */
import { parameters, withParameters } from '@tarazed/nn'
import { type LossScaling, type LossScalingOptions, type Optimizer, lossScaling } from '@tarazed/nn/optim'
import { type Tensor, flattenTree, scalar } from '@tarazed/tensor'
import { type SampleSource, type ValidationSet } from '../data/sampleSource.js'
import { ConfigError, DivergedError, checkCount, checkFunction, checkMethods, checkOptions, shown } from '../errors.js'
import { batchSizeAt } from '../schedule/batchRampUp.js'
import { fillLearningRatePlan, learningRateAt } from '../schedule/learningRate.js'
import { type Loss } from './lossOf.js'
import { type FilledRunPlan, type RunPlan, fillPlan } from './plan.js'
import { type Counters, type RunRecord, type Snapshot, fromHost, optimizerFromHost, toHost } from './snapshot.js'
import { type TrainingState, type Update, compileUpdate } from './update.js'
import { type DomainScore, type Validate, createValidate } from './validate.js'

/** What is trained, on what, and how. The engine never sees a model: a loss function and parameters are all it needs. */
export interface TrainerOptions<P, B> {
  /**
   * A tree of float tensors: a record by name, or a module. Its tensors belong to the trainer from now on: updates overwrite them.
   */
  readonly params: P
  /** A pure function of parameters and one batch. */
  readonly loss: (params: P, batch: B) => Loss
  /** Makes the optimiser; the learning rate (f32 []) is a run-time value of the compiled update. */
  readonly optimizer: (lr: Tensor) => Optimizer
  readonly data: SampleSource<B>
  readonly plan: RunPlan
  /** Held-out sets, one for each domain. Default none. */
  readonly validation?: readonly ValidationSet<B>[]
  /** Dynamic loss scaling, for f16. Default none. */
  readonly lossScaling?: LossScalingOptions
  /** Skipped updates in a row after which the run is given up. Default 20. */
  readonly maxSkipped?: number
  /** Plain JSON that is saved with the run. */
  readonly extra?: unknown
  /**
   * A saved run to go on with. The plan is the one given here, so that a program with another end trains longer; only an open end
   * (`samples: null`) takes the saved one.
   */
  readonly resume?: Snapshot
  /** Milliseconds of any clock. Default `performance.now`. */
  readonly clock?: () => number
}

/** What one update did. */
export interface StepReport {
  /** Number of the update, from 1. */
  readonly step: number
  /** Samples used up after it. */
  readonly samples: number
  /** Samples in it. */
  readonly batch: number
  readonly loss: number
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number
  readonly learningRate: number
  /** Whether it was left out because loss or gradients were not finite. */
  readonly skipped: boolean
  /** Factor of the loss under dynamic loss scaling; null without. */
  readonly lossScale: number | null
  /** Milliseconds that it took. */
  readonly ms: number
}

/** What may change while a run is in progress. */
export type PlanChanges = Partial<Pick<RunPlan, 'samples' | 'learningRate'>>

/** A run in progress. */
export interface Trainer<P> {
  /** The parameters now. The next `step` overwrites them. */
  readonly params: P
  readonly counters: Counters
  readonly plan: FilledRunPlan
  /** Whether all samples of the plan are used up. */
  readonly done: boolean
  /** One update. @throws DivergedError after too many skipped updates in a row; ConfigError when the run is done */
  step(): Promise<StepReport>
  /** Scores the parameters on every validation set. */
  validate(): Promise<DomainScore[]>
  /** A copy of the run that shares nothing with it. */
  snapshot(): Promise<Snapshot>
  /**
   * Changes the plan from here on: its end, the learning rate, or both.
   * @throws ConfigError for an end in the past, or a plan that makes no sense
   */
  replan(changes: PlanChanges): void
}

const OPTIONS = [
  'params',
  'loss',
  'optimizer',
  'data',
  'plan',
  'validation',
  'lossScaling',
  'maxSkipped',
  'extra',
  'resume',
  'clock',
]

/**
 * A new run, or one that goes on: with `resume` the same updates follow, bit for bit, as if it had never stopped.
 *
 * @throws ConfigError when an option makes no sense, or the saved run does not fit
 */
export function createTrainer<P, B>(options: TrainerOptions<P, B>): Trainer<P> {
  checkTrainerOptions('createTrainer', options, OPTIONS)
  return new RunningTrainer(options)
}

/** @throws ConfigError when an option has the wrong type */
export function checkTrainerOptions<P, B>(what: string, options: TrainerOptions<P, B>, known: readonly string[]): void {
  checkOptions(what, options, known)
  checkFunction(`${what}: loss`, options.loss)
  checkFunction(`${what}: optimizer`, options.optimizer)
  checkMethods(`${what}: data`, options.data, ['batch'])
  if (flattenTree(options.params).leaves.length === 0)
    throw new ConfigError(`${what}: params must hold tensors, got ${shown(options.params)}`)
  if (options.maxSkipped !== undefined) checkCount(`${what}: maxSkipped`, options.maxSkipped, 1)
}

/** The names of the options that a trainer takes. */
export const TRAINER_OPTIONS: readonly string[] = OPTIONS

class RunningTrainer<P, B> implements Trainer<P> {
  readonly #options: TrainerOptions<P, B>
  readonly #scaling: LossScaling | null
  readonly #update: Update<P, B>
  readonly #validate: Validate<P>
  readonly #clock: () => number
  #plan: FilledRunPlan
  #state: TrainingState<P>
  #counters: Counters = { step: 0, samples: 0, learningRateSamples: 0, skipped: 0, trainedMs: 0 }
  #skippedInARow = 0

  constructor(options: TrainerOptions<P, B>) {
    const { params, loss, optimizer, plan, validation = [], resume } = options
    this.#options = options
    this.#plan = fillPlan(plan)
    this.#clock = options.clock ?? (() => performance.now())
    this.#scaling = options.lossScaling === undefined ? null : lossScaling(options.lossScaling)
    const scaling = this.#scaling
    this.#state = { params, optimizer: optimizer(scalar(0)).init(params), scaling: scaling?.init() ?? null }
    if (resume !== undefined) this.#goOn(resume)
    this.#update = compileUpdate({ loss, optimizer, clip: this.#plan.clip, scaling })
    this.#validate = createValidate(loss, validation)
  }

  get params(): P {
    return this.#state.params
  }

  get counters(): Counters {
    return this.#counters
  }

  get plan(): FilledRunPlan {
    return this.#plan
  }

  get done(): boolean {
    return this.#plan.samples !== null && this.#counters.samples >= this.#plan.samples
  }

  async step(): Promise<StepReport> {
    if (this.done)
      throw new ConfigError(`step: all ${this.#plan.samples} samples of the run are used up; give it more with replan`)
    const began = this.#clock()
    const { samples, step, learningRateSamples } = this.#counters
    const batch = batchSizeAt(this.#plan.batch, samples)
    const rates = fillLearningRatePlan(this.#plan.learningRate, this.#plan.samples)
    const learningRate = learningRateAt(rates, learningRateSamples)
    const lossScale = this.#state.scaling === null ? null : await this.#state.scaling.scale.item()
    const { state, figures } = await this.#update(this.#state, await this.#microBatches(samples, batch), learningRate)
    this.#state = state
    const [loss, gradNorm, applied] = [figures.loss, figures.gradNorm, figures.applied].map((figure) => figure.item())
    const skipped = (await applied) === 0
    const report = { step: step + 1, samples: samples + batch, batch, loss: await loss, gradNorm: await gradNorm }
    const ms = this.#clock() - began
    this.#count(batch, skipped, ms)
    return { ...report, learningRate, skipped, lossScale, ms }
  }

  validate(): Promise<DomainScore[]> {
    return this.#validate(this.#state.params)
  }

  async snapshot(): Promise<Snapshot> {
    const { params, optimizer, scaling } = this.#state
    const record: RunRecord = {
      format: 1,
      counters: this.#counters,
      plan: this.#plan,
      optimizer: { name: this.#optimizerName(), step: await optimizer.step.item() },
      scaling:
        scaling === null
          ? null
          : {
              scale: await scaling.scale.item(),
              goodSteps: await scaling.goodSteps.item(),
              overflows: await scaling.overflows.item(),
            },
      data: { fingerprint: this.#options.data.fingerprint },
      extra: this.#options.extra ?? null,
    }
    const slots = Object.entries(optimizer.slots).map(async ([kind, tensors]) => [kind, await toHost(tensors)] as const)
    return { record, weights: await toHost(parameters(params)), slots: Object.fromEntries(await Promise.all(slots)) }
  }

  replan(changes: PlanChanges): void {
    checkOptions('replan', changes, ['samples', 'learningRate'])
    const { samples } = changes
    if (samples !== undefined && samples !== null) checkCount('replan: samples', samples, this.#counters.samples)
    this.#plan = fillPlan({ ...this.#plan, ...changes })
  }

  /** The update's samples, cut into micro-batches. */
  async #microBatches(from: number, batch: number): Promise<B[]> {
    const { microBatch } = this.#plan
    const { data } = this.#options
    const parts: B[] = []
    for (let k = 0; k < batch; k += microBatch) parts.push(await data.batch(from + k, microBatch))
    return parts
  }

  #count(batch: number, skipped: boolean, ms: number): void {
    const before = this.#counters
    this.#counters = {
      step: before.step + 1,
      samples: before.samples + batch,
      learningRateSamples: before.learningRateSamples + (skipped ? 0 : batch),
      skipped: before.skipped + (skipped ? 1 : 0),
      trainedMs: before.trainedMs + ms,
    }
    this.#skippedInARow = skipped ? this.#skippedInARow + 1 : 0
    if (this.#skippedInARow >= (this.#options.maxSkipped ?? 20))
      throw new DivergedError(this.#counters.step, this.#skippedInARow)
  }

  #optimizerName(): string {
    return this.#options.optimizer(scalar(0)).name
  }

  /** Takes over a saved run. */
  #goOn(snapshot: Snapshot): void {
    const { record, weights } = snapshot
    checkFits(record, { fingerprint: this.#options.data.fingerprint, optimizer: this.#optimizerName() })
    if (this.#plan.samples === null) this.#plan = fillPlan({ ...this.#plan, samples: record.plan.samples })
    this.#counters = record.counters
    const params = fromHost('the parameter', weights, parameters(this.#state.params))
    this.#state = {
      params: withParameters(this.#state.params, params),
      optimizer: optimizerFromHost(snapshot, this.#state.optimizer),
      scaling: this.#scalingFrom(record.scaling),
    }
  }

  #scalingFrom(saved: RunRecord['scaling']): TrainingState<P>['scaling'] {
    if ((saved === null) !== (this.#scaling === null))
      throw new ConfigError(
        `resume: the saved run ${saved === null ? 'has no' : 'has'} loss scaling; give the same lossScaling option`,
      )
    if (saved === null) return null
    return {
      scale: scalar(saved.scale),
      goodSteps: scalar(saved.goodSteps, { dtype: 'i32' }),
      overflows: scalar(saved.overflows, { dtype: 'i32' }),
    }
  }
}

function checkFits({ data, optimizer }: RunRecord, now: { fingerprint: string; optimizer: string }): void {
  if (data.fingerprint !== now.fingerprint)
    throw new ConfigError(
      `resume: the data must be those of the saved run, got fingerprint ${now.fingerprint} instead of ${data.fingerprint}; ` +
        'resume with the same data, order and length, or begin a new run from its weights',
    )
  if (optimizer.name !== now.optimizer)
    throw new ConfigError(
      `resume: the optimiser must be that of the saved run, ${optimizer.name}, got ${now.optimizer}`,
    )
}
