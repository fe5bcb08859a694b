/** Normalisers of a tokenizer.json: SentencePiece's tables by ourselves, the others by the library. */
import { SequenceNormalizer } from '@huggingface/tokenizers'
import { shown, TokenizerError } from '../errors.js'
import { alignedNormalizer, chainedNormalizers, type Normalizer } from '../normalization.js'
import { charsmapNormalizer } from '../unigram/charsmap.js'
import { objectField, stepsOf, type JsonObject } from './json.js'

/**
 * The normaliser that a file names, or undefined.
 * @throws TokenizerError of kind `unsupported` for one that the library does not know
 */
export function normalizerOf(json: JsonObject, file: string): Normalizer | undefined {
  const configs = stepsOf(objectField(json, 'normalizer', file), 'normalizers', file)
  const steps = configs.flatMap((config) => stepOf(config, file) ?? [])
  return steps.length === 0 ? undefined : chainedNormalizers(steps)
}

function stepOf(config: JsonObject, file: string): Normalizer | undefined {
  if (config.type !== 'Precompiled') return libraryStep(config, file)
  const { precompiled_charsmap: table } = config
  return typeof table === 'string' ? charsmapNormalizer(bytesOfBase64(table, file), file) : undefined
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
