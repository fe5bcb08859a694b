/** Block types of GGUF to float32. */
import { layoutOf, type GgufBlockType } from '../dtype.js'
import { dequantiseQ2K, dequantiseQ3K, dequantiseQ4K, dequantiseQ5K, dequantiseQ6K } from './kBlocks.js'
import { dequantiseIq4Nl, dequantiseIq4Xs } from './nonlinearBlocks.js'
import { dequantiseQ40, dequantiseQ41, dequantiseQ50, dequantiseQ51, dequantiseQ80 } from './simpleBlocks.js'

/** Reads the block at `bytes[at…]` into `values[to…]`. */
export type BlockReader = (bytes: Uint8Array, at: number, values: Float32Array, to: number) => void

const READERS: Record<GgufBlockType, BlockReader> = {
  Q4_0: dequantiseQ40,
  Q4_1: dequantiseQ41,
  Q5_0: dequantiseQ50,
  Q5_1: dequantiseQ51,
  Q8_0: dequantiseQ80,
  Q2_K: dequantiseQ2K,
  Q3_K: dequantiseQ3K,
  Q4_K: dequantiseQ4K,
  Q5_K: dequantiseQ5K,
  Q6_K: dequantiseQ6K,
  IQ4_NL: dequantiseIq4Nl,
  IQ4_XS: dequantiseIq4Xs,
}

/** Whole blocks to float32 numbers. */
export function dequantiseBlocks(bytes: Uint8Array, type: GgufBlockType, values: Float32Array): void {
  const { blockElements, blockBytes } = layoutOf(type)
  const read = READERS[type]
  for (let at = 0, to = 0; at < bytes.length; at += blockBytes, to += blockElements) read(bytes, at, values, to)
}
