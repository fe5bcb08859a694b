/** The loop around the engine: validation, saves, the log, stopping. */
import { ConfigError, checkCount, checkFunction, checkMethods, checkNumber, checkOptions } from '../errors.js'
import { type EventLog, type RunEvent, finiteOrNull } from '../log/events.js'
import { type CheckpointStore } from './checkpointStore.js'
import { type Counters } from './snapshot.js'
import {
  type StepReport,
  type Trainer,
  type TrainerOptions,
  TRAINER_OPTIONS,
  checkTrainerOptions,
  createTrainer,
} from './trainer.js'
import { type DomainScore } from './validate.js'

/** How often something happens: whenever so many samples, or so many milliseconds, have passed since the last time. */
export interface Every {
  readonly samples?: number
  readonly ms?: number
}

/** A whole run. */
export interface TrainOptions<P, B> extends TrainerOptions<P, B> {
  /** Where the run is saved. A run that is there already is gone on with. Default: nowhere. */
  readonly checkpoints?: CheckpointStore
  /** When to save, besides at the end and when stopped. Default: never. */
  readonly saveEvery?: Every
  /** When to validate, besides at the end. Default: never. */
  readonly validateEvery?: Every
  readonly log?: EventLog
  /** Ends the run after the update at hand; it is saved then. */
  readonly signal?: AbortSignal
  /** Called after every update; may change the plan with `trainer.replan`. */
  readonly onStep?: (report: StepReport, trainer: Trainer<P>) => void | Promise<void>
  readonly onValidation?: (scores: readonly DomainScore[], counters: Counters) => void | Promise<void>
  readonly onSave?: (name: string, counters: Counters) => void
  /** Milliseconds since 1970, for the log. Default `Date.now`. */
  readonly time?: () => number
}

/** How a run ended. */
export interface TrainResult<P> {
  readonly params: P
  readonly counters: Counters
  /** Whether all its samples are used up, or the signal came first. */
  readonly finished: boolean
  /** The last validation; empty when there was none. */
  readonly scores: readonly DomainScore[]
}

const LOOP_OPTIONS = [
  'checkpoints',
  'saveEvery',
  'validateEvery',
  'log',
  'signal',
  'onStep',
  'onValidation',
  'onSave',
  'time',
]

/**
 * Trains until the samples of the plan are used up or the signal comes. With a store that holds a run, goes on with it: a stopped,
 * saved and resumed run ends with the same bits as one that was never stopped. Saves are written while training goes on.
 *
 * @throws ConfigError for options that make no sense; DivergedError; whatever the store throws
 */
export async function train<P, B>(options: TrainOptions<P, B>): Promise<TrainResult<P>> {
  checkTrainOptions(options)
  const resume = options.resume ?? (await options.checkpoints?.latest())
  const trainer = createTrainer({ ...trainerPart(options), resume })
  return new TrainingLoop(trainer, options).run()
}

function trainerPart<P, B>(options: TrainOptions<P, B>): TrainerOptions<P, B> {
  const entries = Object.entries(options).filter(([key]) => TRAINER_OPTIONS.includes(key))
  return Object.fromEntries(entries) as unknown as TrainerOptions<P, B>
}

function checkTrainOptions<P, B>(options: TrainOptions<P, B>): void {
  checkTrainerOptions('train', options, [...TRAINER_OPTIONS, ...LOOP_OPTIONS])
  const { checkpoints, log, signal } = options
  if (checkpoints !== undefined) checkMethods('train: checkpoints', checkpoints, ['save', 'latest'])
  if (log !== undefined) checkMethods('train: log', log, ['append', 'flush'])
  if (signal !== undefined && typeof signal.aborted !== 'boolean')
    throw new ConfigError('train: signal must be an AbortSignal')
  for (const name of ['onStep', 'onValidation', 'onSave', 'time'] as const)
    if (options[name] !== undefined) checkFunction(`train: ${name}`, options[name])
  checkEvery('train: saveEvery', options.saveEvery)
  checkEvery('train: validateEvery', options.validateEvery)
}

function checkEvery(what: string, every: Every | undefined): void {
  if (every === undefined) return
  checkOptions(what, every, ['samples', 'ms'])
  if (every.samples !== undefined) checkCount(`${what}: samples`, every.samples, 1)
  if (every.ms !== undefined) checkNumber(`${what}: ms`, every.ms, 0)
}

class TrainingLoop<P, B> {
  readonly #trainer: Trainer<P>
  readonly #options: TrainOptions<P, B>
  readonly #saveDue: Due
  readonly #validationDue: Due
  #plan: Trainer<P>['plan']
  #scores: readonly DomainScore[] = []
  /** Samples at the last validation; a score belongs to a save of the same moment only. */
  #scoredAt = -1
  #savedAt = -1
  #saving: Promise<void> = Promise.resolve()

  constructor(trainer: Trainer<P>, options: TrainOptions<P, B>) {
    this.#trainer = trainer
    this.#options = options
    this.#plan = trainer.plan
    const clock = options.clock ?? (() => performance.now())
    this.#saveDue = createDue(options.saveEvery, () => trainer.counters, clock)
    this.#validationDue = createDue(options.validateEvery, () => trainer.counters, clock)
    const { step, samples } = trainer.counters
    if (step > 0) this.#savedAt = samples
  }

  async run(): Promise<TrainResult<P>> {
    const { signal } = this.#options
    this.#append({ kind: 'begin', plan: this.#plan, trainedMs: this.#trainer.counters.trainedMs })
    try {
      while (!this.#trainer.done && signal?.aborted !== true) await this.#step()
      const finished = this.#trainer.done
      if (finished) await this.#validate()
      await this.#save()
      await this.#saving
      this.#append({ kind: 'end', reason: finished ? 'finished' : 'stopped' })
      return { params: this.#trainer.params, counters: this.#trainer.counters, finished, scores: this.#scores }
    } finally {
      // a failed save has been thrown by then, or is less important than what was
      await this.#saving.catch(() => undefined)
      await this.#options.log?.flush()
    }
  }

  async #step(): Promise<void> {
    const report = await this.#trainer.step()
    const { batch, loss, gradNorm, learningRate, skipped, lossScale, ms } = report
    const figures = { loss: finiteOrNull(loss), gradNorm: finiteOrNull(gradNorm) }
    this.#append({ kind: 'step', batch, ...figures, learningRate, skipped, lossScale, ms })
    await this.#options.onStep?.(report, this.#trainer)
    if (this.#trainer.plan !== this.#plan) {
      this.#plan = this.#trainer.plan
      this.#append({ kind: 'plan', plan: this.#plan })
    }
    if (this.#trainer.done) return
    if (this.#validationDue.now()) {
      await this.#validate()
      this.#validationDue.done()
    }
    if (this.#saveDue.now()) {
      await this.#save()
      this.#saveDue.done()
    }
  }

  async #validate(): Promise<void> {
    if ((this.#options.validation ?? []).length === 0) return
    this.#scores = await this.#trainer.validate()
    this.#scoredAt = this.#trainer.counters.samples
    const domains = this.#scores.map(({ name, loss, perplexity, bitsPerByte }) => ({
      name,
      loss: finiteOrNull(loss),
      perplexity: finiteOrNull(perplexity),
      bitsPerByte: bitsPerByte === null ? null : finiteOrNull(bitsPerByte),
    }))
    this.#append({ kind: 'validation', domains })
    await this.#options.onValidation?.(this.#scores, this.#trainer.counters)
  }

  /** Copies the run now and writes it while training goes on; waits for the save before it first. */
  async #save(): Promise<void> {
    const { checkpoints, onSave } = this.#options
    const { counters } = this.#trainer
    if (checkpoints === undefined || this.#savedAt === counters.samples) return
    await this.#saving
    this.#savedAt = counters.samples
    const score = this.#scoredAt === counters.samples ? meanLoss(this.#scores) : undefined
    const snapshot = await this.#trainer.snapshot()
    this.#saving = checkpoints.save(snapshot, { score }).then((name) => {
      this.#append({ kind: 'save', name }, counters)
      onSave?.(name, counters)
    })
    // thrown where it is awaited: at the next save, or at the end
    this.#saving.catch(() => undefined)
  }

  #append(event: Omittable<RunEvent>, { step, samples } = this.#trainer.counters): void {
    const time = (this.#options.time ?? Date.now)()
    this.#options.log?.append({ ...event, step, samples, time } as RunEvent)
  }
}

/** An event without its place. */
type Omittable<E> = E extends unknown ? Omit<E, 'step' | 'samples' | 'time'> : never

function meanLoss(scores: readonly DomainScore[]): number {
  return scores.reduce((sum, { loss }) => sum + loss, 0) / scores.length
}

/** Whether something is to be done again. */
interface Due {
  now(): boolean
  done(): void
}

/**
 * In samples it is due when a multiple of `samples` has been passed, so a resumed run does it where the run would have done it that was
 * never stopped. Time is counted from its end: what takes long does not follow upon itself.
 */
function createDue(
  { samples = Infinity, ms = Infinity }: Every = {},
  current: () => Counters,
  clock: () => number,
): Due {
  const multiple = () => Math.floor(current().samples / samples)
  let doneAt = multiple()
  let doneMs = clock()
  return {
    now: () => multiple() !== doneAt || clock() - doneMs >= ms,
    done: () => {
      doneAt = multiple()
      doneMs = clock()
    },
  }
}
