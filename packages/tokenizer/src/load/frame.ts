/** What a post-processor puts around a text. */
import { shown, TokenizerError } from '../errors.js'
import { isObject, listField, objectField, stepsOf, type JsonObject } from './json.js'

/** Ids before and after a text. */
export interface Frame {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

const NOTHING: Frame = { before: [], after: [] }

/**
 * The frame of single texts in a tokenizer.json.
 * @throws TokenizerError when it cannot be understood
 */
export function frameOf(json: JsonObject, file: string): Frame {
  return stepsOf(objectField(json, 'post_processor', file), 'processors', file)
    .map((step) => frameOfStep(step, file))
    .reduce(around, NOTHING)
}

/** A later step puts its tokens around those of earlier ones. */
function around(inner: Frame, outer: Frame): Frame {
  return { before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] }
}

function frameOfStep(step: JsonObject, file: string): Frame {
  switch (step.type) {
    case 'ByteLevel':
      return NOTHING
    case 'TemplateProcessing':
      return frameOfTemplate(step, file)
    case 'RobertaProcessing':
    case 'BertProcessing':
      return { before: [idOfPair(step.cls, file)], after: [idOfPair(step.sep, file)] }
    default:
      throw new TokenizerError(`${file}: post_processor of type ${shown(step.type)} cannot be had here`, {
        file,
        kind: 'unsupported',
      })
  }
}

function frameOfTemplate(processor: JsonObject, file: string): Frame {
  const tokens = objectField(processor, 'special_tokens', file) ?? {}
  const before: number[] = []
  const after: number[] = []
  let seen = false
  for (const part of listField(processor, 'single', file)) {
    const token = isObject(part) && isObject(part.SpecialToken) ? part.SpecialToken.id : undefined
    if (token === undefined) seen = true
    else (seen ? after : before).push(...idsOf(tokens, token, file))
  }
  return { before, after }
}

function idsOf(tokens: JsonObject, token: unknown, file: string): number[] {
  const entry = typeof token === 'string' && Object.hasOwn(tokens, token) ? tokens[token] : undefined
  const ids = isObject(entry) ? entry.ids : undefined
  if (Array.isArray(ids) && ids.every(isId)) return ids as number[]
  throw new TokenizerError(`${file}: post_processor names ${shown(token)}, of which special_tokens has no ids`, {
    file,
  })
}

function idOfPair(pair: unknown, file: string): number {
  if (Array.isArray(pair) && isId(pair[1])) return pair[1]
  throw new TokenizerError(`${file}: post_processor must give a token and its id, got ${shown(pair)}`, { file })
}

/**
 * The frame, when every id of it has a token.
 * @throws TokenizerError
 */
export function requireFrame(frame: Frame, tokens: readonly (string | undefined)[], file: string): Frame {
  const stray = [...frame.before, ...frame.after].find((id) => tokens[id] === undefined)
  if (stray === undefined) return frame
  throw new TokenizerError(`${file}: post_processor adds id ${stray}, which no token has`, { file })
}

function isId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0
}
