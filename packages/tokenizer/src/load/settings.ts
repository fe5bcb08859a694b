/** What `tokenizer_config.json` and `special_tokens_map.json` say: roles, clean-up, flags of added tokens. */
import { type AddedToken } from '../addedTokens.js'
import { shown, TokenizerError } from '../errors.js'
import { type Roles } from '../subwordTokenizer.js'
import { isObject, listField, objectField, type JsonObject } from './json.js'

const CONFIG = 'tokenizer_config.json'
const MAP = 'special_tokens_map.json'
/** transformers writes 10^30 where no limit is known. */
const NO_LIMIT = 1e9

/** The small files beside a vocabulary. */
export interface Settings {
  readonly roles: Roles
  readonly cleanUp: boolean
  readonly addPrefixSpace: boolean
  readonly modelMaxLength?: number
  /** Every token that one of the two files calls special. */
  readonly special: readonly string[]
  /** `added_tokens_decoder` of the configuration. */
  readonly added: readonly AddedToken[]
}

/**
 * The map wins over the configuration where both name a role.
 * @throws TokenizerError when a field has a type that it cannot have
 */
export function settingsOf(config: JsonObject, map: JsonObject): Settings {
  const both: readonly (readonly [JsonObject, string])[] = [
    [map, MAP],
    [config, CONFIG],
  ]
  const role = (name: string): string | undefined => {
    for (const [object, file] of both) {
      const token = contentOf(object[name], name, file)
      if (token !== undefined) return token
    }
    return undefined
  }
  const roles = { bos: role('bos_token'), eos: role('eos_token'), pad: role('pad_token'), unk: role('unk_token') }
  const limit = config.model_max_length
  return {
    roles,
    cleanUp: config.clean_up_tokenization_spaces === true,
    addPrefixSpace: config.add_prefix_space === true,
    modelMaxLength: typeof limit === 'number' && limit > 0 && limit < NO_LIMIT ? limit : undefined,
    special: [
      ...new Set([
        ...Object.values(roles),
        role('cls_token'),
        role('sep_token'),
        role('mask_token'),
        ...additional(both),
      ]),
    ].filter((token) => token !== undefined),
    added: addedOf(config),
  }
}

/** Added tokens of a configuration by id. */
function addedOf(config: JsonObject): AddedToken[] {
  const decoder = objectField(config, 'added_tokens_decoder', CONFIG) ?? {}
  return Object.entries(decoder).map(([id, token]) => addedTokenOf({ ...asObject(token, id), id: Number(id) }, CONFIG))
}

function asObject(token: unknown, id: string): JsonObject {
  if (isObject(token)) return token
  throw new TokenizerError(`${CONFIG}: added token ${shown(id)} must be an object, got ${shown(token)}`, {
    file: CONFIG,
  })
}

/**
 * An added token as the files describe it.
 * @throws TokenizerError when text or id are missing
 */
export function addedTokenOf(token: unknown, file: string): AddedToken {
  if (!isObject(token) || typeof token.content !== 'string' || !Number.isInteger(token.id))
    throw new TokenizerError(
      `${file}: an added token must have a string content and an integer id, got ${shown(isObject(token) ? token.content : token)}`,
      { file },
    )
  const special = token.special === true
  return {
    content: token.content,
    id: token.id as number,
    special,
    singleWord: token.single_word === true,
    lstrip: token.lstrip === true,
    rstrip: token.rstrip === true,
    normalized: typeof token.normalized === 'boolean' ? token.normalized : !special,
  }
}

function additional(files: readonly (readonly [JsonObject, string])[]): (string | undefined)[] {
  return files.flatMap(([object, file]) => {
    const field = 'additional_special_tokens'
    const list = Array.isArray(object[field])
      ? listField(object, field, file)
      : Object.values(objectField(object, field, file) ?? {})
    return list.map((token) => contentOf(token, field, file))
  })
}

/** A token of these files: a string, or an object with a content. */
function contentOf(token: unknown, field: string, file: string): string | undefined {
  if (token === undefined || token === null) return undefined
  if (typeof token === 'string') return token
  if (isObject(token) && typeof token.content === 'string') return token.content
  throw new TokenizerError(`${file}: ${field} must be a string or an object with a content, got ${shown(token)}`, {
    file,
  })
}
