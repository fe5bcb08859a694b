/**
 * Combinations that training never shows. A fact such as "Mia, key, barn" belongs to training or is held out, by a hash of its
 * words: so the two parts of the world share every word and no fact, however much text is made of either.
 */
import { hashOfText } from './random.js'

/** One combination in so many is held out. */
const ONE_IN = 6

/** Kinds of combinations: what a question asks about, with everything that its answer depends on. */
export type CombinationKind =
  'place' | 'owner' | 'size' | 'phrase' | 'sum' | 'difference' | 'number' | 'variables' | 'list'

/** A combination as a text: kind, then its parts. */
export function combination(kind: CombinationKind, ...parts: readonly (string | number)[]): string {
  return [kind, ...parts].join(' ')
}

/** The same with parts whose order does not matter: 3 + 4 and 4 + 3 are one combination. */
export function unordered(kind: CombinationKind, a: number, b: number): string {
  return combination(kind, Math.min(a, b), Math.max(a, b))
}

/** Whether a combination is held out. */
export function isHeldOut(name: string): boolean {
  let known = decided.get(name)
  if (known === undefined) decided.set(name, (known = hashOfText(name) % ONE_IN === 0))
  return known
}

/** Names come again and again, and there are few of them. */
const decided = new Map<string, boolean>()
