/** A 5-gram model with backoff, for comparison: it knows everything that five tokens in a row can tell. */

const ORDER = 5
/** What every count gives away to shorter contexts. */
const DISCOUNT = 0.75

interface Followers {
  total: number
  readonly counts: Map<number, number>
}

/**
 * Counts of tokens after contexts of up to four tokens, with absolute discounting:
 * P(w | c) = max(n(c w) - d, 0)/n(c) + d·types(c)/n(c) · P(w | c without its first token).
 *
 * @source Ney, Essen, Kneser, "On structuring probabilistic dependences in stochastic language modelling", 1994
 */
export class NgramModel {
  readonly #tables: Map<string, Followers>[] = Array.from({ length: ORDER }, () => new Map())

  /** Counts a sequence. */
  add(ids: ArrayLike<number>): void {
    for (let k = 0; k < ids.length; k++) {
      let context = ''
      for (let length = 0; length < ORDER && length <= k; length++) {
        if (length > 0) context = `${ids[k - length]} ${context}`
        this.#count(this.#tables[length], context, ids[k])
      }
    }
  }

  #count(table: Map<string, Followers>, context: string, id: number): void {
    let followers = table.get(context)
    if (followers === undefined) table.set(context, (followers = { total: 0, counts: new Map() }))
    followers.total++
    followers.counts.set(id, (followers.counts.get(id) ?? 0) + 1)
  }

  /** The probability of a token after others; of a token never seen 0. */
  probability(before: readonly number[], id: number): number {
    let probability = 0
    for (const { total, counts } of this.#contexts(before)) {
      const given = Math.max(0, (counts.get(id) ?? 0) - DISCOUNT) / total
      probability = given + ((DISCOUNT * counts.size) / total) * probability
    }
    return probability
  }

  /** The most probable token after others, the lowest on ties; undefined when nothing was counted. */
  likeliest(before: readonly number[]): number | undefined {
    const [all, ...longer] = this.#contexts(before)
    if (all === undefined) return undefined
    // what follows no longer context gets its probability from all text alone, and there the commonest wins
    const candidates = new Set([commonest(all.counts), ...longer.flatMap(({ counts }) => [...counts.keys()])])
    let best: number | undefined
    let most = 0
    for (const id of [...candidates].sort((a, b) => a - b)) {
      const probability = this.probability(before, id)
      if (probability > most) [best, most] = [id, probability]
    }
    return best
  }

  /** Tokens one after the other until `ends`, or until there are enough. */
  continue(before: readonly number[], { most, ends }: { most: number; ends: (id: number) => boolean }): number[] {
    const ids: number[] = []
    while (ids.length < most) {
      const next = this.likeliest([...before, ...ids])
      if (next === undefined || ends(next)) break
      ids.push(next)
    }
    return ids
  }

  /** What is known of the contexts, shortest first. */
  #contexts(before: readonly number[]): Followers[] {
    const found: Followers[] = []
    let context = ''
    for (let length = 0; length < ORDER; length++) {
      if (length > before.length) break
      if (length > 0) context = `${before[before.length - length]} ${context}`
      const followers = this.#tables[length].get(context)
      if (followers === undefined) break
      found.push(followers)
    }
    return found
  }
}

function commonest(counts: ReadonlyMap<number, number>): number {
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0]
}
