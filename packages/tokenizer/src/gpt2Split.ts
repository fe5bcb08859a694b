/**
 * The pattern of GPT-2, written out by hand:
 * `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
 * It covers every text without gaps, so a piece is told by its end.
 */
import { classAt, isPair, SPACE, unitClassTable } from './characterClasses.js'

/** The same as a regular expression, with white space as Unicode has it; the oracle of {@link nextPiece}, and slower. */
export const GPT2_PATTERN =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

const APOSTROPHE = 0x27
const BLANK = 0x20

/**
 * End of the piece that starts at `at`.
 * @param at where a piece starts, below `limit`
 * @param limit where the text ends for the pattern
 */
export function nextPiece(text: string, at: number, limit: number): number {
  const unit = text.charCodeAt(at)
  if (unit === APOSTROPHE) {
    const end = endOfContraction(text, at, limit)
    if (end > 0) return end
  }
  const first = classAt(text, at, limit)
  if (first !== SPACE) return endOfRun(text, at, limit, first)
  if (at + 1 === limit) return limit
  if (unit === BLANK) {
    const second = classAt(text, at + 1, limit)
    if (second !== SPACE) return endOfRun(text, at + 1, limit, second)
  }
  return endOfSpaces(text, at, limit)
}

/** A run of white space leaves its last character to what follows it, unless it is the only one. */
function endOfSpaces(text: string, at: number, limit: number): number {
  const end = endOfRun(text, at, limit, SPACE)
  return end === limit || end === at + 1 ? end : end - 1
}

/** End of the characters of one class; the one at `at` is known to be of it. */
function endOfRun(text: string, at: number, limit: number, wanted: number): number {
  const classes = unitClassTable()
  let end = at
  while (end < limit) {
    const known = classes[text.charCodeAt(end)]
    if (known === wanted) end++
    else if (known !== 0 || classAt(text, end, limit) !== wanted) return end
    else end += isPair(text, end, limit) ? 2 : 1
  }
  return end
}

/** End of an English contraction after an apostrophe, or 0. */
function endOfContraction(text: string, at: number, limit: number): number {
  if (at + 1 >= limit) return 0
  switch (text[at + 1]) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return at + 2
    case 'r':
    case 'v':
      return at + 2 < limit && text[at + 2] === 'e' ? at + 3 : 0
    case 'l':
      return at + 2 < limit && text[at + 2] === 'l' ? at + 3 : 0
    default:
      return 0
  }
}
