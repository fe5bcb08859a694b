/** The merges of a vocabulary: from text to ranks of pairs of ids. */
import { type Merges } from '../bpe/merger.js'
import { MergeTable } from '../bpe/mergeTable.js'
import { BYTE_TO_CHARACTER } from '../byteAlphabet.js'
import { shown, TokenizerError } from '../errors.js'

/** Two tokens that become one. */
export type TokenPair = readonly [left: string, right: string]

/**
 * The lines of a `merges.txt`. Only the first line can be a comment: merges that begin with `#` are real ones.
 * @param isToken whether a first line that begins with `#` could be a merge after all
 * @throws TokenizerError with the number of a line that is not two tokens
 */
export function parseMergesText(text: string, file: string, isToken: (token: string) => boolean): TokenPair[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
  const first = lines[0].startsWith('\ufeff') ? lines[0].slice(1) : lines[0]
  const begin = isComment(first, isToken) ? 1 : 0
  const pairs: TokenPair[] = []
  for (let k = begin; k < lines.length; k++) {
    const line = k === 0 ? first : lines[k]
    if (line !== '') pairs.push(pairOfLine(line, `${file}: line ${k + 1}`, file))
  }
  return pairs
}

function isComment(line: string, isToken: (token: string) => boolean): boolean {
  if (!line.startsWith('#')) return false
  return line.startsWith('#version') || !isToken(line.replace(' ', ''))
}

/**
 * The `merges` of a tokenizer.json or of GGUF metadata: strings with a blank, or pairs of strings.
 * @throws TokenizerError with the index of an entry that is neither
 */
export function parseMergeList(list: readonly unknown[], file: string): TokenPair[] {
  return list.map((entry, k) => {
    if (typeof entry === 'string') return pairOfLine(entry, `${file}: merge ${k}`, file)
    if (Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string' && typeof entry[1] === 'string')
      return [entry[0], entry[1]]
    throw new TokenizerError(`${file}: merge ${k} must be two tokens, got ${shown(entry)}`, { file })
  })
}

function pairOfLine(line: string, place: string, file: string): TokenPair {
  const blank = line.indexOf(' ')
  if (blank <= 0 || blank === line.length - 1 || line.includes(' ', blank + 1))
    throw new TokenizerError(`${place} must be two tokens with a blank between them, got ${shown(line)}`, { file })
  return [line.slice(0, blank), line.slice(blank + 1)]
}

/**
 * Ranks by ids. Of a pair that is listed twice the last rank counts, as in the reference libraries.
 * @throws TokenizerError when a merge has a token that the vocabulary lacks
 */
export function indexMerges(pairs: readonly TokenPair[], ids: ReadonlyMap<string, number>, file: string): Merges {
  const lefts = new Int32Array(pairs.length)
  const rights = new Int32Array(pairs.length)
  const merged = new Int32Array(pairs.length)
  for (let rank = 0; rank < pairs.length; rank++) {
    const [left, right] = pairs[rank]
    lefts[rank] = ids.get(left) ?? missing(pairs[rank], rank, left, file)
    rights[rank] = ids.get(right) ?? missing(pairs[rank], rank, right, file)
    merged[rank] = ids.get(left + right) ?? missing(pairs[rank], rank, left + right, file)
  }
  return {
    byteIds: Int32Array.from(BYTE_TO_CHARACTER, (character) => ids.get(character) ?? -1),
    ranks: new MergeTable(lefts, rights),
    merged,
  }
}

function missing([left, right]: TokenPair, rank: number, token: string, file: string): never {
  throw new TokenizerError(
    `${file}: merge ${rank} (${shown(left)} + ${shown(right)}) needs the token ${shown(token)}, which the vocabulary lacks; ` +
      'the files belong to different tokenizers, or one is cut off',
    { file },
  )
}
