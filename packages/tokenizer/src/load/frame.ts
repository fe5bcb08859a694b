/** What a post-processor puts around a text. */
import { shown, TokenizerError } from '../errors.js'
import { isObject, listField, objectField, type JsonObject } from './json.js'

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
  return frameOfProcessor(objectField(json, 'post_processor', file), file)
}

function frameOfProcessor(processor: JsonObject | undefined, file: string): Frame {
  switch (processor?.type) {
    case undefined:
    case 'ByteLevel':
      return NOTHING
    case 'TemplateProcessing':
      return frameOfTemplate(processor, file)
    case 'RobertaProcessing':
    case 'BertProcessing':
      return { before: [idOfPair(processor.cls, file)], after: [idOfPair(processor.sep, file)] }
    case 'Sequence':
      return listField(processor, 'processors', file)
        .map((step) => frameOfProcessor(isObject(step) ? step : undefined, file))
        .reduce(
          (all, { before, after }) => ({ before: [...before, ...all.before], after: [...all.after, ...after] }),
          NOTHING,
        )
    default:
      throw new TokenizerError(`${file}: post_processor of type ${shown(processor?.type)} cannot be had here`, {
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

function isId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0
}
