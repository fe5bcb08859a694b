/** The training loop: one compiled step over and over, with progress, validation and saves. */
import type { Schedule } from '@tarazed/nn/optim'
import { adamw, clipByGlobalNorm, cosine, matricesOnly } from '@tarazed/nn/optim'
import { type Tensor, compile, scalar, tensor, valueAndGrad } from '@tarazed/tensor'
import { heldOutWindows, trainingWindows } from './batches.js'
import type { Run } from './checkpoint.js'
import type { Corpus } from './corpus.js'
import { Failure } from './failure.js'
import type { Messages } from './messages.js'
import type { ByteModel } from './model.js'
import { type Progress, clockTime } from './progress.js'

const PEAK_RATE = 2e-3
const VALIDATIONS = 8
const HELD_OUT_WINDOWS = 128
const SAVE_EVERY_MS = 30_000

/** The optimiser of the run; `total` counts the updates of the whole run. */
export function runOptimizer(warmup: number, total: number | Tensor) {
  const lr: Schedule = cosine({ peak: PEAK_RATE, end: PEAK_RATE / 20, warmup, total })
  return adamw({ lr, betas: [0.9, 0.99], weightDecay: 0.1, decayFor: matricesOnly })
}

/** One update, traced once and then replayed; parameters and optimiser state are written in place. */
function compileStep(model: ByteModel, warmup: number) {
  return compile(
    (params: Run['params'], state: Run['state'], windows: Tensor, total: Tensor) => {
      const [loss, grads] = valueAndGrad((p: Run['params']) => model.with(p).loss(windows))(params)
      const clipped = clipByGlobalNorm(grads, 1)
      return { loss, ...runOptimizer(warmup, total).update(params, clipped.grads, state) }
    },
    { donate: ['params', 'state'] },
  )
}

/** Held-out bits per byte of a model with given parameters, on the same windows every time. */
export function createValidation(
  model: ByteModel,
  heldOut: Uint8Array,
  { rows, length }: { rows: number; length: number },
) {
  const windows = heldOutWindows(heldOut, { rows, length, most: HELD_OUT_WINDOWS })
  const loss = compile((params: Run['params'], batch: Tensor) => model.with(params).loss(batch))
  return async (params: Run['params']): Promise<number> => {
    const nats = []
    for (const values of windows)
      nats.push(await (await loss(params, tensor(values, { shape: [rows, length] }))).item())
    return bits(mean(nats))
  }
}

export interface TrainingOptions {
  readonly model: ByteModel
  readonly corpus: Corpus
  readonly validate: (params: Run['params']) => Promise<number>
  readonly save: (run: Run) => Promise<void>
  readonly progress: Progress
  readonly say: Messages
  readonly stop: AbortSignal
  readonly now: () => number
}

/** Trains until the run's last step, or until `stop`; the run as it is then. */
export async function train(start: Run, options: TrainingOptions): Promise<Run> {
  const { model, corpus, validate, save, progress, say, stop, now } = options
  const { seed, batch, warmup, config } = start.record
  const length = config.max_position_embeddings + 1
  const step = compileStep(model, warmup)
  const pace = createPace(now)

  let run = start
  let losses: Tensor[] = []
  let savedAt = now()
  const beganAt = now() - start.record.trainedMs

  while (!isDone(run) && !stop.aborted) {
    const values = trainingWindows(corpus.train, { seed, step: run.record.step, rows: batch, length })
    const windows = tensor(values, { shape: [batch, length] })
    const { loss, params, state } = await step(
      run.params,
      run.state,
      windows,
      scalar(run.record.total ?? UNKNOWN_TOTAL),
    )
    losses.push(loss)
    pace.tick()
    run = { params, state, record: { ...run.record, step: run.record.step + 1, trainedMs: now() - beganAt } }

    if (run.record.total === null && pace.timedMs() >= timingMs(run)) {
      run = planned(run, pace.stepMs())
      progress.note(say.planned(run.record.total as number, Math.round(run.record.seconds as number)))
    }
    if (progress.due() || isDone(run)) {
      progress.show(figures(run, await meanBits(losses, run), pace, batch * (length - 1)))
      losses = []
    }
    if (validationDue(run)) {
      const heldOut = await validate(run.params)
      progress.note(say.validation(run.record.step, heldOut.toFixed(3)))
    }
    if (now() - savedAt >= SAVE_EVERY_MS) {
      await save(run)
      savedAt = now()
    }
  }
  progress.end()
  return run
}

/** Stands for the total while it is not known: so far from its end, the cosine stays at its peak. */
const UNKNOWN_TOTAL = 1e9

function isDone({ record }: Run): boolean {
  return record.total !== null && record.step >= record.total
}

function validationDue({ record }: Run): boolean {
  const { step, total } = record
  return total !== null && step < total && step % Math.ceil(total / VALIDATIONS) === 0
}

/** Share of the time that goes to validation and saving. */
const OVERHEAD = 0.04

/** How long to time steps before planning with them: they get faster while the machine warms up. */
function timingMs({ record }: Run): number {
  return Math.min(3000, (record.seconds as number) * 200)
}

/** How many steps fit into the seconds that are left. */
function planned(run: Run, stepMs: number): Run {
  const leftMs = ((run.record.seconds as number) * 1000 - run.record.trainedMs) * (1 - OVERHEAD)
  const total = run.record.step + Math.max(1, Math.floor(leftMs / stepMs))
  return { ...run, record: { ...run.record, total } }
}

function figures(run: Run, bitsPerByte: number | null, pace: Pace, tokensPerStep: number) {
  const { step, total, trainedMs } = run.record
  const stepMs = pace.stepMs()
  const known = Number.isFinite(stepMs)
  return {
    step,
    total,
    bitsPerByte,
    tokensPerSecond: known ? (tokensPerStep / stepMs) * 1000 : null,
    elapsed: clockTime(trainedMs),
    left: total !== null && known ? clockTime((total - step) * stepMs) : null,
  }
}

/** The losses since the last line. */
async function meanBits(losses: readonly Tensor[], run: Run): Promise<number> {
  const nats = mean(await Promise.all(losses.map((loss) => loss.item())))
  if (!Number.isFinite(nats)) throw new Failure((say) => say.diverged(run.record.step))
  return bits(nats)
}

interface Pace {
  tick(): void
  /** How long steps have been timed. */
  timedMs(): number
  /** Milliseconds of a step, mostly of the last seconds; NaN before the first timed step. */
  stepMs(): number
}

/** Steps that are not timed: they trace, compile and warm up. */
const UNTIMED_STEPS = 2
/** After this time a step counts a third. */
const PACE_MEMORY_MS = 10_000

function createPace(now: () => number): Pace {
  let [ticks, first, last] = [0, 0, 0]
  let [steps, time] = [0, 0] // both forgotten at the same rate
  return {
    tick: () => {
      const at = now()
      if (++ticks === UNTIMED_STEPS) first = at
      if (ticks > UNTIMED_STEPS) {
        const kept = Math.exp((last - at) / PACE_MEMORY_MS)
        steps = steps * kept + 1
        time = time * kept + (at - last)
      }
      last = at
    },
    timedMs: () => (ticks > UNTIMED_STEPS ? last - first : 0),
    stepMs: () => time / steps,
  }
}

function bits(nats: number): number {
  return nats / Math.LN2
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
