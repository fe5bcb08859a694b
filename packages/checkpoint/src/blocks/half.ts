/** A half-precision number inside a block. */
import { halfToNumber } from '../numbers/floats.js'

/** The number of the two bytes at `at`. */
export function halfAt(bytes: Uint8Array, at: number): number {
  return halfToNumber(bytes[at] | (bytes[at + 1] << 8))
}
