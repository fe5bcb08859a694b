/** A tokenizer from the object of a `tokenizer.json`. */
import { type AddedToken } from '../addedTokens.js'
import { gpt2Splitter, patternSplitter, splitterOf, splitterOfConfig, type Splitter } from '../bpe/splitters.js'
import { shown, TokenizerError } from '../errors.js'
import { type Tokenizer } from '../tokenizer.js'
import { byteLevelTokenizer } from './byteLevel.js'
import { frameOf } from './frame.js'
import { isObject, listField, objectField, stepsOf, type JsonObject } from './json.js'
import { parseMergeList } from './merges.js'
import { normalizerOf } from './normalizers.js'
import { addedTokenOf, type Settings } from './settings.js'
import { unigramTokenizer } from './unigram.js'

const FILE = 'tokenizer.json'

/** @throws TokenizerError of kind `unsupported` for models that are neither byte-level BPE nor unigram, `broken` for all else */
export function tokenizerFromJson(
  json: JsonObject,
  settings: Settings,
  onWarning: (message: string) => void,
): Tokenizer {
  const model = objectField(json, 'model', FILE)
  if (model === undefined)
    throw new TokenizerError(
      `${FILE}: must have a model, got ${Object.keys(json).slice(0, 8).join(', ') || 'no field'}`,
      { file: FILE },
    )
  if (isObject(json.truncation))
    onWarning(`${FILE}: asks for truncation, which is never done here: nothing is cut silently`)
  const type = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : model.merges === undefined ? undefined : 'BPE')
  const added = listField(json, 'added_tokens', FILE).map((token) => addedTokenOf(token, FILE))
  switch (type) {
    case 'BPE':
      return fromBpe(json, model, added, settings)
    case 'Unigram':
      return unigramTokenizer({ file: FILE, json, model, added, settings })
    default:
      throw unsupported(`model of type ${shown(type)}; byte-level BPE and Unigram can be read`)
  }
}

function fromBpe(json: JsonObject, model: JsonObject, added: readonly AddedToken[], settings: Settings): Tokenizer {
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout']) {
    if (model[field] !== null && model[field] !== undefined && model[field] !== '' && model[field] !== 0)
      throw unsupported(`model with ${field} ${shown(model[field])}`)
  }
  const vocab = objectField(model, 'vocab', FILE)
  if (vocab === undefined) throw new TokenizerError(`${FILE}: a BPE model must have a vocab`, { file: FILE })
  return byteLevelTokenizer({
    file: FILE,
    vocab: Object.entries(vocab),
    merges: parseMergeList(listField(model, 'merges', FILE), FILE),
    added,
    settings,
    unknown: typeof model.unk_token === 'string' ? model.unk_token : undefined,
    ignoreMerges: model.ignore_merges === true,
    normalizer: normalizerOf(json, FILE),
    frame: frameOf(json, FILE),
    ...splitting(json),
  })
}

/** The steps of the pre-tokenizer; one of them must be ByteLevel. */
function splitting(json: JsonObject): { splitter?: Splitter; addPrefixSpace: boolean } {
  const steps = stepsOf(objectField(json, 'pre_tokenizer', FILE), 'pretokenizers', FILE)
  const byteLevel = steps.find(({ type }) => type === 'ByteLevel')
  if (byteLevel === undefined)
    throw unsupported(
      `BPE model without a ByteLevel pre_tokenizer (there is ${steps.map(({ type }) => shown(type)).join(', ') || 'none'})`,
    )
  const addPrefixSpace = byteLevel.add_prefix_space === true
  if (steps.length === 1 && byteLevel.use_regex !== false) return { addPrefixSpace }
  return { splitter: splitterOf(steps.flatMap(splittersOfStep)), addPrefixSpace }
}

function splittersOfStep(step: JsonObject): Splitter[] {
  switch (step.type) {
    case 'ByteLevel':
      return step.use_regex === false ? [] : [gpt2Splitter]
    case 'Split':
      return [splitterOfConfig(step, FILE)]
    case 'Digits':
      return [patternSplitter(step.individual_digits === true ? /\p{N}/gu : /\p{N}+/gu, 'isolated')]
    default:
      throw unsupported(`pre_tokenizer step of type ${shown(step.type)}; ByteLevel, Split and Digits can be read`)
  }
}

function unsupported(what: string): TokenizerError {
  return new TokenizerError(`${FILE}: ${what} cannot be had here`, { file: FILE, kind: 'unsupported' })
}
