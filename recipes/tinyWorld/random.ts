/** Random choices of the tiny world: a pure function of seed and counters, so that a text can be made again from any point. */

/** A stream of random numbers. */
export interface Dice {
  /** A whole number from 0 to `sides` - 1. */
  roll(sides: number): number
  /** One of some things. */
  pick<T>(things: readonly T[]): T
  /** `count` different ones, in random order. */
  pickSome<T>(things: readonly T[], count: number): T[]
}

/** The stream that belongs to a list of counters, such as seed, domain and document. */
export function dice(...counters: readonly number[]): Dice {
  let state = hashOf(...counters)
  const roll = (sides: number): number => {
    state = (state + 0x9e3779b9) >>> 0
    return Math.floor((mixed(state) / 2 ** 32) * sides)
  }
  const pick = <T>(things: readonly T[]): T => things[roll(things.length)]
  const pickSome = <T>(things: readonly T[], count: number): T[] => {
    const left = [...things]
    return Array.from({ length: count }, () => left.splice(roll(left.length), 1)[0])
  }
  return { roll, pick, pickSome }
}

/** A 32-bit hash of some counters. */
export function hashOf(...counters: readonly number[]): number {
  return counters.reduce((hash, counter) => mixed((hash ^ mixed(counter >>> 0)) + 0x9e3779b9), 0x243f6a88)
}

/** A 32-bit hash of a text. */
export function hashOfText(text: string): number {
  return hashOf(...Array.from(text, (character) => character.codePointAt(0) as number))
}

/** The finaliser of murmur3. */
function mixed(word: number): number {
  let h = word >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
