/** Blocks of 32 with one scale: Q8_0 and Q4_0. */
import { halfToNumber, numberToHalf } from '../numbers/floats.js'

const BLOCK = 32

/**
 * The largest magnitude becomes ±127. Codes are the nearest ones for the scale as it is stored, in half precision,
 * which is a little better than ggml's, which divides by the unrounded scale.
 */
export function quantiseQ80(values: Float32Array, from: number, bytes: Uint8Array, at: number): void {
  const half = numberToHalf(Math.abs(values[largestAt(values, from)]) / 127)
  putHalf(bytes, at, half)
  const inverse = inverseOf(halfToNumber(half))
  for (let j = 0; j < BLOCK; j++) bytes[at + 2 + j] = clip(nearest(values[from + j] * inverse), -127, 127)
}

/**
 * Scales tried for Q4_0: the largest magnitude at code 0, which stands for −8, or a little inside or outside the
 * range.
 */
const Q40_PLACES = [-8, -7.4, -8.6, -7, -9.2]

/** The scale of least squared error among those tried; ggml puts the largest magnitude at −8 and stops there. */
export function quantiseQ40(values: Float32Array, from: number, bytes: Uint8Array, at: number): void {
  const largest = values[largestAt(values, from)]
  let mostGain = 0
  let best = 0
  for (const place of Q40_PLACES) {
    const inverse = largest === 0 ? 0 : place / largest
    let product = 0
    let square = 0
    for (let i = from; i < from + BLOCK; i++) {
      const code = codeOf(values[i] * inverse) - 8
      product += values[i] * code
      square += code * code
    }
    // The scale of least squares is Σxq / Σq², and leaves the error Σx² − (Σxq)² / Σq².
    const gain = square === 0 ? 0 : (product * product) / square
    if (gain <= mostGain) continue
    mostGain = gain
    best = product / square
  }
  const half = numberToHalf(best)
  const inverse = inverseOf(halfToNumber(half))
  putHalf(bytes, at, half)
  for (let j = 0; j < 16; j++)
    bytes[at + 2 + j] = codeOf(values[from + j] * inverse) | (codeOf(values[from + j + 16] * inverse) << 4)
}

/** The nearest code of 0 to 15 for a multiple of the scale from −8 to 7. */
function codeOf(multiple: number): number {
  const code = (multiple + 8.5) | 0
  return code < 0 ? 0 : code > 15 ? 15 : code
}

function largestAt(values: Float32Array, from: number): number {
  let largest = from
  for (let i = from + 1; i < from + BLOCK; i++) if (Math.abs(values[i]) > Math.abs(values[largest])) largest = i
  return largest
}

/** A scale that rounds to 0 stands for a block of zeros. */
function inverseOf(scale: number): number {
  return scale === 0 ? 0 : 1 / scale
}

function nearest(value: number): number {
  return Math.floor(value + 0.5)
}

function clip(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value
}

function putHalf(bytes: Uint8Array, at: number, half: number): void {
  bytes[at] = half & 255
  bytes[at + 1] = half >> 8
}
