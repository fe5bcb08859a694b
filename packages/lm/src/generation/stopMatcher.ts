/** Stop strings in text that arrives in pieces. */

/** What may be shown after a piece, and the stop string that ended the text, if one did. */
export interface Matched {
  readonly text: string
  readonly stoppedBy: string | null
}

/**
 * Lets text through up to the first stop string. The end of the text that may be the beginning of one is held back. Where it
 * cuts does not depend on how the text is cut into pieces: the stop string that is complete first counts, of several that
 * are complete at the same character the longest.
 */
export class StopMatcher {
  readonly #stops: readonly string[]
  #held = ''

  /** @param stops not empty strings */
  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** After a match nothing more may be pushed. */
  push(piece: string): Matched {
    const text = this.#held + piece
    const match = this.#firstMatch(text)
    if (match !== null) {
      this.#held = ''
      return { text: text.slice(0, match.begin), stoppedBy: match.stop }
    }
    const safe = text.length - this.#longestBeginning(text)
    this.#held = text.slice(safe)
    return { text: text.slice(0, safe), stoppedBy: null }
  }

  /** What is held back, when no more text comes. */
  flush(): string {
    const held = this.#held
    this.#held = ''
    return held
  }

  #firstMatch(text: string): { begin: number; stop: string } | null {
    let first: { begin: number; end: number; stop: string } | null = null
    for (const stop of this.#stops) {
      const begin = text.indexOf(stop)
      if (begin < 0) continue
      const end = begin + stop.length
      if (first === null || end < first.end || (end === first.end && begin < first.begin)) first = { begin, end, stop }
    }
    return first
  }

  /** Length of the longest end of the text with which some stop string begins. */
  #longestBeginning(text: string): number {
    const longest = Math.max(0, ...this.#stops.map((stop) => stop.length - 1))
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(text.length - length)
      if (this.#stops.some((stop) => stop.startsWith(end))) return length
    }
    return 0
  }
}
