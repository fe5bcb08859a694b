/** A run: its settings, its folder, and how it begins or goes on. */
import { join } from 'node:path'
import { diskFolder, replaceFile, makeFolder } from '@tarazed/checkpoint/node'
import { type RunPlan, RunError, type Snapshot } from '@tarazed/heurimentor'
import { diskCheckpoints } from '@tarazed/heurimentor/node'
import { type Tokenizer, loadTokenizer } from '@tarazed/tokenizer'
import { Failure } from './failure.js'
import { type Messages } from './messages.js'
import { type ModelSize } from './model.js'
import type { Options } from './options.js'
import { type RunLength, firstPlan, ratesFor } from './pace.js'

/** What a run is: saved with every checkpoint. */
export interface Settings extends ModelSize {
  readonly format: 2
  /** Where the text comes from; null: the tiny world. */
  readonly corpus: string | null
  readonly sha256: string
  readonly seed: number
  readonly batch: number
  /** Tokens of the vocabulary, at most. */
  readonly vocab: number
}

/** What is chosen when the user does not: a small model for the tiny world, a larger one for real text. */
const DEFAULTS = {
  world: { layers: 3, width: 128, context: 128, batch: 8, vocab: 1024 },
  text: { layers: 4, width: 192, context: 192, batch: 8, vocab: 2048 },
} as const
const DEFAULT_SECONDS = 160

/** The settings of a new run, but for the text's hash. */
export function newSettings(options: Options, corpus: string | null): Omit<Settings, 'sha256'> {
  const defaults = corpus === null ? DEFAULTS.world : DEFAULTS.text
  const { layers, width, context, batch, vocab } = { ...defaults, ...options }
  return { format: 2, corpus, seed: options.seed ?? 0, layers, width, context, batch, vocab }
}

/** How long a run is to be; a resumed one as long as it was planned, unless it is given more. */
export function runLength(
  { steps, seconds }: Options,
  { batch }: { readonly batch: number },
  saved?: Snapshot,
): RunLength {
  if (steps !== undefined) return { steps, seconds: null, batch }
  const before = (saved?.record.counters.trainedMs ?? 0) / 1000
  if (seconds !== undefined) return { steps: null, seconds: before + seconds, batch }
  const samples = saved?.record.plan.samples ?? null
  return samples === null
    ? { steps: null, seconds: DEFAULT_SECONDS, batch }
    : { steps: samples / batch, seconds: null, batch }
}

/** The plan of a run of some length; that of a resumed run is the saved one as long as its end stays the same. */
export function planOf(length: RunLength, saved?: Snapshot): RunPlan {
  const plan = firstPlan(length)
  if (saved === undefined || plan.samples === saved.record.plan.samples) return saved?.record.plan ?? plan
  return { ...plan, learningRate: ratesFor(plan.samples, length.batch) }
}

/** A saved run with the end of its new plan. */
export function withEnd(snapshot: Snapshot, { samples }: RunPlan): Snapshot {
  return { ...snapshot, record: { ...snapshot.record, plan: { ...snapshot.record.plan, samples } } }
}

/** The places of a run's folder. */
export interface RunFolder {
  readonly path: string
  readonly checkpoints: ReturnType<typeof diskCheckpoints>
  readonly log: string
  readonly report: string
}

/** @param say tells of damaged checkpoints that were passed over */
export function runFolder(path: string, say?: (reason: string) => void): RunFolder {
  const training = join(path, 'training')
  return {
    path,
    checkpoints: diskCheckpoints(join(training, 'checkpoints'), { onWarning: say }),
    log: join(training, 'events.jsonl'),
    report: join(path, 'report.html'),
  }
}

/** Whether a folder holds a run. */
export async function holdsRun(path: string): Promise<boolean> {
  return (await runFolder(path).checkpoints.list()).length > 0
}

/** A saved run. */
export interface SavedRun {
  readonly snapshot: Snapshot
  readonly settings: Settings
  readonly tokenizer: Tokenizer
}

/** @throws Failure when there is no run, or none that can be read */
export async function loadRun({ path, checkpoints }: RunFolder): Promise<SavedRun> {
  const snapshot = await checkpoints.latest().catch((cause: unknown) => {
    throw cause instanceof RunError ? new Failure((say) => say.brokenRun(path, cause.message), { cause }) : cause
  })
  if (snapshot === undefined) throw new Failure((say: Messages) => say.noRun(path))
  const settings = snapshot.record.extra as Settings
  if (settings?.format !== 2)
    throw new Failure((say) => say.brokenRun(path, `its format is ${String(settings?.format)}, this program reads 2`))
  const tokenizer = await loadTokenizer(diskFolder(path)).catch((cause: unknown) => {
    throw new Failure((say) => say.brokenRun(path, (cause as Error).message), { cause })
  })
  return { snapshot, settings, tokenizer }
}

/** Writes the tokenizer of a new run: without it no checkpoint is of use. */
export async function writeTokenizer(path: string, files: Readonly<Record<string, string>>): Promise<void> {
  await makeFolder(path)
  for (const [name, content] of Object.entries(files)) await replaceFile(join(path, name), content)
}
