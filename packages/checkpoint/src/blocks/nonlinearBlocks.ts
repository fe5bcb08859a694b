/**
 * Blocks of 4 bits whose codes stand for unevenly spaced numbers.
 *
 * @source the layouts of ggml, github.com/ggml-org/ggml
 */
import { halfAt } from './half.js'

/** Dense around 0, where most weights are. */
const CODEBOOK = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)

/** d f16, qs 16: d·codebook[q] */
export function dequantiseIq4Nl(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  readCodes(halfAt(bytes, at), bytes, at + 2, values, to)
}

/** d f16, high bits of scales u16, low halves of scales 4, qs 128: d·(s − 32)·codebook[q], sub-blocks of 32 */
export function dequantiseIq4Xs(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  const highs = bytes[at + 2] | (bytes[at + 3] << 8)
  for (let sub = 0; sub < 8; sub++) {
    const low = (bytes[at + 4 + (sub >> 1)] >> (4 * (sub & 1))) & 15
    const scale = low | (((highs >> (2 * sub)) & 3) << 4)
    readCodes(d * (scale - 32), bytes, at + 8 + 16 * sub, values, to + 32 * sub)
  }
}

function readCodes(scale: number, bytes: Uint8Array, qs: number, values: Float32Array, to: number): void {
  for (let j = 0; j < 16; j++) {
    values[to + j] = scale * CODEBOOK[bytes[qs + j] & 15]
    values[to + j + 16] = scale * CODEBOOK[bytes[qs + j] >> 4]
  }
}
