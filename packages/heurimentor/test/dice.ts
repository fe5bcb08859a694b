import { threefry } from '../src/data/counterRandom.js'

/** A number in [0, 1) for some counters. */
export function dice(seed: number, ...counters: readonly number[]): number {
  const [word] = counters.reduce((key, counter) => threefry(key, [0, counter]), [0, seed] as readonly [number, number])
  return word / 2 ** 32
}
