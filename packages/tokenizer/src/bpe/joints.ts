/**
 * Where a piece can be cut without changing its tokens: between two characters that no merge ever joins. Chinese has no blanks, so
 * that nearly every clause is a piece of its own; cut at such places it falls into words that the cache knows.
 *
 * A merge over the border of the characters a and b has on its left all of a or the last bytes of a, and on its right all of b or the
 * first bytes of b. So it is enough to look at the ends of the tokens of every merge. Only characters of three bytes in UTF-8 are
 * considered; a border that is taken for a joint though it is none costs time, never ids.
 */

const FILTER_BITS = 20

/** The borders of three-byte characters that some merge may reach over. */
export class Joints {
  /** A Bloom filter of pairs of whole characters. */
  readonly #pairs = new Int32Array(1 << (FILTER_BITS - 5))
  /** Per left character, a bit for each first byte (its low four bits) of right characters of which only some bytes are merged. */
  readonly #leadsAfter = new Uint16Array(1 << 16)
  /** Right characters that are merged with some last bytes of the character before. */
  readonly #afterBytes = new Uint8Array(1 << 16)
  /** Per last byte of the left character (its low six bits), a bit for each first byte of the right one. */
  readonly #bytes = new Uint16Array(64)

  /** Takes a merge into account, by the bytes of its two tokens. */
  add(left: Uint8Array, right: Uint8Array): void {
    const lead = right[0]
    if ((lead & 0xf0) !== 0xe0) return
    const last = lastCharacter(left)
    const lastByte = left[left.length - 1]
    const onlyBytes = last === undefined
    if (onlyBytes && !(left.length < 3 && left.every((byte) => (byte & 0xc0) === 0x80))) return
    const nibble = 1 << (lead & 0xf)
    if (right.length < 3) {
      if (onlyBytes) this.#bytes[lastByte & 0x3f] |= nibble
      else this.#leadsAfter[last] |= nibble
    } else {
      const first = codeOf(right, 0)
      if (onlyBytes) this.#afterBytes[first] = 1
      else {
        const hash = hashOfPair(last, first)
        this.#pairs[hash >>> 5] |= 1 << (hash & 31)
      }
    }
  }

  /** Whether a merge may reach over the border of two three-byte characters, given by their code units. */
  joins(left: number, right: number): boolean {
    const hash = hashOfPair(left, right)
    if ((this.#pairs[hash >>> 5] >>> (hash & 31)) & 1) return true
    const lead = right >> 12
    return (((this.#leadsAfter[left] | this.#bytes[left & 0x3f]) >> lead) & 1) === 1 || this.#afterBytes[right] === 1
  }
}

/** Whether a UTF-16 unit is a character of three bytes. */
export function isThreeBytes(unit: number): boolean {
  return unit >= 0x800 && (unit & 0xf800) !== 0xd800
}

/** The three-byte character that a token ends with, or undefined. */
function lastCharacter(bytes: Uint8Array): number | undefined {
  const at = bytes.length - 3
  const isWhole =
    at >= 0 && (bytes[at] & 0xf0) === 0xe0 && (bytes[at + 1] & 0xc0) === 0x80 && (bytes[at + 2] & 0xc0) === 0x80
  return isWhole ? codeOf(bytes, at) : undefined
}

function codeOf(bytes: Uint8Array, at: number): number {
  return ((bytes[at] & 0xf) << 12) | ((bytes[at + 1] & 0x3f) << 6) | (bytes[at + 2] & 0x3f)
}

function hashOfPair(left: number, right: number): number {
  return Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b) >>> (32 - FILTER_BITS)
}
