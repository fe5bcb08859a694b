/** UTF-8 by hand where whole strings are not at hand, or bytes are not whole characters. */

/**
 * Writes a part of a text as UTF-8. A lone surrogate becomes U+FFFD, as everywhere in the platform.
 * @param bytes has room for three bytes per unit
 * @param units when given, the unit where the character of each byte starts
 * @returns how many bytes were written
 */
export function writeUtf8(text: string, from: number, to: number, bytes: Uint8Array, units?: Int32Array): number {
  let count = 0
  for (let at = from; at < to; at++) {
    const start = count
    let code = text.charCodeAt(at)
    let width = 1
    if (code < 0x80) {
      bytes[count++] = code
    } else if (code < 0x800) {
      bytes[count++] = 0xc0 | (code >> 6)
      bytes[count++] = 0x80 | (code & 0x3f)
    } else {
      if ((code & 0xf800) === 0xd800) {
        const low = at + 1 < to ? text.charCodeAt(at + 1) : 0
        width = (code & 0xfc00) === 0xd800 && (low & 0xfc00) === 0xdc00 ? 2 : 1
        code = width === 2 ? 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff) : 0xfffd
      }
      if (code >= 0x10000) {
        bytes[count++] = 0xf0 | (code >> 18)
        bytes[count++] = 0x80 | ((code >> 12) & 0x3f)
      } else {
        bytes[count++] = 0xe0 | (code >> 12)
      }
      bytes[count++] = 0x80 | ((code >> 6) & 0x3f)
      bytes[count++] = 0x80 | (code & 0x3f)
    }
    if (units !== undefined) for (let k = start; k < count; k++) units[k] = at
    at += width - 1
  }
  return count
}

/**
 * How many bytes at the end may still become a character when more follow: 0 to 3. The three bytes of an encoded surrogate are judged
 * together, as Python's incremental decoder does, though they never become one.
 */
export function incompleteBytes(bytes: Uint8Array, count: number): number {
  const most = Math.min(3, count)
  for (let back = 1; back <= most; back++) {
    const byte = bytes[count - back]
    if ((byte & 0xc0) === 0x80) continue
    return canContinue(bytes, count - back, back) ? back : 0
  }
  return 0
}

/** Whether a lead byte and the `have` - 1 continuation bytes after it are the beginning of a longer sequence. */
function canContinue(bytes: Uint8Array, lead: number, have: number): boolean {
  const first = bytes[lead]
  const needed =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0
  if (have >= needed) return false
  if (have === 1) return true
  const second = bytes[lead + 1]
  if (first === 0xe0) return second >= 0xa0
  if (first === 0xf0) return second >= 0x90
  return first !== 0xf4 || second < 0x90
}
