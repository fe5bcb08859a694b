/** What a model takes in each number format. */
import { type Aquila2Config, type Estimate, type WeightDType, estimate } from '@tarazed/aquila2'

/** Bytes by format. */
export interface MemoryPlan {
  readonly parameters: Estimate['parameters']
  readonly weights: readonly {
    readonly dtype: WeightDType
    readonly bytes: number
    readonly withCacheBytes: number
    readonly beyondCpu: boolean
  }[]
  readonly kvCache: Estimate['kvCache']
  readonly training: { readonly adamBytes: number }
}

const DTYPES: readonly WeightDType[] = ['f32', 'bf16', 'int8', 'int4', 'nf4']

/** What the CPU engine can address. */
const CPU_LIMIT_BYTES = 4 * 2 ** 30

/** Weights in every format, with a cache of 16-bit numbers. */
export function memoryPlan(
  config: Aquila2Config,
  { context, batch }: { readonly context?: number; readonly batch?: number },
): MemoryPlan {
  const options = { ...(context && { context }), ...(batch && { batch }), kvDtype: 'bf16' } as const
  const estimates = DTYPES.map((dtype) => estimate(config, { dtype, ...options }))
  const [{ parameters, kvCache, adamTrainingBytes }] = estimates
  const weights = estimates.map(({ weights: { dtype, bytes }, inferenceBytes: withCacheBytes }) => ({
    dtype,
    bytes,
    withCacheBytes,
    beyondCpu: withCacheBytes > CPU_LIMIT_BYTES,
  }))
  return { parameters, weights, kvCache, training: { adamBytes: adamTrainingBytes } }
}
