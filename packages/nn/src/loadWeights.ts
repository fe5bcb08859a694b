/** Tensors of a checkpoint into a module, one after the other. */
import { type Checkpoint, type PlainDType, type TensorInfo, fromFloat32, toFloat32 } from '@tarazed/checkpoint'
import { ArgumentError, type Tensor, evaluate, flattenTree, fromBytes, getDefaultBackend } from '@tarazed/tensor'
import { parameterName } from './parameterNames.js'

/** Floats that parameters may have. */
export type WeightDType = 'f32' | 'f16' | 'bf16'

/** How far loading has come. */
export interface LoadProgress {
  /** The parameter just loaded. */
  readonly parameter: string
  /** Parameters loaded, and all of them. */
  readonly done: number
  readonly total: number
  /** Bytes read from the checkpoint so far, and in all. */
  readonly bytes: number
  readonly totalBytes: number
}

/** Options of `loadWeights`. */
export interface LoadWeightsOptions {
  /** The name in the checkpoint of a parameter of the module. Default: the same. */
  readonly storedName?: (parameter: string) => string
  /** Tensors of the checkpoint that belong to no parameter, on purpose. Default: none. */
  readonly ignore?: (storedName: string) => boolean
  /** The dtype of a parameter. Default: as stored for F32, F16 and BF16, f32 for everything else. */
  readonly dtype?: WeightDType | ((parameter: string, stored: TensorInfo) => WeightDType)
  readonly onProgress?: (progress: LoadProgress) => void
  /** Stops between two tensors. */
  readonly signal?: AbortSignal
}

/** A checkpoint whose tensors are not those of the module. */
export class WeightsError extends Error {
  override readonly name = 'WeightsError'
  /** Parameters without a tensor, by their names in the checkpoint. */
  readonly missing: readonly string[]
  /** Tensors without a parameter. */
  readonly unexpected: readonly string[]
  /** Tensors of another shape than their parameter. */
  readonly misshapen: readonly string[]

  constructor(message: string, facts: Pick<WeightsError, 'missing' | 'unexpected' | 'misshapen'>) {
    super(message)
    this.missing = facts.missing
    this.unexpected = facts.unexpected
    this.misshapen = facts.misshapen
  }
}

/**
 * The module with its parameters read from a checkpoint. Names and shapes are compared before anything is read. Tensors
 * are read one by one, and each goes to the default backend before the next is read, where there is one: memory holds the
 * weights and one tensor more. Lazy parameters, as `init` makes them, are never computed.
 *
 * @returns the module, its parameters in the dtypes that `dtype` says
 * @throws WeightsError when names or shapes differ, CheckpointError when the checkpoint is broken
 */
export async function loadWeights<T>(module: T, checkpoint: Checkpoint, options: LoadWeightsOptions = {}): Promise<T> {
  checkArguments(checkpoint, options)
  const { dtype, onProgress, signal } = options
  const { leaves, def } = flattenTree(module)
  const plan = matched(checkpoint, leaves, def.paths.map(parameterName), options)
  const totalBytes = plan.reduce((sum, { stored }) => sum + stored.byteLength, 0)
  const values: Tensor[] = []
  let bytes = 0
  for (const { parameter, stored } of plan) {
    signal?.throwIfAborted()
    const wanted = typeof dtype === 'function' ? dtype(parameter, stored) : (dtype ?? storedDType(stored))
    const value = await readTensor(checkpoint, stored, wanted)
    await settle(value)
    values.push(value)
    bytes += stored.byteLength
    onProgress?.({ parameter, done: values.length, total: plan.length, bytes, totalBytes })
  }
  return def.build(values) as T
}

interface Match {
  readonly parameter: string
  readonly stored: TensorInfo
}

function matched(
  checkpoint: Checkpoint,
  leaves: readonly Tensor[],
  names: readonly string[],
  { storedName = (parameter) => parameter, ignore = () => false }: LoadWeightsOptions,
): Match[] {
  const unread = new Set([...checkpoint.tensors.keys()].filter((name) => !ignore(name)))
  const missing: string[] = []
  const misshapen: string[] = []
  const matches: Match[] = []
  names.forEach((parameter, k) => {
    const name = storedName(parameter)
    const stored = checkpoint.tensors.get(name)
    unread.delete(name)
    if (stored === undefined) missing.push(name)
    else if (sameShape(stored.shape, leaves[k].shape)) matches.push({ parameter, stored })
    else
      misshapen.push(`${name} is [${stored.shape.join(', ')}] there and [${leaves[k].shape.join(', ')}] in the module`)
  })
  if (missing.length + unread.size + misshapen.length > 0)
    throw mismatch(checkpoint.name, missing, [...unread], misshapen)
  return matches
}

function mismatch(file: string, missing: string[], unexpected: string[], misshapen: string[]): WeightsError {
  const found = [
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(misshapen.length > 0 ? [`${listed(misshapen)}`] : []),
    ...(unexpected.length > 0 ? [`the module has no ${listed(unexpected)}`] : []),
  ]
  return new WeightsError(
    `loadWeights: ${file} must have one tensor for every parameter, of its shape: ${found.join('; ')}; check that the configuration belongs to these weights`,
    { missing, unexpected, misshapen: misshapen.map((text) => text.split(' ', 1)[0]) },
  )
}

function storedDType({ dtype }: TensorInfo): WeightDType {
  return dtype === 'F16' ? 'f16' : dtype === 'BF16' ? 'bf16' : 'f32'
}

const PLAIN: Readonly<Record<WeightDType, PlainDType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' }
const BYTES: Readonly<Record<WeightDType, number>> = { f32: 4, f16: 2, bf16: 2 }

async function readTensor(checkpoint: Checkpoint, stored: TensorInfo, dtype: WeightDType): Promise<Tensor> {
  const bytes =
    stored.dtype === PLAIN[dtype] ? await checkpoint.read(stored.name) : await converted(checkpoint, stored, dtype)
  return fromBytes(bytes, { shape: stored.shape, dtype, copy: false })
}

/** Piece by piece, so that only the result is as large as the tensor. */
async function converted(checkpoint: Checkpoint, stored: TensorInfo, dtype: WeightDType): Promise<Uint8Array> {
  const elements = stored.shape.reduce((product, extent) => product * extent, 1)
  const result = new Uint8Array(elements * BYTES[dtype])
  let at = 0
  for await (const piece of checkpoint.stream(stored.name)) {
    const wide = toFloat32(piece, stored.dtype)
    const asWanted =
      dtype === 'f32' ? new Uint8Array(wide.buffer, wide.byteOffset, wide.byteLength) : fromFloat32(wide, PLAIN[dtype])
    result.set(asWanted, at)
    at += asWanted.length
  }
  return result
}

/** Moves a value from the host to the backend: reading one element binds it there. */
async function settle(value: Tensor): Promise<void> {
  if (value.size === 0 || !hasBackend()) return
  await evaluate(value.reshape([value.size]).slice([[0, 1]]))
}

function hasBackend(): boolean {
  try {
    getDefaultBackend()
    return true
  } catch {
    return false
  }
}

const OPTIONS = ['storedName', 'ignore', 'dtype', 'onProgress', 'signal']

function checkArguments(checkpoint: Checkpoint, options: LoadWeightsOptions): void {
  if (!(checkpoint?.tensors instanceof Map) || typeof checkpoint.read !== 'function')
    throw new ArgumentError(
      `loadWeights: checkpoint is what openCheckpoint gives, got ${typeof checkpoint}; await openCheckpoint(folder) first`,
    )
  if (typeof options !== 'object' || options === null)
    throw new ArgumentError(`loadWeights: options are an object, got ${String(options)}`)
  const unknown = Object.keys(options).find((key) => !OPTIONS.includes(key))
  if (unknown !== undefined)
    throw new ArgumentError(`loadWeights: unknown option ${unknown}; the options are ${OPTIONS.join(', ')}`)
  const { dtype } = options
  if (dtype !== undefined && typeof dtype !== 'function' && !Object.hasOwn(PLAIN, dtype))
    throw new ArgumentError(`loadWeights: dtype is f32, f16, bf16 or a function, got ${String(dtype)}`)
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, k) => extent === b[k])
}

function listed(names: readonly string[]): string {
  return names.length <= 6 ? names.join(', ') : `${names.slice(0, 6).join(', ')} and ${names.length - 6} more`
}
