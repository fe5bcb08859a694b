/**
 * Blocks of 32 with one scale, and perhaps a minimum. Byte `j` of `qs` holds element `j` in its low half and element
 * `j + 16` in its high half; types of five bits keep the fifth bits together in one word.
 *
 * @source the layouts of ggml, github.com/ggml-org/ggml
 */
import { halfAt } from './half.js'

const HALF_BLOCK = 16

/** d f16, qs 16: d·(q − 8) */
export function dequantiseQ40(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  for (let j = 0; j < HALF_BLOCK; j++) {
    const pair = bytes[at + 2 + j]
    values[to + j] = d * ((pair & 15) - 8)
    values[to + j + HALF_BLOCK] = d * ((pair >> 4) - 8)
  }
}

/** d f16, m f16, qs 16: d·q + m */
export function dequantiseQ41(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  const m = halfAt(bytes, at + 2)
  for (let j = 0; j < HALF_BLOCK; j++) {
    const pair = bytes[at + 4 + j]
    values[to + j] = d * (pair & 15) + m
    values[to + j + HALF_BLOCK] = d * (pair >> 4) + m
  }
}

/** d f16, fifth bits u32, qs 16: d·(q − 16) */
export function dequantiseQ50(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  const fifths = wordAt(bytes, at + 2)
  for (let j = 0; j < HALF_BLOCK; j++) {
    const pair = bytes[at + 6 + j]
    values[to + j] = d * (((pair & 15) | (((fifths >>> j) & 1) << 4)) - 16)
    values[to + j + HALF_BLOCK] = d * (((pair >> 4) | (((fifths >>> (j + HALF_BLOCK)) & 1) << 4)) - 16)
  }
}

/** d f16, m f16, fifth bits u32, qs 16: d·q + m */
export function dequantiseQ51(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  const m = halfAt(bytes, at + 2)
  const fifths = wordAt(bytes, at + 4)
  for (let j = 0; j < HALF_BLOCK; j++) {
    const pair = bytes[at + 8 + j]
    values[to + j] = d * ((pair & 15) | (((fifths >>> j) & 1) << 4)) + m
    values[to + j + HALF_BLOCK] = d * ((pair >> 4) | (((fifths >>> (j + HALF_BLOCK)) & 1) << 4)) + m
  }
}

/** d f16, 32 signed bytes: d·q */
export function dequantiseQ80(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  for (let j = 0; j < 2 * HALF_BLOCK; j++) values[to + j] = d * ((bytes[at + 2 + j] << 24) >> 24)
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
}
