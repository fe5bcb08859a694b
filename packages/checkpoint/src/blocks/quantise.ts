/** float32 to block types of GGUF. */
import { layoutOf, type GgufBlockType } from '../dtype.js'
import { ArgumentError } from '../errors.js'
import { quantiseQ40, quantiseQ80 } from './quantiseSimple.js'
import { quantiseQ4K } from './quantiseQ4K.js'

/** Writes the block of `values[from…]` at `bytes[at…]`. */
type BlockWriter = (values: Float32Array, from: number, bytes: Uint8Array, at: number) => void

const WRITERS: Partial<Record<GgufBlockType, BlockWriter>> = {
  Q8_0: quantiseQ80,
  Q4_0: quantiseQ40,
  Q4_K: quantiseQ4K,
}

/** Block types that can be written. */
export const writableBlockTypes = Object.keys(WRITERS) as readonly GgufBlockType[]

/** Scales are half-precision numbers: beyond its range they would be infinite, and 0·∞ is not a number. */
const MOST_MAGNITUDE = 65504

/** @throws ArgumentError for types that can only be read and for numbers that no scale can hold */
export function quantiseBlocks(values: Float32Array, type: GgufBlockType): Uint8Array {
  const write = WRITERS[type]
  if (write === undefined)
    throw new ArgumentError(
      `fromFloat32: block types that can be written are ${writableBlockTypes.join(', ')}, got ${type}`,
    )
  const { blockElements, blockBytes } = layoutOf(type)
  const bytes = new Uint8Array((values.length / blockElements) * blockBytes)
  for (let at = 0, from = 0; from < values.length; at += blockBytes, from += blockElements) {
    checkFinite(values, from, from + blockElements, type)
    write(values, from, bytes, at)
  }
  return bytes
}

/** One NaN would spoil the scale of its whole block. */
function checkFinite(values: Float32Array, from: number, to: number, type: GgufBlockType): void {
  for (let i = from; i < to; i++) {
    if (!(Math.abs(values[i]) <= MOST_MAGNITUDE))
      throw new ArgumentError(`fromFloat32: ${type} holds numbers up to ${MOST_MAGNITUDE}, got ${values[i]} at ${i}`)
  }
}
