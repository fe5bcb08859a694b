/** A 5-gram model with backoff, for comparison: it knows everything that five tokens in a row can tell. */

const ORDER = 5
/** What every count gives away to shorter contexts. */
const DISCOUNT = 0.75

/**
 * Counts of tokens after contexts of up to four tokens, with absolute discounting:
 * P(w | c) = max(n(c w) - d, 0)/n(c) + d·types(c)/n(c) · P(w | c without its first token).
 *
 * Contexts are numbered: 0 is the empty one, and a context is found from the one that lacks its first token. So all counts lie in
 * two maps from whole numbers, and some millions of tokens are counted in seconds.
 *
 * @source Ney, Essen, Kneser, "On structuring probabilistic dependences in stochastic language modelling", 1994
 */
export class NgramModel {
  readonly #vocabulary: number
  /** context · vocabulary + the token before it → the longer context. */
  readonly #longer = new Map<number, number>()
  /** context · vocabulary + the token after it → how often. */
  readonly #counts = new Map<number, number>()
  /** By context: how many tokens followed it, and which. */
  readonly #totals = [0]
  readonly #followers: number[][] = [[]]

  /** @param vocabulary ids are below it */
  constructor(vocabulary: number) {
    this.#vocabulary = vocabulary
  }

  /** Counts a sequence. */
  add(ids: ArrayLike<number>): void {
    for (let k = 0; k < ids.length; k++) {
      let context = 0
      this.#count(context, ids[k])
      for (let back = 1; back < ORDER && back <= k; back++) {
        context = this.#longerContext(context, ids[k - back])
        this.#count(context, ids[k])
      }
    }
  }

  #count(context: number, id: number): void {
    const key = context * this.#vocabulary + id
    const count = this.#counts.get(key)
    if (count === undefined) this.#followers[context].push(id)
    this.#counts.set(key, (count ?? 0) + 1)
    this.#totals[context]++
  }

  /** The context with one more token before it; made when it is new. */
  #longerContext(context: number, id: number): number {
    const key = context * this.#vocabulary + id
    const known = this.#longer.get(key)
    if (known !== undefined) return known
    const made = this.#totals.push(0) - 1
    this.#followers.push([])
    this.#longer.set(key, made)
    return made
  }

  /** The probability of a token after others; of a token never seen 0. */
  probability(before: readonly number[], id: number): number {
    return this.#probability(this.#contexts(before), id)
  }

  #probability(contexts: readonly number[], id: number): number {
    let probability = 0
    for (const context of contexts) {
      const total = this.#totals[context]
      const count = this.#counts.get(context * this.#vocabulary + id) ?? 0
      const given = Math.max(0, count - DISCOUNT) / total
      probability = given + ((DISCOUNT * this.#followers[context].length) / total) * probability
    }
    return probability
  }

  /** The most probable token after others, the lowest on ties; undefined when nothing was counted. */
  likeliest(before: readonly number[]): number | undefined {
    const contexts = this.#contexts(before)
    // what follows no longer context gets its probability from all text alone, and there the commonest wins
    const candidates = new Set(
      contexts.flatMap((context) => (context === 0 ? this.#commonest() : this.#followers[context])),
    )
    let best: number | undefined
    let most = 0
    for (const id of [...candidates].sort((a, b) => a - b)) {
      const probability = this.#probability(contexts, id)
      if (probability > most) [best, most] = [id, probability]
    }
    return best
  }

  #commonest(): number[] {
    const count = (id: number) => this.#counts.get(id) ?? 0
    return [this.#followers[0].reduce((best, id) => (count(id) > count(best) ? id : best))]
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

  /** The contexts that are known, shortest first; none when nothing was counted. */
  #contexts(before: readonly number[]): number[] {
    if (this.#totals[0] === 0) return []
    const found = [0]
    for (let back = 1; back < ORDER && back <= before.length; back++) {
      const longer = this.#longer.get(found[back - 1] * this.#vocabulary + before[before.length - back])
      if (longer === undefined) break
      found.push(longer)
    }
    return found
  }
}
