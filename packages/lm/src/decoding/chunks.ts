/** Sizes from short lists, so that a model compiles a handful of programs whatever the lengths of prompts are. */

/** How many tokens of a prompt are read at once; the largest first. */
const CHUNK_SIZES = [256, 64, 16] as const

/** A chunk is taken when this share of it would be tokens, the rest padding: three calls of the next size cost more. */
const LEAST_USE = 3 / 4

/** Chunks for a prompt of `length` tokens, in order; they hold at least that many, the rest is padding on the left. */
export function chunksFor(length: number): number[] {
  const chunks: number[] = []
  let left = length
  for (const size of CHUNK_SIZES) {
    const isLast = size === CHUNK_SIZES[CHUNK_SIZES.length - 1]
    while (left > 0 && (isLast || left > LEAST_USE * size)) {
      chunks.push(size)
      left -= size
    }
  }
  return chunks
}

/**
 * Rows of a cache for at least `rows` tokens: 2^k or 1.5·2^k, at least 64, so that at most a third is left empty. Nothing is
 * added above `limit`, the context length.
 */
export function capacityFor(rows: number, limit: number): number {
  let capacity = 64
  while (capacity < rows) capacity = isPowerOfTwo(capacity) ? capacity * 1.5 : (capacity / 3) * 4
  return Math.max(rows, Math.min(capacity, limit))
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value))
}
