/** Tokens that are found in the text before anything else: special tokens, and what users added to a vocabulary. */
import { isPair } from './characterClasses.js'

/** A token beside the model's vocabulary, with the flags of `tokenizer.json`. */
export interface AddedToken {
  readonly content: string
  readonly id: number
  /** Counts only where special tokens count, and can be left out of decoded text. */
  readonly special: boolean
  /** Not inside of words. */
  readonly singleWord: boolean
  /** Takes the white space before it. */
  readonly lstrip: boolean
  /** Takes the white space after it. */
  readonly rstrip: boolean
  /** Looked for in normalised text. */
  readonly normalized: boolean
}

/** A special token as Aquila has them: nothing is stripped, nothing is normalised. */
export function specialToken(content: string, id: number): AddedToken {
  return { content, id, special: true, singleWord: false, lstrip: false, rstrip: false, normalized: false }
}

/** Where an added token stands, with the white space that it takes. */
export interface Match {
  readonly token: AddedToken
  readonly from: number
  readonly to: number
}

interface Node {
  readonly next: Map<number, Node>
  token?: AddedToken
}

/** Finds added tokens: the leftmost, of those the longest. */
export class AddedTokenFinder {
  readonly #root: Node = { next: new Map() }
  /** Whether some token begins with a unit whose low byte this is: one look per unit passes over ordinary text. */
  readonly #begins = new Uint8Array(256)
  readonly #empty: boolean

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) this.#add(token)
    this.#empty = this.#root.next.size === 0
  }

  /**
   * The next token in [at, limit).
   * @param counts whether a token counts at a place
   */
  find(
    text: string,
    at: number,
    limit: number,
    counts: (token: AddedToken, from: number, to: number) => boolean,
  ): Match | undefined {
    if (this.#empty) return undefined
    const begins = this.#begins
    for (let from = at; from < limit; from++) {
      if (begins[text.charCodeAt(from) & 0xff] === 0) continue
      const token = this.#longest(text, from, limit, counts)
      if (token !== undefined) return withSpaces(token, text, from, at, limit)
    }
    return undefined
  }

  #add(token: AddedToken): void {
    if (token.content === '') return
    let node = this.#root
    for (let k = 0; k < token.content.length; k++) {
      const unit = token.content.charCodeAt(k)
      let next = node.next.get(unit)
      if (next === undefined) node.next.set(unit, (next = { next: new Map() }))
      node = next
    }
    node.token = token
    this.#begins[token.content.charCodeAt(0) & 0xff] = 1
  }

  #longest(
    text: string,
    from: number,
    limit: number,
    counts: (token: AddedToken, from: number, to: number) => boolean,
  ): AddedToken | undefined {
    let node: Node | undefined = this.#root
    let found: AddedToken | undefined
    for (let at = from; at < limit; at++) {
      node = node.next.get(text.charCodeAt(at))
      if (node === undefined) break
      const { token } = node
      if (token === undefined || (token.singleWord && !standsAlone(text, from, at + 1))) continue
      if (counts(token, from, at + 1)) found = token
    }
    return found
  }
}

function withSpaces(token: AddedToken, text: string, at: number, least: number, limit: number): Match {
  let from = at
  let to = at + token.content.length
  if (token.lstrip) while (from > least && isSpace(text[from - 1])) from--
  if (token.rstrip) while (to < limit && isSpace(text[to])) to++
  return { token, from, to }
}

function isSpace(character: string): boolean {
  return /^\p{White_Space}$/u.test(character)
}

/** Whether no letter, digit, mark or connector touches a part of a text. */
function standsAlone(text: string, from: number, to: number): boolean {
  const before = from === 0 ? '' : text.slice(isPair(text, from - 2, from) ? from - 2 : from - 1, from)
  const after = to === text.length ? '' : text.slice(to, isPair(text, to, text.length) ? to + 2 : to + 1)
  return !isWord(before) && !isWord(after)
}

function isWord(character: string): boolean {
  return /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u.test(character)
}
