/** What a model takes, before it is loaded: parameters, bytes of weights, bytes of its cache. */
import { type Aquila2Config, contextLength, headDim } from './config.js'
import { OptionError, checkOptions, shown } from './errors.js'
import { layerShapes } from './parameterShapes.js'
import { requireConfig } from './validateConfig.js'

/**
 * How weights are stored. `int8` has a scale for each output; `int4` is groups of 128 with an f16 scale and a 4-bit zero,
 * `nf4` is double-quantised blocks of 64; embedding, head and norms stay at 16 bits in these three.
 */
export type WeightDType = 'f32' | 'f16' | 'bf16' | 'int8' | 'int4' | 'nf4'

/** Options of `estimate`. */
export interface EstimateOptions {
  /** Default bf16. */
  readonly dtype?: WeightDType
  /** Default f16 (or bf16, which is as large), f32 for f32 weights. */
  readonly kvDtype?: 'f32' | 'f16' | 'bf16'
  /** Tokens of one sequence, default the context length of the configuration. */
  readonly context?: number
  /** Sequences, default 1. */
  readonly batch?: number
}

/** What `estimate` finds; all bytes are exact. */
export interface Estimate {
  readonly parameters: {
    readonly total: number
    readonly embedding: number
    readonly head: number
    /** Of the seven matrices of every layer. */
    readonly linears: number
    readonly norms: number
  }
  readonly weights: { readonly dtype: WeightDType; readonly bytes: number }
  /** 2 · layers · kv heads · head dim · bytes a number, for each token; and for all `context` · `batch` of them. */
  readonly kvCache: {
    readonly dtype: 'f32' | 'f16' | 'bf16'
    readonly bytesPerToken: number
    readonly context: number
    readonly batch: number
    readonly bytes: number
  }
  /** Weights and cache; activations come on top. */
  readonly inferenceBytes: number
  /** 16 bytes a parameter: f16 weights and gradients, f32 masters and two f32 moments; activations come on top. */
  readonly adamTrainingBytes: number
}

/** Bits of a weight of the linears, scales and zeros included. */
const LINEAR_BITS: Readonly<Record<WeightDType, number>> = {
  f32: 32,
  f16: 16,
  bf16: 16,
  int8: 8, // and a scale for each row, added below
  int4: 4 + (16 + 4) / 128,
  nf4: 4 + 8 / 64 + 32 / (64 * 256), // an 8-bit absmax for 64, whose f32 scale is shared by 256 of them
}

/**
 * Counts a configuration, with nothing loaded.
 *
 * @throws OptionError for an unknown option or a count that is no positive integer, ConfigError for a wrong configuration
 */
export function estimate(given: Aquila2Config, options: EstimateOptions = {}): Estimate {
  const config = requireConfig('estimate', given)
  checkOptions('estimate', options, ['dtype', 'kvDtype', 'context', 'batch'])
  const { dtype = 'bf16', context = contextLength(config), batch = 1 } = options
  const { kvDtype = dtype === 'f32' ? 'f32' : dtype === 'bf16' ? 'bf16' : 'f16' } = options
  if (!Object.hasOwn(LINEAR_BITS, dtype))
    throw new OptionError(`estimate: dtype is ${Object.keys(LINEAR_BITS).join(', ')}, got ${shown(dtype)}`, 'dtype')
  if (!['f32', 'f16', 'bf16'].includes(kvDtype))
    throw new OptionError(`estimate: kvDtype is f32, f16 or bf16, got ${shown(kvDtype)}`, 'kvDtype')
  for (const [name, count] of Object.entries({ context, batch }))
    if (!Number.isSafeInteger(count) || count < 1)
      throw new OptionError(`estimate: ${name} is a positive integer, got ${shown(count)}`, name)

  const parameters = countParameters(config)
  const bytes = weightBytes(config, parameters, dtype)
  const kvBytes = kvDtype === 'f32' ? 4 : 2
  const bytesPerToken = 2 * config.num_hidden_layers * config.num_key_value_heads * headDim(config) * kvBytes
  const cacheBytes = bytesPerToken * context * batch
  return {
    parameters,
    weights: { dtype, bytes },
    kvCache: { dtype: kvDtype, bytesPerToken, context, batch, bytes: cacheBytes },
    inferenceBytes: bytes + cacheBytes,
    adamTrainingBytes: 16 * parameters.total,
  }
}

function countParameters(config: Aquila2Config): Estimate['parameters'] {
  const layer = Object.values(layerShapes(config))
  const count = (rank: number): number =>
    layer.filter((shape) => shape.length === rank).reduce((sum, shape) => sum + sizeOf(shape), 0)
  const embedding = config.vocab_size * config.hidden_size
  const linears = config.num_hidden_layers * count(2)
  const norms = config.num_hidden_layers * count(1) + config.hidden_size
  return { total: 2 * embedding + linears + norms, embedding, head: embedding, linears, norms }
}

function weightBytes(config: Aquila2Config, parameters: Estimate['parameters'], dtype: WeightDType): number {
  const { embedding, head, linears, norms } = parameters
  const plain = embedding + head + norms
  const plainBytes = plain * (dtype === 'f32' ? 4 : 2)
  const scales = dtype === 'int8' ? 2 * config.num_hidden_layers * outputsOfLayer(config) : 0
  return plainBytes + Math.ceil((linears * LINEAR_BITS[dtype]) / 8) + scales
}

/** Rows of all seven matrices of a layer. */
function outputsOfLayer(config: Aquila2Config): number {
  return Object.values(layerShapes(config))
    .filter((shape) => shape.length === 2)
    .reduce((sum, [rows]) => sum + rows, 0)
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}
