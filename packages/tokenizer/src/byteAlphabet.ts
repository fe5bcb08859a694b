/**
 * The byte alphabet of GPT-2: every byte has a printable character, so that tokens of raw bytes can stand in text files.
 * Printable Latin-1 stands for itself, the other 68 bytes are U+0100 and the following.
 *
 * @source github openai/gpt-2, encoder.py, bytes_to_unicode
 */

/** The character of every byte. */
export const BYTE_TO_CHARACTER: readonly string[] = makeAlphabet()

/** Bytes in the order of their ids: by the code point of their character (`!` first). */
export const BYTES_IN_ORDER: readonly number[] = [...BYTE_TO_CHARACTER.keys()].sort(
  (a, b) => BYTE_TO_CHARACTER[a].charCodeAt(0) - BYTE_TO_CHARACTER[b].charCodeAt(0),
)

/** Byte of a UTF-16 unit of the alphabet, -1 for units that are not in it. */
const CHARACTER_TO_BYTE = makeInverse()

/** Bytes of a token written in the alphabet, or undefined when a character is not in it. */
export function bytesOfToken(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length)
  for (let k = 0; k < token.length; k++) {
    const unit = token.charCodeAt(k)
    const byte = unit < CHARACTER_TO_BYTE.length ? CHARACTER_TO_BYTE[unit] : -1
    if (byte < 0) return undefined
    bytes[k] = byte
  }
  return bytes
}

/** Bytes written in the alphabet. */
export function tokenOfBytes(bytes: Uint8Array): string {
  let token = ''
  for (const byte of bytes) token += BYTE_TO_CHARACTER[byte]
  return token
}

function makeAlphabet(): string[] {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad)
    return String.fromCharCode(printable ? byte : next++)
  })
}

function makeInverse(): Int16Array {
  const inverse = new Int16Array(0x144).fill(-1)
  for (const [byte, character] of BYTE_TO_CHARACTER.entries()) inverse[character.charCodeAt(0)] = byte
  return inverse
}
