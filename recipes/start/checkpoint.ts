/**
 * A run on disk: `train_state.safetensors` is everything that is needed to go on; `model.safetensors` and `config.json` are the
 * model alone, as a LLaMA checkpoint. Each file is replaced whole, so a crash at any moment leaves the save before.
 */
import { access, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { parameters, withParameters } from '@tarazed/nn'
import type { OptimizerState } from '@tarazed/nn/optim'
import { type DType, type Tensor, fromBytes } from '@tarazed/tensor'
import { Failure } from './failure.js'
import type { ModelConfig } from './model.js'
import { type StoredTensor, decodeSafetensors, encodeSafetensors } from './safetensors.js'

/** What a run is, besides its tensors. */
export interface RunRecord {
  readonly format: 1
  readonly config: ModelConfig
  readonly seed: number
  readonly batch: number
  /** Where the text came from; null: this repository. */
  readonly corpus: string | null
  /** Of the text. */
  readonly sha256: string
  /** Seconds to train; null when steps were given. */
  readonly seconds: number | null
  /** Updates in the whole run; null until it is known how many fit into `seconds`. */
  readonly total: number | null
  readonly warmup: number
  /** Updates done. */
  readonly step: number
  readonly trainedMs: number
  /** Held-out bits per byte before the first update. */
  readonly untrainedBits: number
}

/** A run in memory. */
export interface Run {
  readonly record: RunRecord
  readonly params: Readonly<Record<string, Tensor>>
  readonly state: OptimizerState
}

const STATE_FILE = 'train_state.safetensors'

/** Whether a folder holds a run. */
export async function holdsRun(folder: string): Promise<boolean> {
  return access(join(folder, STATE_FILE)).then(
    () => true,
    () => false,
  )
}

/** Writes the run; makes the folder. */
export async function saveRun(folder: string, { record, params, state }: Run): Promise<void> {
  await mkdir(folder, { recursive: true })
  const model = await storedTensors(params)
  const all = await storedTensors(parameters({ params, state }))
  await replaceFile(join(folder, STATE_FILE), encodeSafetensors(all, { run: JSON.stringify(record) }))
  await replaceFile(join(folder, 'model.safetensors'), encodeSafetensors(model, { format: 'pt' }))
  const config = { ...record.config, torch_dtype: 'float32' }
  await replaceFile(join(folder, 'config.json'), new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`))
}

/**
 * Reads a run.
 *
 * @param fresh makes the run's tensors as at its start: what the file must fit
 * @throws Failure when there is no run or its file is damaged
 */
export async function loadRun(
  folder: string,
  fresh: (record: RunRecord) => { params: Record<string, Tensor>; state: OptimizerState },
): Promise<Run> {
  const file = await readFile(join(folder, STATE_FILE)).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' || cause.code === 'ENOTDIR'
      ? new Failure((say) => say.noRun(folder), { cause })
      : cause
  })
  try {
    const { tensors, metadata } = decodeSafetensors(file)
    const record = checkedRecord(metadata.run)
    const loaded = Object.fromEntries(Object.entries(tensors).map(([name, stored]) => [name, tensorFrom(stored)]))
    return { record, ...withParameters(fresh(record), loaded) }
  } catch (cause) {
    throw new Failure((say) => say.brokenRun(folder, (cause as Error).message), { cause })
  }
}

function checkedRecord(json: string | undefined): RunRecord {
  if (json === undefined) throw new Error(`${STATE_FILE} has no record of a run`)
  const record = JSON.parse(json) as RunRecord
  if (record.format !== 1) throw new Error(`its format is ${String(record.format)}, this program reads format 1`)
  return record
}

const STORED_DTYPES = { f32: 'F32', i32: 'I32' } as const

async function storedTensors(tensors: Readonly<Record<string, Tensor>>): Promise<Record<string, StoredTensor>> {
  const stored = Object.entries(tensors).map(async ([name, tensor]): Promise<[string, StoredTensor]> => {
    const dtype = STORED_DTYPES[tensor.dtype as keyof typeof STORED_DTYPES]
    return [name, { dtype, shape: tensor.shape, bytes: await tensor.bytes() }]
  })
  return Object.fromEntries(await Promise.all(stored))
}

function tensorFrom({ dtype, shape, bytes }: StoredTensor): Tensor {
  const own = Object.entries(STORED_DTYPES).find(([, stored]) => stored === dtype)?.[0] as DType | undefined
  if (own === undefined) throw new Error(`tensors are F32 or I32, got ${dtype}`)
  return fromBytes(bytes, { shape, dtype: own })
}

/** The new content is complete on disk before it takes the old one's name. */
async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`)
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw Object.assign(error as object, { path })
  }
}
