/** The last step of reading a configuration: defaults, and a reason for everything that cannot be. */
import { type Aquila2Config, feedForwardWidth, headDim, ropeScaling } from './config.js'
import { ConfigError, shown } from './errors.js'
import type { RawConfig, Warn } from './rawConfig.js'

/** Larger counts are no model but a broken file. */
const MOST_LAYERS = 10_000
const MOST = 2 ** 31 - 1
const MOST_HEAD_DIM = 4096

const COUNTS = [
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'max_position_embeddings',
]

/**
 * Fields as a configuration, with the defaults of the published classes.
 * @throws ConfigError naming the field at fault
 */
export function validated(fields: RawConfig, file: string, warn: Warn): Aquila2Config {
  const config = withDefaults(fields, warn)
  const fail = (field: string, rule: string, wayOut = 'correct it'): never => {
    throw new ConfigError(`${file}: ${rule}, got ${shown(config[field])}; ${wayOut}`, field)
  }
  for (const field of COUNTS) {
    const value = config[field]
    if (value === undefined || value === null)
      fail(field, `${field} is needed`, 'is this the config.json of an Aquila2?')
    const most = field === 'num_hidden_layers' ? MOST_LAYERS : MOST
    if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > most)
      fail(field, `${field} is an integer from 1 to ${most}`)
  }
  for (const field of ['rope_theta', 'rms_norm_eps'])
    if (!isPositive(config[field])) fail(field, `${field} is a positive number`)
  for (const field of ['initializer_range', 'rms_norm_init'])
    if (config[field] !== undefined && !isNumber(config[field])) fail(field, `${field} is a number`)
  for (const field of ['bos_token_id', 'eos_token_id', 'pad_token_id'])
    if (!isTokenId(config[field], field === 'eos_token_id')) fail(field, `${field} is a token id or null`)
  checkGraph(config, fail)
  const complete = config as Aquila2Config
  checkHeads(complete, fail)
  ropeScaling(complete)
  return complete
}

/**
 * A configuration that a caller hands over, checked as one of a file is.
 * @param what names the caller in errors
 * @throws ConfigError
 */
export function requireConfig(what: string, config: unknown): Aquila2Config {
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new ConfigError(
      `${what}: config is an object such as configs['aquila2-7b'] or what parseConfig gives, got ${shown(config)}`,
      '',
    )
  return validated(config as RawConfig, what, () => undefined)
}

/** Defaults of the classes that the published files were written with. */
function withDefaults(fields: RawConfig, warn: Warn): RawConfig {
  const config: RawConfig = { ...fields }
  config.rope_theta ??= 10000
  config.rope_scaling ??= null
  config.num_key_value_heads ??= config.num_attention_heads
  if (config.head_dim === null) delete config.head_dim
  if (config.intermediate_size === undefined && typeof config.multiple_of === 'number')
    config.intermediate_size = feedForwardWidth(config.hidden_size as number, {
      multipleOf: config.multiple_of,
      multiplier: (config.hidden_dim_multiplier ?? config.ffn_dim_multiplier ?? 1) as number,
    })
  for (const [field, value] of Object.entries({ rms_norm_eps: 1e-6, max_position_embeddings: 2048 })) {
    if ((config[field] ?? null) !== null) continue
    config[field] = value
    warn(field, `${field} is missing; ${value}, the default of the published class, is used`)
  }
  const { model_type: type } = config
  if (type !== undefined && !['aquila', 'aquila2', 'llama'].includes(type as string))
    warn('model_type', `model_type is aquila or llama, got ${shown(type)}; it is read as the same graph`)
  return config
}

type Fail = (field: string, rule: string, wayOut?: string) => never

/** Switches that mean another graph. */
function checkGraph(config: RawConfig, fail: Fail): void {
  if (config.hidden_act !== undefined && !['silu', 'swish'].includes(config.hidden_act as string))
    fail('hidden_act', 'hidden_act is silu', 'no Aquila2 has another')
  for (const field of ['attention_bias', 'mlp_bias'])
    if (config[field] === true) fail(field, `${field} is false`, 'a model with biases is AquilaDense, not Aquila2')
}

function checkHeads(config: Aquila2Config, fail: Fail): void {
  const { hidden_size, num_attention_heads: H, num_key_value_heads: G } = config
  const D = headDim(config)
  if (!Number.isSafeInteger(D) || D < 2 || D % 2 !== 0 || D > MOST_HEAD_DIM)
    fail(
      config.head_dim === undefined ? 'num_attention_heads' : 'head_dim',
      `a head has an even number of channels, at most ${MOST_HEAD_DIM}; hidden_size ${hidden_size} / num_attention_heads ${H} = ${D}`,
    )
  if (H % G !== 0) fail('num_key_value_heads', `num_key_value_heads divides num_attention_heads ${H}`)
  if (D === 2 && ropeScaling(config)?.type === 'dynamic')
    fail('rope_scaling', 'dynamic scaling needs heads of at least 4 channels')
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isPositive(value: unknown): boolean {
  return isNumber(value) && value > 0
}

function isTokenId(value: unknown, listAllowed: boolean): boolean {
  if (value === undefined || value === null) return true
  if (Array.isArray(value)) return listAllowed && value.length > 0 && value.every((one) => isTokenId(one, false))
  return Number.isSafeInteger(value) && (value as number) >= -1
}
