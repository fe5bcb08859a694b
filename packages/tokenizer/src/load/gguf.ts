/** The tokenizer inside the metadata of a GGUF file. */
import { specialToken, type AddedToken } from '../addedTokens.js'
import { shown, TokenizerError } from '../errors.js'
import { type Tokenizer } from '../tokenizer.js'
import { AQUILA_SPECIAL_TOKENS, lacksAquilaSpecials } from './aquila.js'
import { byteLevelTokenizer } from './byteLevel.js'
import { isObject } from './json.js'
import { warningsOf, type LoadOptions } from './loadTokenizer.js'
import { parseMergeList } from './merges.js'

/** Metadata of a file by key (`tokenizer.ggml.tokens` …). */
export type GgufMetadata = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>

/** The same, taken apart: what `readGgufTokenizer` of @tarazed/checkpoint returns. */
export interface GgufTokens {
  /** By id, in the byte alphabet. */
  readonly tokens: readonly string[]
  /** `left right`, best first. */
  readonly merges: readonly string[]
  /** 3: control token, 4: added by a user; others are ordinary. */
  readonly types?: ArrayLike<number>
  readonly bos?: string
  readonly eos?: string
  readonly pad?: string
  readonly unk?: string
}

const FILE = 'GGUF metadata'
const CONTROL = 3
const USER_DEFINED = 4
/** Names of patterns that mean the one of GPT-2 here: conversions of Aquila name none or `default`. */
const GPT2_PATTERNS = [undefined, 'default', 'gpt-2']

/**
 * A byte-level BPE tokenizer from GGUF metadata. Old conversions of Aquila list 100,000 tokens, without the special ones: then these
 * are appended, with a warning.
 *
 * @throws TokenizerError when the metadata hold no byte-level BPE, or contradict themselves
 */
export function tokenizerFromGguf(source: GgufMetadata | GgufTokens, options: LoadOptions = {}): Tokenizer {
  const onWarning = warningsOf('tokenizerFromGguf', options)
  const { tokens, merges, types, ...roles } = isTokens(source) ? source : fromMetadata(source)
  requireStrings(tokens, 'tokens')
  const names = [...tokens]
  const added = addedOf(names, types)
  if (added.length <= 1 && lacksAquilaSpecials(names[0], names.length, merges.length)) {
    onWarning(`${FILE}: lists the 100,000 tokens of Aquila without the special ones; appended the eight special tokens`)
    for (const content of AQUILA_SPECIAL_TOKENS) added.push(specialToken(content, names.push(content) - 1))
  }
  return byteLevelTokenizer({
    file: FILE,
    vocab: names.map((token, id) => [token, id] as const),
    merges: parseMergeList(merges, FILE),
    added,
    settings: { roles: rolesIn(roles, names), cleanUp: false },
    unknown: roles.unk,
  })
}

function isTokens(source: unknown): source is GgufTokens {
  if (source instanceof Map) return false
  if (!isObject(source))
    throw new TokenizerError(`tokenizerFromGguf: metadata must be a Map or an object, got ${shown(source)}`)
  return 'tokens' in source && 'merges' in source
}

function fromMetadata(metadata: GgufMetadata): GgufTokens {
  const get = (key: string): unknown => {
    const name = `tokenizer.ggml.${key}`
    if (metadata instanceof Map) return metadata.get(name)
    return Object.hasOwn(metadata, name) ? (metadata as Readonly<Record<string, unknown>>)[name] : undefined
  }
  const model = get('model')
  if (model !== 'gpt2') throw unsupported(`tokenizer.ggml.model must be "gpt2" (byte-level BPE), got ${shown(model)}`)
  const pattern = get('pre')
  if (!GPT2_PATTERNS.includes(pattern as string | undefined))
    throw unsupported(`tokenizer.ggml.pre must be gpt-2, default or absent, got ${shown(pattern)}`)
  const tokens = get('tokens')
  requireStrings(tokens, 'tokens')
  const merges = get('merges') ?? []
  requireStrings(merges, 'merges')
  const role = (name: string): string | undefined => tokenOfId(get(`${name}_token_id`), tokens, name)
  return {
    tokens,
    merges,
    types: typesOf(get('token_type'), tokens.length),
    bos: role('bos'),
    eos: role('eos'),
    pad: role('padding'),
    unk: role('unknown'),
  }
}

function unsupported(what: string): TokenizerError {
  return new TokenizerError(`${FILE}: ${what}; put the tokenizer.json of the original model beside the file`, {
    file: FILE,
    kind: 'unsupported',
  })
}

function requireStrings(list: unknown, key: string): asserts list is readonly string[] {
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'string'))
    throw new TokenizerError(`${FILE}: tokenizer.ggml.${key} must be a list of strings, got ${shown(list)}`, {
      file: FILE,
    })
}

function typesOf(types: unknown, count: number): ArrayLike<number> | undefined {
  if (types === undefined) return undefined
  const isList = Array.isArray(types) || (ArrayBuffer.isView(types) && 'length' in types)
  if (!isList || (types as ArrayLike<unknown>).length !== count)
    throw new TokenizerError(`${FILE}: tokenizer.ggml.token_type must hold ${count} numbers, got ${shown(types)}`, {
      file: FILE,
    })
  return types as ArrayLike<number>
}

function tokenOfId(id: unknown, tokens: readonly string[], role: string): string | undefined {
  if (id === undefined) return undefined
  const token = typeof id === 'number' ? tokens[id] : undefined
  if (token !== undefined) return token
  throw new TokenizerError(
    `${FILE}: tokenizer.ggml.${role}_token_id must be the id of one of ${tokens.length} tokens, got ${shown(id)}`,
    { file: FILE },
  )
}

/** Control tokens are special; without types only end of text is known to be. */
function addedOf(tokens: readonly string[], types: ArrayLike<number> | undefined): AddedToken[] {
  if (types === undefined) return lookLikeControl(tokens)
  return tokens.flatMap((token, id) => {
    if (types[id] === CONTROL) return [specialToken(token, id)]
    return types[id] === USER_DEFINED ? [{ ...specialToken(token, id), special: false }] : []
  })
}

function lookLikeControl(tokens: readonly string[]): AddedToken[] {
  const known = new Set(['<|endoftext|>', ...AQUILA_SPECIAL_TOKENS])
  return tokens.flatMap((token, id) => (known.has(token) ? [specialToken(token, id)] : []))
}

function rolesIn(roles: Omit<GgufTokens, 'tokens' | 'merges' | 'types'>, tokens: readonly string[]) {
  const { bos, eos, pad, unk } = roles
  const isAquila = AQUILA_SPECIAL_TOKENS.every((token) => tokens.includes(token))
  return { bos: bos ?? (isAquila ? '[CLS]' : undefined), eos: eos ?? (isAquila ? '</s>' : undefined), pad, unk }
}
