/**
 * The four classes of characters that the GPT-2 pattern knows, from the engine's own Unicode tables, kept after the first look.
 * White space means Unicode White_Space: JavaScript's `\s` lacks U+0085 and wrongly has U+FEFF.
 */

export const LETTER = 1
export const NUMBER = 2
export const SPACE = 3
export const OTHER = 4

/** Class of a UTF-16 unit; 0 where it has not been asked for. Surrogates stay 0: they need their partner. */
const unitClasses = new Uint8Array(0x10000)
/** Class of code points from U+10000 on; made when the first one is met. */
let supplementaryClasses: Uint8Array | undefined

/** The table of units, for inner loops; an entry may still be 0, then {@link classAt} fills it. */
export function unitClassTable(): Uint8Array {
  return unitClasses
}

/**
 * Class of the character that starts at a unit.
 * @param limit the text is looked at up to here only
 */
export function classAt(text: string, at: number, limit: number): number {
  const unit = text.charCodeAt(at)
  const known = unitClasses[unit]
  if (known !== 0) return known
  if (unit >= 0xd800 && unit < 0xe000) return isPair(text, at, limit) ? classOfPair(text, at) : OTHER
  return (unitClasses[unit] = classify(text[at]))
}

/** Whether a character of two units starts here. */
export function isPair(text: string, at: number, limit: number): boolean {
  if (at + 1 >= limit || (text.charCodeAt(at) & 0xfc00) !== 0xd800) return false
  return (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00
}

function classOfPair(text: string, at: number): number {
  const index = ((text.charCodeAt(at) & 0x3ff) << 10) | (text.charCodeAt(at + 1) & 0x3ff)
  supplementaryClasses ??= new Uint8Array(0x100000)
  const known = supplementaryClasses[index]
  if (known !== 0) return known
  return (supplementaryClasses[index] = classify(text.slice(at, at + 2)))
}

function classify(character: string): number {
  if (/^\p{L}$/u.test(character)) return LETTER
  if (/^\p{N}$/u.test(character)) return NUMBER
  return /^\p{White_Space}$/u.test(character) ? SPACE : OTHER
}
