/** Finds and reads the tokenizer of a folder. */
import { requireCallback, requireOptions, shown, TokenizerError } from '../errors.js'
import { type Tokenizer } from '../tokenizer.js'
import { parseObject, type JsonObject } from './json.js'
import { settingsOf } from './settings.js'
import { tokenizerFromJson } from './tokenizerJson.js'
import { tokenizerFromVocabulary, type VocabularyFiles } from './vocabularyFiles.js'

/** Where the files of a tokenizer are; a checkpoint folder is one. */
export interface TokenizerFiles {
  /** Text of a file; undefined when there is none of that name. */
  readText(name: string): Promise<string | undefined>
}

/** How a tokenizer is loaded. */
export interface LoadOptions {
  /** Told what is wrong but could be worked around; default: `console.warn`. */
  readonly onWarning?: (message: string) => void
}

/**
 * The tokenizer of a folder: `tokenizer.json`, or `vocab.json` with `merges.txt` where that is missing or broken (told as a warning
 * with the file and its length), or `merges.txt` alone. `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and
 * `special_tokens.txt` are read beside them.
 *
 * @throws TokenizerError that names the file and the rule it breaks; of kind `unsupported` for sound files of other models
 */
export async function loadTokenizer(files: TokenizerFiles, options: LoadOptions = {}): Promise<Tokenizer> {
  if (typeof (files as TokenizerFiles | undefined)?.readText !== 'function')
    throw new TokenizerError(
      `loadTokenizer: files must have a method readText(name), got ${shown(files)}; pass a folder of @tarazed/checkpoint`,
    )
  const onWarning = warningsOf('loadTokenizer', options)
  const config = await readObject(files, 'tokenizer_config.json')
  const settings = settingsOf(config, await readObject(files, 'special_tokens_map.json'))
  const json = await readText(files, 'tokenizer.json')
  const fallback = await vocabularyFiles(files)
  if (json !== undefined) {
    try {
      return tokenizerFromJson(parseObject(json, 'tokenizer.json'), settings, onWarning)
    } catch (error) {
      if (fallback === undefined || !(error instanceof TokenizerError) || error.kind !== 'broken') throw error
      onWarning(
        `${error.message} (tokenizer.json has ${json.length} characters); using vocab.json and merges.txt instead`,
      )
    }
  }
  if (fallback === undefined)
    throw new TokenizerError(
      'loadTokenizer: there must be a tokenizer.json, or a vocab.json with merges.txt, or a merges.txt, got none of them; ' +
        'copy the tokenizer files that belong to the model into this folder',
    )
  return tokenizerFromVocabulary(fallback, settings, onWarning)
}

/**
 * Where warnings go.
 * @throws TokenizerError when the options are not those of loading
 */
export function warningsOf(place: string, options: LoadOptions): (message: string) => void {
  requireOptions(place, options, ['onWarning'])
  requireCallback(`${place}: onWarning`, options.onWarning)
  return options.onWarning ?? ((message) => console.warn(message))
}

async function readText(files: TokenizerFiles, name: string): Promise<string | undefined> {
  const text: unknown = await files.readText(name)
  if (text === undefined || text === null) return undefined
  if (typeof text === 'string') return text
  throw new TokenizerError(`loadTokenizer: readText must give strings or undefined, got ${shown(text)} for ${name}`)
}

async function readObject(files: TokenizerFiles, name: string): Promise<JsonObject> {
  const text = await readText(files, name)
  return text === undefined ? {} : parseObject(text, name)
}

async function vocabularyFiles(files: TokenizerFiles): Promise<VocabularyFiles | undefined> {
  const merges = await readText(files, 'merges.txt')
  if (merges === undefined) return undefined
  const [vocab, added, special] = await Promise.all(
    ['vocab.json', 'added_tokens.json', 'special_tokens.txt'].map((name) => readText(files, name)),
  )
  return { merges, vocab, added, special }
}
