/** What `clean_up_tokenization_spaces` does. */

const RULES: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

/** Text without blanks before punctuation and English contractions, rule by rule as the transformers library does it. */
export function cleanUpSpaces(text: string): string {
  let cleaned = text
  for (const [found, replacement] of RULES) cleaned = cleaned.replaceAll(found, replacement)
  return cleaned
}
