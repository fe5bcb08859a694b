/** Random texts for property tests: the same for the same seed. */

/** Numbers in [0, 1). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** An integer in [0, limit). */
export function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit)
}

/** One of a list. */
export function pick<T>(random: () => number, list: ArrayLike<T>): T {
  return list[below(random, list.length)]
}

/** Characters that splitting has to tell apart: contractions, spaces of all kinds, letters and digits of many scripts, emoji, halves of pairs. */
export const ODD_CHARACTERS: readonly string[] = [
  ...`abcstdmlvrez'’ABC019 \t\n\r\v\f.,!?#<>[]|_-`,
  ...' \u0085\u00a0\u1680\u2003\u2028\u3000\ufeff\u200b\u200d\u00ad',
  ...'éßЖωאبकあア你好，。１Ⅷ½²',
  '👍',
  '🏽',
  '𠮷',
  '𝟘',
  '\u0301',
  '\ud83d',
  '\udc4d',
  "'s",
  "'ll",
  "'RE",
  '  ',
]

/** A text of random characters of a list. */
export function randomText(
  random: () => number,
  length: number,
  characters: readonly string[] = ODD_CHARACTERS,
): string {
  let text = ''
  for (let k = 0; k < length; k++) text += pick(random, characters)
  return text
}

/** The text with lone surrogates made U+FFFD, as UTF-8 would have it. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}
