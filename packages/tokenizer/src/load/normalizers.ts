/** Normalisers of a tokenizer.json: SentencePiece's tables by ourselves, the others by the library. */
import { SequenceNormalizer } from '@huggingface/tokenizers'
import { shown, TokenizerError } from '../errors.js'
import { alignedNormalizer, chainedNormalizers, type Normalizer } from '../normalization.js'
import { charsmapNormalizer } from '../unigram/charsmap.js'
import { isObject, listField, objectField, type JsonObject } from './json.js'

/**
 * The normaliser that a file names, or undefined.
 * @throws TokenizerError of kind `unsupported` for one that the library does not know
 */
export function normalizerOf(json: JsonObject, file: string): Normalizer | undefined {
  const config = objectField(json, 'normalizer', file)
  const steps = config === undefined ? [] : stepsOf(config, file)
  return steps.length === 0 ? undefined : chainedNormalizers(steps)
}

function stepsOf(config: JsonObject, file: string): Normalizer[] {
  switch (config.type) {
    case 'Sequence':
      return listField(config, 'normalizers', file).flatMap((step) => {
        if (isObject(step)) return stepsOf(step, file)
        throw new TokenizerError(`${file}: a step of normalizer must be an object, got ${shown(step)}`, { file })
      })
    case 'Precompiled':
      return typeof config.precompiled_charsmap === 'string'
        ? [charsmapNormalizer(bytesOfBase64(config.precompiled_charsmap, file), file)]
        : []
    default:
      return [libraryStep(config, file)]
  }
}

function libraryStep(config: JsonObject, file: string): Normalizer {
  try {
    // The library checks the configuration, whose type it does not export, when it builds the steps.
    const steps = new SequenceNormalizer({ type: 'Sequence', normalizers: [config] } as never)
    const normalize = (text: string): string => steps.normalize(text)
    if (typeof normalize('a') !== 'string') throw new TypeError('it gives no text')
    return alignedNormalizer(normalize)
  } catch (cause) {
    throw new TokenizerError(
      `${file}: normalizer of type ${shown(config.type)} cannot be had here: ${(cause as Error).message}`,
      { file, kind: 'unsupported', cause },
    )
  }
}

function bytesOfBase64(text: string, file: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new TokenizerError(
      `${file}: precompiled_charsmap must be base64, got ${text.length} characters that are not`,
      {
        file,
        cause,
      },
    )
  }
}
