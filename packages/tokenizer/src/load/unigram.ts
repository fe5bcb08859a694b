/** A unigram tokenizer from the object of a tokenizer.json. */
import { type AddedToken } from '../addedTokens.js'
import { shown, TokenizerError } from '../errors.js'
import { SubwordTokenizer } from '../subwordTokenizer.js'
import { type Tokenizer } from '../tokenizer.js'
import { UnigramModel } from '../unigram/unigramModel.js'
import { wordSplitter, type MetaspaceOptions, type WordSplitter } from '../unigram/words.js'
import { Vocabulary } from '../vocabulary.js'
import { frameOf, requireFrame } from './frame.js'
import { isObject, listField, objectField, stepsOf, type JsonObject } from './json.js'
import { normalizerOf } from './normalizers.js'
import { type Settings } from './settings.js'

const BLANK = '\u2581'

/** What a unigram tokenizer is made from. */
export interface UnigramParts {
  readonly file: string
  readonly json: JsonObject
  readonly model: JsonObject
  readonly added: readonly AddedToken[]
  readonly settings: Settings
}

/** @throws TokenizerError when something is missing, contradicts itself or cannot be had */
export function unigramTokenizer({ file, json, model, added, settings }: UnigramParts): Tokenizer {
  const pieces = piecesOf(model, file)
  const unknown = model.unk_id
  if (!Number.isInteger(unknown) || pieces[unknown as number] === undefined)
    throw new TokenizerError(`${file}: unk_id of a Unigram model must be the id of a token, got ${shown(unknown)}`, {
      file,
    })
  const vocabulary = Vocabulary.of(
    pieces.map(([token], id) => [token, id] as const),
    added,
    file,
  )
  return new SubwordTokenizer({
    vocabulary,
    added,
    texts: textsOf(vocabulary, added, objectField(json, 'decoder', file), model.byte_fallback === true, file),
    model: new UnigramModel({
      pieces,
      unknown: unknown as number,
      byteIds: model.byte_fallback === true ? byteIdsOf(vocabulary) : undefined,
      split: splitterOf(objectField(json, 'pre_tokenizer', file), file),
    }),
    normalizer: normalizerOf(json, file),
    roles: settings.roles,
    cleanUp: settings.cleanUp,
    modelMaxLength: settings.modelMaxLength,
    frame: requireFrame(frameOf(json, file), vocabulary.tokens, file),
  })
}

function piecesOf(model: JsonObject, file: string): (readonly [string, number])[] {
  return listField(model, 'vocab', file).map((entry, id) => {
    if (
      Array.isArray(entry) &&
      typeof entry[0] === 'string' &&
      typeof entry[1] === 'number' &&
      Number.isFinite(entry[1])
    )
      return [entry[0], entry[1]]
    throw new TokenizerError(
      `${file}: entry ${id} of a Unigram vocab must be a token and its score, got ${shown(entry)}`,
      { file },
    )
  })
}

/** All 256 byte tokens, or undefined when one is missing. */
function byteIdsOf(vocabulary: Vocabulary): number[] | undefined {
  const ids = Array.from({ length: 256 }, (_, byte) => vocabulary.ids.get(byteToken(byte)))
  return ids.every((id) => id !== undefined) ? ids : undefined
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

function splitterOf(config: JsonObject | undefined, file: string): WordSplitter {
  const steps = stepsOf(config, 'pretokenizers', file)
  const types = steps.map(({ type }) => type)
  const known = types.every((type, k) => type === 'Metaspace' || (type === 'WhitespaceSplit' && k === 0))
  if (!known || types.filter((type) => type === 'Metaspace').length > 1)
    throw new TokenizerError(
      `${file}: pre_tokenizer of a Unigram model must be Metaspace, WhitespaceSplit or both, got ${types.map(shown).join(', ')}`,
      { file, kind: 'unsupported' },
    )
  const metaspace = steps.find(({ type }) => type === 'Metaspace')
  return wordSplitter(types[0] === 'WhitespaceSplit', metaspace === undefined ? undefined : metaspaceOf(metaspace))
}

function metaspaceOf(config: JsonObject): MetaspaceOptions {
  return {
    replacement: typeof config.replacement === 'string' ? config.replacement : BLANK,
    prepend: prependOf(config),
    split: config.split !== false,
  }
}

/** Older files have `add_prefix_space` instead of `prepend_scheme`. */
function prependOf({ prepend_scheme: scheme, add_prefix_space: legacy }: JsonObject): MetaspaceOptions['prepend'] {
  if (scheme === 'first' || scheme === 'never' || scheme === 'always') return scheme
  return legacy === false ? 'never' : 'always'
}

/** What decoding takes off the first token: every visible blank, one blank, or nothing. */
type FirstToken = 'all' | 'one' | 'none'

function textsOf(
  vocabulary: Vocabulary,
  added: readonly AddedToken[],
  decoder: JsonObject | undefined,
  byteFallback: boolean,
  file: string,
) {
  const { replacement, first } = decodingOf(decoder, file)
  const utf8 = new TextEncoder()
  const plain = new Set(added.map(({ id }) => id))
  const bytesOf = (token: string, id: number): Uint8Array => {
    if (plain.has(id)) return utf8.encode(token)
    if (byteFallback && /^<0x[0-9A-F]{2}>$/.test(token)) return Uint8Array.of(Number.parseInt(token.slice(3, 5), 16))
    return utf8.encode(token.replaceAll(replacement, ' '))
  }
  const firstBytes = (id: number): Uint8Array => {
    const token = vocabulary.tokens[id] ?? ''
    if (plain.has(id) || first === 'none') return bytesOf(token, id)
    const bare =
      first === 'all'
        ? token.replaceAll(replacement, '')
        : token.startsWith(replacement)
          ? token.slice(replacement.length)
          : token
    return bytesOf(bare, id)
  }
  return {
    bytes: vocabulary.tokens.map((token, id) => (token === undefined ? undefined : bytesOf(token, id))),
    firstBytes,
    special: new Set(added.filter(({ special }) => special).map(({ id }) => id)),
  }
}

/** `Metaspace`, or the steps that do the same in newer files. */
function decodingOf(
  decoder: JsonObject | undefined,
  file: string,
): { readonly replacement: string; readonly first: FirstToken } {
  if (decoder === undefined) return { replacement: BLANK, first: 'all' }
  if (decoder.type === 'Metaspace') {
    const { replacement, prepend } = metaspaceOf(decoder)
    return { replacement: replacement === '' ? BLANK : replacement, first: prepend === 'never' ? 'none' : 'all' }
  }
  let first: FirstToken = 'none'
  for (const step of stepsOf(decoder, 'decoders', file)) {
    if (!isKnownStep(step))
      throw new TokenizerError(`${file}: decoder step ${shown(step.type)} of a Unigram model cannot be had here`, {
        file,
        kind: 'unsupported',
      })
    if (step.type === 'Strip') first = 'one'
    if (step.type === 'Metaspace') first = prependOf(step) === 'never' ? 'none' : 'all'
  }
  return { replacement: BLANK, first }
}

function isKnownStep({ type, pattern, content, start, stop }: JsonObject): boolean {
  switch (type) {
    case 'Metaspace':
    case 'ByteFallback':
    case 'Fuse':
      return true
    case 'Replace':
      return isObject(pattern) && pattern.String === BLANK && content === ' '
    case 'Strip':
      return content === ' ' && start === 1 && stop === 0
    default:
      return false
  }
}
