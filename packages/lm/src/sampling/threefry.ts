/**
 * Random numbers of a sequence: a counter-based generator, so that draw n needs no state and no order.
 * @source Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011: threefry-2x32, 20 rounds
 */
import { ArgumentError } from '@tarazed/tensor'

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const
const PARITY = 0x1bd11bda

/** Both output words (u32) of a block, for a key and a counter of two words each. */
export function threefry(key: readonly [number, number], counter: readonly [number, number]): [number, number] {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ PARITY]
  let x = (counter[0] + keys[0]) | 0
  let y = (counter[1] + keys[1]) | 0
  for (let round = 0; round < 20; round++) {
    const by = ROTATIONS[round % 8]
    x = (x + y) | 0
    y = ((y << by) | (y >>> (32 - by))) ^ x
    if (round % 4 < 3) continue
    const injection = (round + 1) / 4
    x = (x + keys[injection % 3]) | 0
    y = (y + keys[(injection + 1) % 3] + injection) | 0
  }
  return [x >>> 0, y >>> 0]
}

/**
 * Draw n of a seed: a number in [0, 1) with 53 random bits.
 * @throws ArgumentError for a seed outside [0, 2^53) or an index outside [0, 2^32)
 */
export function uniformDraw(seed: number, index: number): number {
  requireSeed('uniformDraw', seed)
  if (!Number.isInteger(index) || index < 0 || index >= 2 ** 32)
    throw new ArgumentError(
      `uniformDraw: index must be an integer in [0, 2^32), got ${String(index)}; count draws from 0`,
    )
  const [high, low] = threefry([Math.floor(seed / 2 ** 32), seed >>> 0], [0, index])
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53
}

/** @throws ArgumentError for anything but an integer in [0, 2^53) */
export function requireSeed(op: string, seed: unknown): asserts seed is number {
  if (!Number.isSafeInteger(seed) || (seed as number) < 0)
    throw new ArgumentError(`${op}: seed must be an integer in [0, 2^53), got ${String(seed)}; change the seed`)
}
