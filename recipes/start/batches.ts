/** Windows of text for a step. They depend on seed and step alone, so a resumed run sees the batches it would have seen. */

/**
 * `rows` windows of `length` bytes from random places.
 *
 * @returns i32 values, row-major [rows, length]
 */
export function trainingWindows(
  text: Uint8Array,
  { seed, step, rows, length }: { seed: number; step: number; rows: number; length: number },
): Int32Array {
  const windows = new Int32Array(rows * length)
  for (let row = 0; row < rows; row++) {
    const start = Math.floor(randomFraction(seed, step, row) * (text.length - length + 1))
    windows.set(text.subarray(start, start + length), row * length)
  }
  return windows
}

/**
 * The same windows every time, spread evenly over the held-out text: whole batches of `rows`, about `most` windows at the most;
 * a short text repeats windows.
 */
export function heldOutWindows(
  text: Uint8Array,
  { rows, length, most }: { rows: number; length: number; most: number },
): Int32Array[] {
  const fitting = Math.max(1, Math.floor(text.length / length))
  const batches = Math.max(1, Math.floor(Math.min(fitting, most) / rows))
  const count = batches * rows
  return Array.from({ length: batches }, (_, batch) => {
    const windows = new Int32Array(rows * length)
    for (let row = 0; row < rows; row++) {
      const start = Math.floor(((batch * rows + row) * (text.length - length)) / Math.max(1, count - 1))
      windows.set(text.subarray(start, start + length), row * length)
    }
    return windows
  })
}

/** A number in [0, 1) for a triple of counters: rounds of the murmur3 finaliser over all of them. */
function randomFraction(seed: number, step: number, row: number): number {
  let high = mixed(0x9e3779b9, seed % 2 ** 32)
  high = mixed(high, Math.floor(seed / 2 ** 32))
  high = mixed(mixed(high, step), row)
  const low = mixed(high, 0x85ebca6b)
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53
}

function mixed(state: number, word: number): number {
  let h = (state ^ word) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return ((h ^ (h >>> 16)) + 0x9e3779b9) >>> 0
}
