/** The layout of Aquila's vocabularies: end of text, 256 bytes, one token per merge, eight special tokens. */
import { BYTE_TO_CHARACTER, BYTES_IN_ORDER } from '../byteAlphabet.js'
import { type TokenPair } from './merges.js'

/** Id 0: padding and unknown as well. */
export const END_OF_TEXT = '<|endoftext|>'

/** The tokens after the merges, in order. */
export const AQUILA_SPECIAL_TOKENS: readonly string[] = [
  '<|startofpiece|>',
  '<|endofpiece|>',
  '<|LDWANG|>',
  '[MASK]',
  '[gMASK]',
  '[sMASK]',
  '[CLS]',
  '</s>',
]

/** Merges of the published vocabulary. */
const PUBLISHED_MERGES = 99_743

/** The tokens that follow from the merges alone, by id. */
export function vocabularyOfMerges(merges: readonly TokenPair[]): string[] {
  return [
    END_OF_TEXT,
    ...BYTES_IN_ORDER.map((byte) => BYTE_TO_CHARACTER[byte]),
    ...merges.map(([left, right]) => left + right),
  ]
}

/** Whether these are the 100,000 tokens of the published vocabulary, which some files list without the special ones. */
export function lacksAquilaSpecials(firstToken: string | undefined, size: number, merges: number): boolean {
  return firstToken === END_OF_TEXT && merges === PUBLISHED_MERGES && size === PUBLISHED_MERGES + 257
}
