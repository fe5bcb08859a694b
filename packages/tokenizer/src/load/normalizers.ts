/** Normalisers of a tokenizer.json, run by the library. */
import { SequenceNormalizer } from '@huggingface/tokenizers'
import { shown, TokenizerError } from '../errors.js'
import { alignedNormalizer, type Normalizer } from '../normalization.js'
import { isObject, objectField, type JsonObject } from './json.js'

/**
 * The normaliser that a file names, or undefined.
 * @throws TokenizerError of kind `unsupported` for one that the library does not know
 */
export function normalizerOf(json: JsonObject, file: string): Normalizer | undefined {
  const config = objectField(json, 'normalizer', file)
  if (config === undefined || isEmpty(config)) return undefined
  try {
    // The library checks the configuration, whose type it does not export, when it builds the steps.
    const steps = new SequenceNormalizer({ type: 'Sequence', normalizers: [config] } as never)
    const normalize = (text: string): string => steps.normalize(text)
    normalize('a')
    return alignedNormalizer(normalize)
  } catch (cause) {
    throw new TokenizerError(
      `${file}: normalizer of type ${shown(config.type)} cannot be had here: ${(cause as Error).message}`,
      {
        file,
        kind: 'unsupported',
        cause,
      },
    )
  }
}

function isEmpty(config: JsonObject): boolean {
  return (
    config.type === 'Sequence' && Array.isArray(config.normalizers) && config.normalizers.filter(isObject).length === 0
  )
}
