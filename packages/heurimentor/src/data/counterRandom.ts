/**
 * Random numbers that are a pure function of a key and a counter: any part of a shuffled order can be made again from nothing.
 *
 * threefry-2x32 with 20 rounds, the generator of `@tarazed/tensor`'s random keys, here on plain numbers.
 * @source Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
 */

/** Two 32-bit words. */
export type Words = readonly [number, number]

const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
]
const PARITY = 0x1bd11bda

/** The block of a counter under a key. */
export function threefry([key0, key1]: Words, [counter0, counter1]: Words): Words {
  const schedule = [key0 >>> 0, key1 >>> 0, (PARITY ^ key0 ^ key1) >>> 0]
  let x = (counter0 + schedule[0]) >>> 0
  let y = (counter1 + schedule[1]) >>> 0
  for (let group = 0; group < 5; group++) {
    for (const distance of ROTATIONS[group % 2]) {
      x = (x + y) >>> 0
      y = (((y << distance) | (y >>> (32 - distance))) ^ x) >>> 0
    }
    x = (x + schedule[(group + 1) % 3]) >>> 0
    y = (y + schedule[(group + 2) % 3] + group + 1) >>> 0
  }
  return [x, y]
}

/** The key of a seed, an integer in [0, 2^53). */
export function keyOf(seed: number): Words {
  return [Math.floor(seed / 2 ** 32), seed >>> 0]
}

/** A new key for a purpose: `foldIn(keyOf(seed), epoch)`. */
export function foldIn(key: Words, word: number): Words {
  return threefry(key, [Math.floor(word / 2 ** 32), word >>> 0])
}

/**
 * A number from 0 to `sides` - 1.
 *
 * @param sides below 2^31: with 53 bits the bias is below 2^-22, and nobody can measure it
 */
export function draw(key: Words, sides: number, counter = 0): number {
  const [high, low] = threefry(key, [0, counter])
  return Math.floor(((high + low / 2 ** 32) / 2 ** 32) * sides)
}

/**
 * The numbers 0 … count-1 in an order that the key alone decides (Fisher and Yates, from the end).
 *
 * @param count below 2^31
 */
export function permutation(key: Words, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, k) => k)
  for (let last = count - 1; last > 0; last--) {
    const other = draw(key, last + 1, last)
    const moved = order[last]
    order[last] = order[other]
    order[other] = moved
  }
  return order
}
