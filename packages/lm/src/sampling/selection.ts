/**
 * Finds where a list, sorted from its best entry, would be cut, without sorting it. Three passes over the bits of floats, of
 * which the second and third see a few entries only, whatever the values are.
 */

/** Where a cut falls. */
export interface Cut {
  /** Entries above it stay; of those that equal it as many as the caller decides. */
  readonly value: number
  /** Weight of all entries above. */
  readonly above: number
}

/** Up to this many an insertion into a short sorted list is faster. */
const FEW = 128

/** The k-th largest value, counted with repetition; k is at most the number of values. */
export function kthLargest(values: Float32Array, k: number): number {
  return k <= FEW ? kthByInsertion(values, k) : cutAt(values, null, k)!.value // weights of 1 always reach k
}

function kthByInsertion(values: Float32Array, k: number): number {
  const best = values.slice(0, k).sort().reverse() // sorted from the largest
  let least = best[k - 1]
  const count = values.length
  for (let at = k; at < count; at++) {
    const value = values[at]
    if (value > least) least = insert(best, value)
  }
  return least
}

/** Puts a value into its place, drops the last one and gives what is the last then. */
function insert(sorted: Float32Array, value: number): number {
  let place = sorted.length - 1
  while (place > 0 && sorted[place - 1] < value) sorted[place] = sorted[--place]
  sorted[place] = value
  return sorted[sorted.length - 1]
}

/** A float's bits are looked at eleven, eleven and ten at a time. */
const LEVELS = [
  { shift: 21, bins: 2048 },
  { shift: 10, bins: 2048 },
  { shift: 0, bins: 1024 },
] as const

/**
 * The value at which the summed weight of the entries, from the largest value down, reaches `target`.
 *
 * @param weights not negative; null: each entry weighs 1
 * @returns null when all of them together do not reach it
 */
export function cutAt(values: Float32Array, weights: Float64Array | null, target: number): Cut | null {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length)
  let above = 0
  let prefix = 0
  let entries: Entries | null = null
  for (const { shift, bins } of LEVELS) {
    const sums: Float64Array =
      entries === null ? sumsOfAll(bits, weights, shift, bins) : sumsOf(entries, bits, weights, shift, bins)
    const bin: number = crossedBin(sums, target - above) ?? (entries === null ? -1 : lastUsedBin(sums))
    if (bin < 0) return null
    for (let k = 0; k < bin; k++) above += sums[k]
    prefix = prefix * bins + bin
    entries = entries === null ? allWith(prefix, bits, shift) : someWith(prefix, entries, bits, shift)
  }
  return { value: values[entries![0]], above } // a bin that was crossed is not empty
}

/** Indices of the entries whose upper bits are those of the cut. */
type Entries = readonly number[]

/**
 * Unsigned when shifted: in the order of the floats, the largest first; -0 and 0 are the same. That is `bits - 1` where
 * bits are negative, else `bits ^ 0x7fffffff`, without the branch, which would be mispredicted every other time.
 */
function keyOf(bits: number): number {
  const sign = bits >> 31
  return (bits ^ (~sign & 0x7fffffff)) + sign
}

// The first level sees a whole vocabulary: its loops have no branches that depend on arguments.
function sumsOfAll(bits: Int32Array, weights: Float64Array | null, shift: number, bins: number): Float64Array {
  const sums = new Float64Array(bins)
  if (weights === null) for (let k = 0; k < bits.length; k++) sums[keyOf(bits[k]) >>> shift]++
  else for (let k = 0; k < bits.length; k++) sums[keyOf(bits[k]) >>> shift] += weights[k]
  return sums
}

function allWith(prefix: number, bits: Int32Array, shift: number): Entries {
  const found: number[] = []
  for (let k = 0; k < bits.length; k++) if (keyOf(bits[k]) >>> shift === prefix) found.push(k)
  return found
}

function sumsOf(
  entries: Entries,
  bits: Int32Array,
  weights: Float64Array | null,
  shift: number,
  bins: number,
): Float64Array {
  const sums = new Float64Array(bins)
  for (const entry of entries)
    sums[(keyOf(bits[entry]) >>> shift) & (bins - 1)] += weights === null ? 1 : weights[entry]
  return sums
}

function someWith(prefix: number, entries: Entries, bits: Int32Array, shift: number): Entries {
  return entries.filter((entry) => keyOf(bits[entry]) >>> shift === prefix)
}

function crossedBin(sums: Float64Array, target: number): number | null {
  let sum = 0
  for (let bin = 0; bin < sums.length; bin++) {
    sum += sums[bin]
    if (sum > 0 && sum >= target) return bin
  }
  return null
}

/** Sums in another order may miss the target by a rounding; the last entry is then the one that reaches it. */
function lastUsedBin(sums: Float64Array): number {
  let bin = sums.length - 1
  while (bin > 0 && sums[bin] === 0) bin--
  return bin
}
