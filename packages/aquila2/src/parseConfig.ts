/** A config.json as it is found, wrong ones included, to a configuration that can be relied on. */
import { parseJsonKeepingDuplicates } from '@tarazed/checkpoint'
import type { Aquila2Config } from './config.js'
import { type Shapes, tensorsWin } from './configFromTensors.js'
import { canonicalKeys } from './configKeys.js'
import { ConfigError, checkOptions, shown } from './errors.js'
import type { RawConfig, Warn } from './rawConfig.js'
import { validated } from './validateConfig.js'

/** Something odd in a configuration that did not stop it from being read. */
export interface ConfigWarning {
  /** The key it is about. */
  readonly field: string
  readonly message: string
}

/** Options of `parseConfig`. */
export interface ParseConfigOptions {
  /** Shapes of the tensors beside the file, by their names in Hugging Face checkpoints: they win over the file. */
  readonly shapes?: Shapes
  /** The name of the model, for what is known to be wrong with it. Default: `_name_or_path` of the file. */
  readonly name?: string
  /** Fields that replace those of the file, such as `rope_scaling`. */
  readonly overrides?: Readonly<Record<string, unknown>>
  /** The name of the file, for messages. Default config.json. */
  readonly file?: string
}

/**
 * Reads a configuration. Older and newer spellings of keys are understood, a missing `rope_theta` means 10000, a missing
 * `num_key_value_heads` means as many as heads. Of a doubled key the value that is not null counts. Where tensors are given
 * they win, field by field. All of this is said in `warnings`.
 *
 * @param json the text of the file, or its value
 * @throws ConfigError when a field is missing or impossible, or tensors and file leave two readings
 * @throws CheckpointError when the text is no JSON
 */
export function parseConfig(
  json: string | object,
  options: ParseConfigOptions = {},
): { config: Aquila2Config; warnings: readonly ConfigWarning[] } {
  checkOptions('parseConfig', options, ['shapes', 'name', 'overrides', 'file'])
  const { shapes, overrides = {}, file = 'config.json' } = options
  const warnings: ConfigWarning[] = []
  const warn: Warn = (field, message) => void warnings.push({ field, message: `${file}: ${message}` })

  const found = typeof json === 'string' ? withoutDuplicates(json, file, warn) : json
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new ConfigError(`${file}: a configuration is a JSON object, got ${shown(found)}`, '')
  const fields = { ...canonicalKeys({ ...(found as RawConfig) }, warn), ...overrides }
  warnOfMissingScaling(fields, options.name ?? fields._name_or_path, warn)
  const complete = shapes === undefined ? fields : tensorsWin(fields, shapes, Object.keys(overrides), warn)
  return { config: validated(complete, file, warn), warnings }
}

/** JSON whose last null would hide a value: AquilaChat2-34B-16K once had `rope_scaling` twice, the object first. */
function withoutDuplicates(text: string, file: string, warn: Warn): unknown {
  const { value, duplicates } = parseJsonKeepingDuplicates(text, { file })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const fields = { ...value } as RawConfig
  for (const { path, key, values } of duplicates) {
    const kept = values.findLast((candidate) => candidate !== null) ?? null
    warn([...path, key].join('.'), `${shown(key)} stands ${values.length} times; ${shown(kept)} is used`)
    if (path.length === 0) fields[key] = kept
  }
  return fields
}

/** The 16K models were published with `rope_scaling: null` at first, which makes noise of everything past the old limit. */
function warnOfMissingScaling(fields: RawConfig, name: unknown, warn: Warn): void {
  if (typeof name !== 'string' || !/16k/i.test(name) || (fields.rope_scaling ?? null) !== null) return
  const limit = fields.max_position_embeddings
  const factor = typeof limit === 'number' ? 16384 / limit : 8
  if (!(factor > 1)) return
  warn(
    'rope_scaling',
    `${name} reads 16,384 tokens, but rope_scaling is null; set "rope_scaling": {"type": "linear", "factor": ${factor}} in the file or in overrides`,
  )
}
