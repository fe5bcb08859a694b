/**
 * Checkpoints on disk: a folder each, with logical names inside, complete or not there at all.
 *
 * ```
 * step-00001200/
 *   model.safetensors        the weights
 *   exp_avg.safetensors      one file for each kind that the optimiser remembers, under the names of the weights
 *   exp_avg_sq.safetensors
 *   run.json                 counters, plan, optimiser, fingerprint of the data, what the program added
 *   checksums.json           length and SHA-256 of every other file
 * ```
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type PlainDType, type TensorToWrite, openSafetensors } from '@tarazed/checkpoint'
import { fileSource, replaceFile, writeSafetensors, makeFolder } from '@tarazed/checkpoint/node'
import { type DType } from '@tarazed/tensor'
import { type CheckpointStore, type SaveOptions } from '../engine/checkpointStore.js'
import { type HostTensor, type HostTensors, type RunRecord, type Snapshot } from '../engine/snapshot.js'
import { RunError, checkCount, checkFunction, checkOptions } from '../errors.js'

/** Which checkpoints stay. */
export interface DiskCheckpointsOptions {
  /** The newest ones. Default 2. */
  readonly keepLast?: number
  /** Besides these, the ones with the lowest scores. Default 1. */
  readonly keepBest?: number
  /** Told of damaged checkpoints that were passed over. */
  readonly onWarning?: (message: string) => void
}

/** A store in a folder of the disk. */
export interface DiskCheckpoints extends CheckpointStore {
  /** Names of complete checkpoints, oldest first. */
  list(): Promise<string[]>
}

/**
 * Checkpoints in a folder, which is made when it is missing. Each is written under a temporary name, flushed to the disk, then renamed: a
 * process killed at any moment leaves whole checkpoints, and at most a temporary folder that the next save removes.
 */
export function diskCheckpoints(folder: string, options: DiskCheckpointsOptions = {}): DiskCheckpoints {
  checkOptions('diskCheckpoints', options, ['keepLast', 'keepBest', 'onWarning'])
  const { keepLast = 2, keepBest = 1, onWarning = () => undefined } = options
  checkCount('diskCheckpoints: keepLast', keepLast, 1)
  checkCount('diskCheckpoints: keepBest', keepBest)
  checkFunction('diskCheckpoints: onWarning', onWarning)
  return {
    list: () => listCheckpoints(folder),
    latest: () => newestWhole(folder, onWarning),
    save: async (snapshot, { score }: SaveOptions = {}) => {
      const name = await writeCheckpoint(folder, snapshot, score)
      await removeOthers(folder, { keepLast, keepBest })
      return name
    },
  }
}

const RUN_FILE = 'run.json'
const CHECKSUM_FILE = 'checksums.json'
const WEIGHTS_FILE = 'model.safetensors'
/** Saves of one step in a row are numbered. */
const NAME = /^step-(\d{8,})(?:\.(\d+))?$/
const PARTIAL = /^\.step-.*\.partial$/

/** What `run.json` holds. */
interface StoredRun extends RunRecord {
  readonly score: number | null
  /** Kinds of what the optimiser remembers; one file each. */
  readonly slots: readonly string[]
}

async function writeCheckpoint(folder: string, snapshot: Snapshot, score: number | undefined): Promise<string> {
  await makeFolder(folder)
  await removePartial(folder)
  const name = await freeName(folder, snapshot.record.counters.step)
  const temporary = join(folder, `.${name}.${randomBytes(6).toString('hex')}.partial`)
  try {
    await mkdir(temporary)
    await writeFiles(temporary, snapshot, score)
    await flushFolder(temporary)
    await rename(temporary, join(folder, name))
    await flushFolder(folder)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
  return name
}

async function writeFiles(folder: string, { record, weights, slots }: Snapshot, score: number | undefined) {
  const kinds = Object.keys(slots)
  await writeTensors(join(folder, WEIGHTS_FILE), weights)
  for (const kind of kinds) await writeTensors(join(folder, slotFile(kind)), slots[kind])
  const run: StoredRun = { ...record, score: score ?? null, slots: kinds }
  await replaceFile(join(folder, RUN_FILE), `${JSON.stringify(run, null, 2)}\n`)
  const sums: Record<string, FileSum> = {}
  for (const file of [WEIGHTS_FILE, ...kinds.map(slotFile), RUN_FILE]) sums[file] = await sumOf(join(folder, file))
  await replaceFile(join(folder, CHECKSUM_FILE), `${JSON.stringify(sums, null, 2)}\n`)
}

function slotFile(kind: string): string {
  return `${kind}.safetensors`
}

function writeTensors(path: string, tensors: HostTensors): Promise<void> {
  const list = Object.entries(tensors).map(([name, { dtype, shape, bytes }]): TensorToWrite => {
    return { name, dtype: dtype.toUpperCase() as PlainDType, shape, bytes: () => bytes }
  })
  return writeSafetensors(path, list, { metadata: { format: 'pt' } })
}

async function listCheckpoints(folder: string): Promise<string[]> {
  const order = (name: string) => {
    const [, step, again = '0'] = NAME.exec(name) as RegExpExecArray
    return [Number(step), Number(again)]
  }
  const names = (await entriesOf(folder)).filter((name) => NAME.test(name))
  return names.sort((a, b) => {
    const [stepA, againA] = order(a)
    const [stepB, againB] = order(b)
    return stepA - stepB || againA - againB
  })
}

async function freeName(folder: string, step: number): Promise<string> {
  const taken = new Set(await entriesOf(folder))
  const name = `step-${String(step).padStart(8, '0')}`
  if (!taken.has(name)) return name
  for (let again = 1; ; again++) if (!taken.has(`${name}.${again}`)) return `${name}.${again}`
}

async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw cause
  })
}

/** The newest checkpoint whose files are as they were written. */
async function newestWhole(folder: string, warn: (message: string) => void): Promise<Snapshot | undefined> {
  const names = await listCheckpoints(folder)
  let damage: unknown
  for (const name of names.reverse()) {
    try {
      return await readCheckpoint(join(folder, name))
    } catch (error) {
      damage ??= error
      warn(`${(error as Error).message}; an older checkpoint is used`)
    }
  }
  if (damage !== undefined)
    throw new RunError({
      file: folder,
      rule: 'at least one checkpoint must be whole',
      got: (damage as Error).message,
      wayOut: 'begin a new run in another folder',
      cause: damage,
    })
  return undefined
}

/**
 * Reads one checkpoint folder.
 * @throws RunError when a file is missing, was changed, or is of another format; CheckpointError when a tensor file lies
 */
export async function readCheckpoint(folder: string): Promise<Snapshot> {
  await verify(folder)
  const { score: _score, slots: kinds, ...record } = await readRun(folder)
  const slots: Record<string, HostTensors> = {}
  for (const kind of kinds) slots[kind] = await readTensors(join(folder, slotFile(kind)))
  return { record, weights: await readTensors(join(folder, WEIGHTS_FILE)), slots }
}

/** Length and SHA-256 of a file. */
interface FileSum {
  readonly bytes: number
  readonly sha256: string
}

async function verify(folder: string): Promise<void> {
  const sums = (await readJson(join(folder, CHECKSUM_FILE))) as Record<string, FileSum>
  for (const [file, wanted] of Object.entries(sums)) {
    const path = join(folder, file)
    const got = await sumOf(path).catch((cause: unknown) => {
      throw new RunError({ file: path, rule: 'the file must be readable', got: (cause as Error).message, cause })
    })
    if (got.bytes !== wanted.bytes || got.sha256 !== wanted.sha256)
      throw new RunError({
        file: path,
        rule: `the file must be the ${wanted.bytes} bytes that were written`,
        got: got.bytes === wanted.bytes ? 'other content' : `${got.bytes} bytes`,
      })
  }
}

async function readRun(folder: string): Promise<StoredRun> {
  const path = join(folder, RUN_FILE)
  const run = (await readJson(path)) as StoredRun
  if (run?.format !== 1)
    throw new RunError({
      file: path,
      rule: 'this version reads format 1',
      got: JSON.stringify(run?.format),
      wayOut: 'resume with the version that wrote it',
    })
  return run
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new RunError({ file: path, rule: 'the file must be readable JSON', got: (cause as Error).message, cause })
  }
}

async function readTensors(path: string): Promise<HostTensors> {
  const checkpoint = await openSafetensors(await fileSource(path))
  try {
    const tensors: Record<string, HostTensor> = {}
    for (const { name, dtype, shape } of checkpoint.tensors.values())
      tensors[name] = { dtype: dtype.toLowerCase() as DType, shape, bytes: await checkpoint.read(name) }
    return tensors
  } finally {
    await checkpoint.close()
  }
}

async function sumOf(path: string): Promise<FileSum> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}

async function removeOthers(folder: string, keep: { keepLast: number; keepBest: number }): Promise<void> {
  const names = await listCheckpoints(folder)
  const older = names.slice(0, -keep.keepLast)
  if (older.length === 0) return
  const scored = await Promise.all(older.map(async (name) => ({ name, score: await scoreOf(join(folder, name)) })))
  const best = scored.filter(({ score }) => score !== null).sort((a, b) => (a.score as number) - (b.score as number))
  const stay = new Set(best.slice(0, keep.keepBest).map(({ name }) => name))
  for (const name of older) {
    if (stay.has(name)) continue
    // renamed first: a crash while files are removed must not leave a checkpoint with files missing
    const doomed = join(folder, `.${name}.${randomBytes(6).toString('hex')}.partial`)
    await rename(join(folder, name), doomed)
    await rm(doomed, { recursive: true, force: true })
  }
}

/** A damaged checkpoint has no score. */
async function scoreOf(folder: string): Promise<number | null> {
  return readRun(folder).then(
    ({ score }) => score,
    () => null,
  )
}

/** What crashes have left. */
async function removePartial(folder: string): Promise<void> {
  const partial = (await entriesOf(folder)).filter((name) => PARTIAL.test(name))
  for (const name of partial) await rm(join(folder, name), { recursive: true, force: true })
}

/** Makes names lasting. Not every system lets folders be flushed; the rename is atomic all the same. */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // Windows refuses to open folders
  }
}
