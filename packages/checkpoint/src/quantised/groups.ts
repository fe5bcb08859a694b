/** 4-bit weights with a scale and a zero point for each group of inputs: what GPTQ and AWQ files hold, unpacked. */
import { checkObject } from '../arguments.js'
import { ArgumentError, shown } from '../errors.js'

/** The axes of a packed linear layer; its weight is [outFeatures, inFeatures]. */
export interface LinearShape {
  readonly inFeatures: number
  readonly outFeatures: number
}

/** `weight[n, k] = scales[groupOf[k], n] · (codes[k, n] − zeros[groupOf[k], n])` */
export interface GroupCodes extends LinearShape {
  /** [inFeatures, outFeatures], each 0 to 15. */
  readonly codes: Uint8Array
  /** [groups, outFeatures], each 0 to 15. */
  readonly zeros: Uint8Array
  /** [inFeatures]: the group of each input. */
  readonly groupOf: Int32Array
}

/** Nibbles of a 32-bit word. */
export const PER_WORD = 8

/** @throws ArgumentError unless `array` is of the type and length that its name needs */
export function checkArray<T extends { readonly length: number }>(
  what: string,
  array: unknown,
  type: new (length: number) => T,
  length: number,
): asserts array is T {
  if (!(array instanceof type)) throw new ArgumentError(`${what} must be a ${type.name}, got ${shown(array)}`)
  if (array.length !== length) throw new ArgumentError(`${what} must have ${length} elements, got ${array.length}`)
}

/** @throws ArgumentError unless both sizes are positive and the packed ones multiples of 8 */
export function checkShape(what: string, shape: LinearShape, packed: readonly (keyof LinearShape)[]): void {
  checkObject(what, shape)
  for (const key of ['inFeatures', 'outFeatures'] as const) {
    const size = shape[key]
    if (!Number.isSafeInteger(size) || size <= 0)
      throw new ArgumentError(`${what}: ${key} must be a positive integer, got ${shown(size)}`)
    if (packed.includes(key) && size % PER_WORD !== 0)
      throw new ArgumentError(`${what}: ${key} must be a multiple of ${PER_WORD}, got ${size}`)
  }
}

/** The group of each input when groups are runs of `groupSize`; −1 is one group for all. */
export function evenGroups(inFeatures: number, groupSize: number): Int32Array {
  const size = groupSize === -1 ? inFeatures : groupSize
  if (!Number.isSafeInteger(size) || size <= 0)
    throw new ArgumentError(`groupSize must be a positive integer or -1, got ${shown(groupSize)}`)
  return Int32Array.from({ length: inFeatures }, (_, k) => Math.floor(k / size))
}

/** How many groups there are, from an array of one row for each. @throws ArgumentError when an input has another */
export function groupCount(what: string, groupOf: Int32Array, rows: number, rowLength: number): number {
  const groups = rows / rowLength
  const wrong = groupOf.findIndex((group) => group < 0 || group >= groups)
  if (!Number.isInteger(groups) || wrong >= 0)
    throw new ArgumentError(`${what}: groups must be 0 to ${groups - 1}, got ${groupOf[wrong] ?? `${groups} of them`}`)
  return groups
}

/** Codes of 4 bits into words: place `at(index)` of a word holds the code of `index` within its run of eight. */
export function packRow(codes: Uint8Array, from: number, places: readonly number[]): number {
  let word = 0
  for (let place = 0; place < PER_WORD; place++) {
    const code = codes[from + places[place]]
    if (code > 15) throw new ArgumentError(`codes must be 0 to 15, got ${code}`)
    word |= code << (4 * place)
  }
  return word
}
