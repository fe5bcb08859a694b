/** JSON files of unknown origin, read with care. */
import { shown, TokenizerError } from '../errors.js'

/** An object of a JSON file. */
export type JsonObject = Readonly<Record<string, unknown>>

/**
 * A file that must hold a JSON object.
 * @throws TokenizerError that names the file and its length: most broken files are cut off
 */
export function parseObject(text: string, file: string): JsonObject {
  let value: unknown
  try {
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)
  } catch (cause) {
    throw new TokenizerError(
      `${file}: must be JSON, got ${text.length} characters that are not (${(cause as Error).message}); ` +
        'the file is probably cut off or a Git LFS pointer: download it again',
      { file, cause },
    )
  }
  if (!isObject(value)) throw new TokenizerError(`${file}: must be a JSON object, got ${shown(value)}`, { file })
  return value
}

/** Whether a value is an object with fields. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A field that is an object, or undefined where it is absent or null.
 * @throws TokenizerError for everything else
 */
export function objectField(object: JsonObject, field: string, file: string): JsonObject | undefined {
  const value = object[field]
  if (value === undefined || value === null) return undefined
  if (!isObject(value)) throw new TokenizerError(`${file}: ${field} must be an object, got ${shown(value)}`, { file })
  return value
}

/**
 * A field that is a list, empty where it is absent or null.
 * @throws TokenizerError for everything else
 */
export function listField(object: JsonObject, field: string, file: string): readonly unknown[] {
  const value = object[field]
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new TokenizerError(`${file}: ${field} must be a list, got ${shown(value)}`, { file })
  return value
}

/** Steps in steps in steps: nothing sensible is deeper. */
const DEEPEST = 32

/**
 * The steps of a `Sequence`, those of sequences in it included; a config of another type is its only step.
 * @param field where a sequence lists its steps
 * @throws TokenizerError for steps that are no objects, and for sequences within sequences without end
 */
export function stepsOf(config: JsonObject | undefined, field: string, file: string, depth = 0): JsonObject[] {
  if (config === undefined) return []
  if (config.type !== 'Sequence') return [config]
  if (depth > DEEPEST)
    throw new TokenizerError(`${file}: sequences of ${field} may be ${DEEPEST} deep, got more`, { file })
  return listField(config, field, file).flatMap((step) => {
    if (isObject(step)) return stepsOf(step, field, file, depth + 1)
    throw new TokenizerError(`${file}: a step of ${field} must be an object, got ${shown(step)}`, { file })
  })
}
