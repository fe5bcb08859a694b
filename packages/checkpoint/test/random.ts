/** Random numbers that are the same in every run. */

let state = 0x2545f491

/** 0 ≤ x < 1 */
export function random(): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) / 2 ** 32
}

/** Normally distributed float32 numbers. */
export function randomFloats(count: number, deviation = 1): Float32Array {
  return Float32Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  )
}

/** Random bytes. */
export function randomBytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => random() * 256)
}
