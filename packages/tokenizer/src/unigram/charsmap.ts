/**
 * The normalisation table that SentencePiece compiles into its models: a Darts double array over UTF-8, whose values point at
 * NUL-ended replacements. At every place the longest match is replaced.
 *
 * @source github google/sentencepiece, src/normalizer.cc; github s-yata/darts-clone, include/darts.h
 */
import { TokenizerError } from '../errors.js'
import { isPair } from '../characterClasses.js'
import { editedText, type Edit, type Normalized, type Normalizer } from '../normalization.js'
import { writeUtf8 } from '../utf8.js'

/** No replacement is looked for beyond so many units: the longest keys of the usual tables have a few characters. */
const LONGEST_KEY_UNITS = 64

/** A replacement of text that begins at a place. */
interface Found {
  /** Units of the text that go. */
  readonly length: number
  readonly text: string
}

/**
 * A normaliser from the table's bytes: u32 size of the double array, the array, the replacements.
 * @throws TokenizerError when the sizes do not fit
 */
export function charsmapNormalizer(table: Uint8Array, file: string): Normalizer {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const size = table.length >= 4 ? view.getUint32(0, true) : 0
  if (size === 0 || size % 4 !== 0 || size > table.length - 4)
    throw new TokenizerError(
      `${file}: the precompiled charsmap must begin with the size of its trie, at most ${table.length - 4} bytes, got ${size}`,
      { file },
    )
  const units = Uint32Array.from({ length: size / 4 }, (_, k) => view.getUint32(4 + 4 * k, true))
  const replacements = table.subarray(4 + size)
  return { normalize: (text) => normalize(text, units, replacements) }
}

function normalize(text: string, units: Uint32Array, replacements: Uint8Array): Normalized {
  const edits: Edit[] = []
  for (let at = 0; at < text.length;) {
    const found = longest(text, at, units, replacements)
    if (found !== undefined) edits.push({ from: at, to: at + found.length, text: found.text })
    at += found?.length ?? (isPair(text, at, text.length) ? 2 : 1)
  }
  return editedText(text, edits)
}

const keyBytes = new Uint8Array(3 * LONGEST_KEY_UNITS)
const keyUnits = new Int32Array(3 * LONGEST_KEY_UNITS)

function longest(text: string, at: number, units: Uint32Array, replacements: Uint8Array): Found | undefined {
  const limit = Math.min(text.length, at + LONGEST_KEY_UNITS)
  const count = writeUtf8(text, at, limit, keyBytes, keyUnits)
  let node = offsetOf(units[0])
  let value = -1
  let length = 0
  for (let k = 0; k < count; k++) {
    node ^= keyBytes[k]
    const unit = units[node]
    if (unit === undefined || (unit & 0x800000ff) !== keyBytes[k]) break
    node ^= offsetOf(unit)
    // A match ends with a character: keys are whole strings.
    if ((unit >> 8) & 1 && (k + 1 === count || keyUnits[k + 1] !== keyUnits[k])) {
      value = (units[node] ?? 0) & 0x7fffffff
      length = (k + 1 === count ? limit : keyUnits[k + 1]) - at
    }
  }
  return value < 0 ? undefined : { length, text: textAt(replacements, value) }
}

/** Where the children of a node of the double array begin, relative to the node. */
function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6)
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

function textAt(replacements: Uint8Array, from: number): string {
  const end = replacements.indexOf(0, from)
  return utf8.decode(replacements.subarray(from, end < 0 ? replacements.length : end))
}
