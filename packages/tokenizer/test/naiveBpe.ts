/** BPE as its definition says it, without any data structure: the oracle of encoding and training. */
import { BYTES_IN_ORDER, tokenOfBytes } from '../src/byteAlphabet.js'
import { GPT2_PATTERN } from '../src/gpt2Split.js'

/** Tokens of one piece: the lowest rank first, the leftmost of equals. */
export function naiveMerge(tokens: readonly string[], ranks: ReadonlyMap<string, number>): string[] {
  let now = [...tokens]
  for (;;) {
    let best = Infinity
    let at = -1
    for (let k = 0; k + 1 < now.length; k++) {
      const rank = ranks.get(`${now[k]} ${now[k + 1]}`) ?? Infinity
      if (rank < best) [best, at] = [rank, k]
    }
    if (at < 0) return now
    now = [...now.slice(0, at), now[at] + now[at + 1], ...now.slice(at + 2)]
  }
}

/** Characters of the byte alphabet for a piece. */
export function byteTokens(piece: string): string[] {
  return [...tokenOfBytes(new TextEncoder().encode(piece))]
}

/** Merges learnt by counting all pairs of all words anew at every step. */
export function naiveTrain(texts: readonly string[], merges: number, minFrequency: number): string[][] {
  const words = new Map<string, number>()
  for (const text of texts)
    for (const [piece] of text.matchAll(GPT2_PATTERN)) words.set(piece, (words.get(piece) ?? 0) + 1)
  let corpus = [...words].map(([piece, count]) => ({ tokens: byteTokens(piece), count }))
  const ids = new Map(BYTES_IN_ORDER.map((byte, id) => [tokenOfBytes(Uint8Array.of(byte)), id]))
  const learnt: string[][] = []
  while (learnt.length < merges) {
    const counts = new Map<string, number>()
    for (const { tokens, count } of corpus) {
      for (let k = 0; k + 1 < tokens.length; k++) {
        const key = `${tokens[k]} ${tokens[k + 1]}`
        counts.set(key, (counts.get(key) ?? 0) + count)
      }
    }
    const best = [...counts]
      .filter(([, count]) => count >= minFrequency)
      .map(([key, count]) => ({ pair: key.split(' '), count }))
      .sort((a, b) => b.count - a.count || compareIds(a.pair, b.pair, ids))[0]
    if (best === undefined) return learnt
    const [left, right] = best.pair
    ids.set(left + right, ids.size)
    learnt.push([left, right])
    corpus = corpus.map(({ tokens, count }) => ({ tokens: joined(tokens, left, right), count }))
  }
  return learnt
}

function compareIds(a: readonly string[], b: readonly string[], ids: ReadonlyMap<string, number>): number {
  const id = (token: string): number => ids.get(token) ?? Infinity
  return id(a[0]) - id(b[0]) || id(a[1]) - id(b[1])
}

function joined(tokens: readonly string[], left: string, right: string): string[] {
  const result: string[] = []
  for (let k = 0; k < tokens.length; k++) {
    const merges = tokens[k] === left && tokens[k + 1] === right
    result.push(merges ? left + right : tokens[k])
    if (merges) k++
  }
  return result
}
