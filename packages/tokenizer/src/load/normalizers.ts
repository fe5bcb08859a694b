/** Normalisers of a tokenizer.json: SentencePiece's tables by ourselves, the others by the library. */
import { SequenceNormalizer } from '@huggingface/tokenizers'
import { shown, TokenizerError } from '../errors.js'
import { patternOf } from '../bpe/splitters.js'
import { alignedNormalizer, chainedNormalizers, editedText, type Normalizer } from '../normalization.js'
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
  switch (config.type) {
    case 'Precompiled': {
      const { precompiled_charsmap: table } = config
      return typeof table === 'string' ? charsmapNormalizer(bytesOfBase64(table, file), file) : undefined
    }
    case 'Prepend':
      return prependStep(config, file)
    case 'Strip':
      return stripStep(config)
    case 'Replace':
      return replaceStep(config, file)
    default:
      return libraryStep(config, file)
  }
}

/** An empty text stays empty. */
function prependStep({ prepend }: JsonObject, file: string): Normalizer {
  if (typeof prepend !== 'string')
    throw new TokenizerError(`${file}: a Prepend normalizer must have a string prepend, got ${shown(prepend)}`, {
      file,
    })
  return { normalize: (text) => editedText(text, text === '' ? [] : [{ from: 0, to: 0, text: prepend }]) }
}

function stripStep({ strip_left: left, strip_right: right }: JsonObject): Normalizer {
  return {
    normalize(text) {
      const from = left === true ? text.length - text.replace(/^\p{White_Space}+/u, '').length : 0
      const to = right === true ? Math.max(from, endOfText(text)) : text.length
      const edits = [
        { from: 0, to: from, text: '' },
        { from: to, to: text.length, text: '' },
      ]
      return editedText(
        text,
        edits.filter((edit) => edit.from < edit.to),
      )
    },
  }
}

/** Where the white space at the end begins. */
function endOfText(text: string): number {
  let end = text.length
  while (end > 0 && /^\p{White_Space}$/u.test(text[end - 1])) end--
  return end
}

function replaceStep({ pattern, content }: JsonObject, file: string): Normalizer {
  const regex = patternOf(pattern, file)
  if (typeof content !== 'string')
    throw new TokenizerError(`${file}: a Replace normalizer must have a string content, got ${shown(content)}`, {
      file,
    })
  return {
    normalize: (text) =>
      editedText(
        text,
        [...text.matchAll(regex)].map(({ index, 0: found }) => ({
          from: index,
          to: index + found.length,
          text: content,
        })),
      ),
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
