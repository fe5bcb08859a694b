/**
 * "K" blocks: 256 elements with one or two scales in half precision, cut into sub-blocks that have small integer
 * scales of their own.
 *
 * @source the layouts of ggml, github.com/ggml-org/ggml
 */
import { halfAt } from './half.js'

/** scales 16 (low half scale, high half minimum), qs 64 of 2 bits, d f16, dmin f16: d·s·q − dmin·m, sub-blocks of 16 */
export function dequantiseQ2K(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 80)
  const dmin = halfAt(bytes, at + 82)
  for (let sub = 0; sub < 16; sub++) {
    const scale = d * (bytes[at + sub] & 15)
    const minimum = dmin * (bytes[at + sub] >> 4)
    const qs = twoBitsAt(at + 16, sub)
    const shift = twoBitShift(sub)
    for (let l = 0; l < 16; l++) values[to + 16 * sub + l] = scale * ((bytes[qs + l] >> shift) & 3) - minimum
  }
}

/** hmask 32, qs 64, scales 12 (16 of 6 bits), d f16: d·(s − 32)·(q − 4·(high bit is 0)), sub-blocks of 16 */
export function dequantiseQ3K(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 108)
  for (let sub = 0; sub < 16; sub++) {
    const scale = d * (sixBitScale(bytes, at + 96, sub) - 32)
    const qs = twoBitsAt(at + 32, sub)
    const shift = twoBitShift(sub)
    const high = at + 16 * (sub & 1)
    const highBit = 1 << (sub >> 1)
    for (let l = 0; l < 16; l++) {
      const q = ((bytes[qs + l] >> shift) & 3) - (bytes[high + l] & highBit ? 0 : 4)
      values[to + 16 * sub + l] = scale * q
    }
  }
}

/** Sub-block `sub` of 16: 128 elements share 32 bytes, each byte holds four elements 32 apart. */
function twoBitsAt(qs: number, sub: number): number {
  return qs + 32 * (sub >> 3) + 16 * (sub & 1)
}

function twoBitShift(sub: number): number {
  return 2 * ((sub >> 1) & 3)
}

/** 16 scales of 6 bits: the low 4 bits in the halves of 8 bytes, the high 2 bits in quarters of the next 4. */
function sixBitScale(bytes: Uint8Array, at: number, sub: number): number {
  const low = sub < 8 ? bytes[at + sub] & 15 : bytes[at + sub - 8] >> 4
  const high = (bytes[at + 8 + (sub & 3)] >> (2 * (sub >> 2))) & 3
  return low | (high << 4)
}

/** d f16, dmin f16, scales 12 (8 pairs of 6 bits), qs 128: d·s·q − dmin·m, sub-blocks of 32 */
export function dequantiseQ4K(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  const dmin = halfAt(bytes, at + 2)
  for (let sub = 0; sub < 8; sub++) {
    const scale = d * scaleOfPair(bytes, at + 4, sub)
    const minimum = dmin * minimumOfPair(bytes, at + 4, sub)
    const qs = at + 16 + 32 * (sub >> 1)
    const shift = 4 * (sub & 1)
    for (let l = 0; l < 32; l++) values[to + 32 * sub + l] = scale * ((bytes[qs + l] >> shift) & 15) - minimum
  }
}

/** d f16, dmin f16, scales 12, qh 32, qs 128: as Q4_K with a fifth bit, bit `sub` of `qh` */
export function dequantiseQ5K(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at)
  const dmin = halfAt(bytes, at + 2)
  for (let sub = 0; sub < 8; sub++) {
    const scale = d * scaleOfPair(bytes, at + 4, sub)
    const minimum = dmin * minimumOfPair(bytes, at + 4, sub)
    const qh = at + 16
    const qs = at + 48 + 32 * (sub >> 1)
    const shift = 4 * (sub & 1)
    for (let l = 0; l < 32; l++) {
      const q = ((bytes[qs + l] >> shift) & 15) | (((bytes[qh + l] >> sub) & 1) << 4)
      values[to + 32 * sub + l] = scale * q - minimum
    }
  }
}

/** The first four pairs have bytes of their own, whose two free bits hold the high bits of the last four. */
function scaleOfPair(bytes: Uint8Array, at: number, sub: number): number {
  return sub < 4 ? bytes[at + sub] & 63 : (bytes[at + sub + 4] & 15) | ((bytes[at + sub - 4] >> 6) << 4)
}

function minimumOfPair(bytes: Uint8Array, at: number, sub: number): number {
  return sub < 4 ? bytes[at + sub + 4] & 63 : (bytes[at + sub + 4] >> 4) | ((bytes[at + sub] >> 6) << 4)
}

/** Writes the eight pairs of 6-bit scales and minima of Q4_K and Q5_K at `bytes[at…]`. */
export function packScalePairs(scales: Uint8Array, minima: Uint8Array, bytes: Uint8Array, at: number): void {
  for (let sub = 0; sub < 4; sub++) {
    bytes[at + sub] = scales[sub] | ((scales[sub + 4] >> 4) << 6)
    bytes[at + sub + 4] = minima[sub] | ((minima[sub + 4] >> 4) << 6)
    bytes[at + sub + 8] = (scales[sub + 4] & 15) | ((minima[sub + 4] & 15) << 4)
  }
}

/** ql 128, qh 64, scales 16 signed, d f16: d·s·(q − 32), sub-blocks of 16 */
export function dequantiseQ6K(bytes: Uint8Array, at: number, values: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 208)
  for (let sub = 0; sub < 16; sub++) {
    const scale = d * ((bytes[at + 192 + sub] << 24) >> 24)
    const half = sub >> 3 // of 128 elements
    const quarter = (sub >> 1) & 3 // of 32 elements
    const within = 16 * (sub & 1)
    const low = at + 64 * half + 32 * (quarter & 1) + within
    const high = at + 128 + 32 * half + within
    const lowShift = quarter < 2 ? 0 : 4
    const highShift = 2 * quarter
    for (let l = 0; l < 16; l++) {
      const q = ((bytes[low + l] >> lowShift) & 15) | (((bytes[high + l] >> highShift) & 3) << 4)
      values[to + 16 * sub + l] = scale * (q - 32)
    }
  }
}
