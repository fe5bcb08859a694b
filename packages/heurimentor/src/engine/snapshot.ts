/** A run at one moment, out of the backend: what checkpoints store. */
import { type OptimizerState } from '@tarazed/nn/optim'
import { type DType, type Tensor, fromBytes, scalar } from '@tarazed/tensor'
import { ConfigError } from '../errors.js'
import { type FilledRunPlan } from './plan.js'

/** How far a run is. */
export interface Counters {
  /** Updates tried, skipped ones too. */
  readonly step: number
  /** Samples used up. */
  readonly samples: number
  /** Samples that the learning rate has seen: those of skipped updates are not among them. */
  readonly learningRateSamples: number
  /** Updates skipped because loss or gradients were not finite. */
  readonly skipped: number
  /** Milliseconds of training, those before a resume too. */
  readonly trainedMs: number
}

/** A run's numbers: plain JSON, the content of `run.json`. */
export interface RunRecord {
  readonly format: 1
  readonly counters: Counters
  readonly plan: FilledRunPlan
  readonly optimizer: { readonly name: string; readonly step: number }
  /** Of dynamic loss scaling; null without. */
  readonly scaling: { readonly scale: number; readonly goodSteps: number; readonly overflows: number } | null
  /** Of the data, of which `counters.samples` have been used. */
  readonly data: { readonly fingerprint: string }
  /** Whatever the program wants to find again, such as a seed or paths. */
  readonly extra: unknown
}

/** One tensor on the host: little-endian, row-major. */
export interface HostTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** Tensors by logical name, as `model.layers.0.self_attn.q_proj.weight`. */
export type HostTensors = Readonly<Record<string, HostTensor>>

/** A run at one moment. */
export interface Snapshot {
  readonly record: RunRecord
  /** The weights. */
  readonly weights: HostTensors
  /** What the optimiser remembers: kind (`exp_avg`, `exp_avg_sq`, …) → name of the parameter → tensor. */
  readonly slots: Readonly<Record<string, HostTensors>>
}

/** Copies tensors to the host. */
export async function toHost(tensors: Readonly<Record<string, Tensor>>): Promise<HostTensors> {
  const entries = Object.entries(tensors).map(async ([name, tensor]): Promise<[string, HostTensor]> => {
    const { dtype, shape } = tensor
    return [name, { dtype, shape, bytes: await tensor.bytes() }]
  })
  return Object.fromEntries(await Promise.all(entries))
}

/**
 * Makes tensors that fit those of a fresh run.
 *
 * @param what which tensors, for messages
 * @throws ConfigError that names the tensor that is missing, unknown or does not fit
 */
export function fromHost(what: string, stored: HostTensors, fresh: Readonly<Record<string, Tensor>>) {
  const unknown = Object.keys(stored).find((name) => fresh[name] === undefined)
  if (unknown !== undefined)
    throw new ConfigError(`resume: the saved run has ${what} ${unknown}, which this run does not have`)
  const loaded = Object.entries(fresh).map(([name, { dtype, shape }]): [string, Tensor] => {
    const found = stored[name]
    const wanted = `${dtype} [${shape.join(', ')}]`
    const got = found === undefined ? 'none' : `${found.dtype} [${found.shape.join(', ')}]`
    if (got !== wanted)
      throw new ConfigError(
        `resume: ${what} ${name} must be ${wanted}, got ${got}; resume with the model that was saved`,
      )
    return [name, fromBytes(found.bytes, { dtype, shape })]
  })
  return Object.fromEntries(loaded)
}

/** The optimiser's state from a snapshot; `fresh` says what it must fit. @throws ConfigError when it does not */
export function optimizerFromHost({ record, slots }: Snapshot, fresh: OptimizerState): OptimizerState {
  const kinds = Object.keys({ ...fresh.slots, ...slots })
  const loaded = kinds.map((kind) => [kind, fromHost(kind, slots[kind] ?? {}, fresh.slots[kind] ?? {})])
  return {
    step: scalar(record.optimizer.step, { dtype: 'i32' }),
    slots: Object.fromEntries(loaded) as OptimizerState['slots'],
  }
}
