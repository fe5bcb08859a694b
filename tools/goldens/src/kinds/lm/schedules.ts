/** Family `schedules`: learning rates and batch ramp-up, counted in samples. */
import {
  type BatchRampUp,
  type LearningRatePlan,
  batchSizeAt,
  batchSizes,
  checkBatchPlan,
  fillLearningRatePlan,
  learningRateAt,
} from '@tarazed/heurimentor'
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type GoldenCase } from '../../case.js'
import { compareNumbers } from '../../compare.js'

/** One learning rate in the file. */
interface StoredSchedule {
  readonly style: LearningRatePlan['style']
  readonly name: string
  readonly max_lr: number
  readonly min_lr: number
  readonly init_lr: number
  readonly warmup: number
  readonly decay: number
  readonly wsd?: number
  readonly wsd_style?: LearningRatePlan['wsdStyle']
  readonly samples: readonly number[]
  readonly lr: readonly number[]
}

/** One batch that grows, and the run that it makes. */
interface StoredRampUp {
  readonly start: number
  readonly increment: number
  readonly ramp_samples: number
  readonly full: number
  readonly increments: number
  readonly samples_per_increment: number
  readonly consumed: readonly number[]
  readonly batch: readonly number[]
  readonly run: {
    readonly iterations_until_full: number
    readonly consumed_when_full: number
    readonly changes_iteration_consumed_batch: readonly (readonly [number, number, number])[]
  }
}

interface StoredSchedules {
  readonly schedules: readonly StoredSchedule[]
  readonly ramp_up: readonly StoredRampUp[]
}

const FILE = /^(schedules[^/]*)\/expected\.json$/
const FILE_KEYS = ['source', 'rules', 'tolerance', 'schedules', 'ramp_up']
const SCHEDULE_KEYS = 'style name max_lr min_lr init_lr warmup decay wsd wsd_style samples lr'.split(' ')
const RAMP_KEYS = 'start increment ramp_samples full increments samples_per_increment consumed batch run'.split(' ')
const RUN_KEYS = ['iterations_until_full', 'consumed_when_full', 'changes_iteration_consumed_batch']
/** Both sides are double precision. */
const TOLERANCE = [1e-12, 0] as const

/** A case for every schedule and every ramp-up of `schedules*` folders. @throws when a file has fields that nothing checks */
export function cases(_area: Area, files: AreaFiles): GoldenCase[] {
  return files.list().flatMap((file) => {
    const [, folder] = FILE.exec(file) ?? []
    return folder === undefined ? [] : casesOf(folder, file, files)
  })
}

function casesOf(folder: string, file: string, files: AreaFiles): GoldenCase[] {
  const stored = files.json(file) as StoredSchedules
  requireKnown(file, stored, FILE_KEYS)
  // every case reads the file again, so that it counts as read also when a filter leaves the others out
  const found = (): StoredSchedules => files.json(file) as StoredSchedules
  const sources = [{ file }]
  const rates = stored.schedules.map((schedule, k): GoldenCase => {
    requireKnown(file, schedule, SCHEDULE_KEYS)
    const id = [schedule.style, schedule.wsd_style, schedule.name].filter((part) => part !== undefined).join(' ')
    return { id, op: folder, sources, run: async () => checkSchedule(found().schedules[k]) }
  })
  const ramps = stored.ramp_up.map((ramp, k): GoldenCase => {
    requireKnown(file, ramp, RAMP_KEYS)
    requireKnown(file, ramp.run, RUN_KEYS)
    const id = `ramp-up ${ramp.start}, ${ramp.increment}, ${ramp.ramp_samples} to ${ramp.full}`
    return { id, op: folder, sources, run: async () => checkRampUp(found().ramp_up[k]) }
  })
  return [...rates, ...ramps]
}

function requireKnown(file: string, record: object, known: readonly string[]): void {
  const strange = Object.keys(record).find((key) => !known.includes(key))
  if (strange !== undefined) throw new Error(`${file}: no runner for the field ${strange}`)
}

function checkSchedule(stored: StoredSchedule): string | null {
  const plan = fillLearningRatePlan(
    {
      style: stored.style,
      maxLr: stored.max_lr,
      minLr: stored.min_lr,
      initLr: stored.init_lr,
      warmup: stored.warmup,
      decay: stored.decay,
      ...(stored.wsd !== undefined && { wsdDecay: stored.wsd }),
      ...(stored.wsd_style !== undefined && { wsdStyle: stored.wsd_style }),
    },
    null,
  )
  const got = stored.samples.map((samples) => learningRateAt(plan, samples))
  return compareNumbers('lr', [stored.lr.length], got, stored.lr, { tolerance: TOLERANCE })
}

function checkRampUp(stored: StoredRampUp): string | null {
  const plan: BatchRampUp = {
    start: stored.start,
    step: stored.increment,
    samples: stored.ramp_samples,
    full: stored.full,
  }
  const exact = { tolerance: [0, 0] as const }
  const sizes = stored.consumed.map((consumed) => batchSizeAt(plan, consumed))
  const { changes, iterations, consumed } = runUntilFull(plan)
  const wanted = stored.run.changes_iteration_consumed_batch
  return (
    compareNumbers('batch', [stored.batch.length], sizes, stored.batch, exact) ??
    compareNumbers('increments', [1], [batchSizes(plan).length - 1], [stored.increments], exact) ??
    compareNumbers(
      'samples_per_increment',
      [1],
      [plan.samples / (batchSizes(plan).length - 1)],
      [stored.samples_per_increment],
      { tolerance: TOLERANCE },
    ) ??
    compareNumbers('changes', [wanted.length, 3], changes.flat(), wanted.flat(), exact) ??
    compareNumbers(
      'until full',
      [2],
      [iterations, consumed],
      [stored.run.iterations_until_full, stored.run.consumed_when_full],
      exact,
    ) ??
    checkRejections(plan)
  )
}

/** The run of a plan until its ramp is behind it: where the size changes, and how long it takes. */
function runUntilFull(plan: BatchRampUp): { changes: number[][]; iterations: number; consumed: number } {
  const changes: number[][] = []
  let consumed = 0
  for (let iteration = 0; ; iteration++) {
    const batch = batchSizeAt(plan, consumed)
    if (batch !== changes.at(-1)?.[2]) changes.push([iteration, consumed, batch])
    if (consumed > plan.samples) return { changes, iterations: iteration, consumed }
    consumed += batch
  }
}

/** Plans that the reference refuses must be refused too. */
function checkRejections(plan: BatchRampUp): string | null {
  const refused: readonly [BatchRampUp, number][] = [
    [{ ...plan, full: plan.full + 1, step: plan.step * 2 + 1 }, 1],
    [plan, plan.start + 1],
    [{ ...plan, full: plan.full + plan.step, samples: plan.samples }, plan.full],
  ]
  for (const [candidate, microBatch] of refused) {
    try {
      checkBatchPlan(candidate, microBatch)
    } catch {
      continue
    }
    return `checkBatchPlan accepts ${JSON.stringify(candidate)} with micro-batch ${microBatch}`
  }
  return null
}
