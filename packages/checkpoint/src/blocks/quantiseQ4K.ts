/** Q4_K: 256 elements in eight sub-blocks, each d·s·q − dmin·m with s and m of 6 bits. */
import { halfToNumber, numberToHalf } from '../numbers/floats.js'
import { packScalePairs } from './kBlocks.js'

const SUB = 32
const SUBS = 8
const MOST_CODE = 15
const MOST_SCALE = 63

/** Lengths of the range of codes that are tried; a shorter one clips the ends and spaces the rest more finely. */
const RANGES = [15, 14.4, 15.6, 13.8, 16.2]

const scales = new Float64Array(SUBS)
const minima = new Float64Array(SUBS)
const scaleCodes = new Uint8Array(SUBS)
const minimumCodes = new Uint8Array(SUBS)

/**
 * Each sub-block gets scale and minimum of least squared error among some that are tried; then these are rounded to
 * multiples of the block's d and dmin, and elements to the nearest code of what is stored.
 */
export function quantiseQ4K(values: Float32Array, from: number, bytes: Uint8Array, at: number): void {
  for (let sub = 0; sub < SUBS; sub++) fitSubBlock(values, from + SUB * sub, sub)
  const dHalf = numberToHalf(Math.max(...scales) / MOST_SCALE)
  const dminHalf = numberToHalf(Math.max(...minima) / MOST_SCALE)
  const d = halfToNumber(dHalf)
  const dmin = halfToNumber(dminHalf)
  bytes.set([dHalf & 255, dHalf >> 8, dminHalf & 255, dminHalf >> 8], at)
  for (let sub = 0; sub < SUBS; sub++) storeSubBlock(values, from + SUB * sub, sub, d, dmin, bytes, at + 16)
  packScalePairs(scaleCodes, minimumCodes, bytes, at + 4)
}

/** Fills `scales[sub]` and `minima[sub]`: x ≈ scale·q − minimum, minimum ≥ 0. */
function fitSubBlock(values: Float32Array, from: number, sub: number): void {
  let low = 0
  let high = -Infinity
  for (let l = 0; l < SUB; l++) {
    low = Math.min(low, values[from + l])
    high = Math.max(high, values[from + l])
  }
  scales[sub] = 0
  minima[sub] = -low
  if (high === low) return
  let bestError = Infinity
  for (const range of RANGES) {
    const fitted = fit(values, from, low, range / (high - low))
    if (!(fitted.error < bestError)) continue
    bestError = fitted.error
    scales[sub] = fitted.scale
    minima[sub] = fitted.minimum
  }
}

/** The line of least squares through the codes of one spacing, and its squared error. */
function fit(values: Float32Array, from: number, low: number, inverse: number) {
  let sumQ = 0
  let sumQq = 0
  let sumX = 0
  let sumXq = 0
  let sumXx = 0
  for (let l = 0; l < SUB; l++) {
    const x = values[from + l]
    const q = clip(((x - low) * inverse + 0.5) | 0, MOST_CODE)
    sumQ += q
    sumQq += q * q
    sumX += x
    sumXq += x * q
    sumXx += x * x
  }
  const determinant = SUB * sumQq - sumQ * sumQ
  let scale = determinant > 0 ? (SUB * sumXq - sumX * sumQ) / determinant : 0
  let minimum = determinant > 0 ? (scale * sumQ - sumX) / SUB : 0
  if (minimum < 0 || scale < 0 || determinant <= 0) {
    minimum = 0
    scale = sumQq > 0 ? Math.max(0, sumXq / sumQq) : 0
  }
  const error =
    sumXx +
    scale * scale * sumQq +
    SUB * minimum * minimum -
    2 * scale * sumXq +
    2 * minimum * sumX -
    2 * scale * minimum * sumQ
  return { scale, minimum, error }
}

function storeSubBlock(
  values: Float32Array,
  from: number,
  sub: number,
  d: number,
  dmin: number,
  bytes: Uint8Array,
  qsOfBlock: number,
): void {
  scaleCodes[sub] = d === 0 ? 0 : clip((scales[sub] / d + 0.5) | 0, MOST_SCALE)
  minimumCodes[sub] = dmin === 0 ? 0 : clip((minima[sub] / dmin + 0.5) | 0, MOST_SCALE)
  const scale = d * scaleCodes[sub]
  const minimum = dmin * minimumCodes[sub]
  const inverse = scale === 0 ? 0 : 1 / scale
  const qs = qsOfBlock + SUB * (sub >> 1)
  const shift = 4 * (sub & 1)
  for (let l = 0; l < SUB; l++) {
    bytes[qs + l] |= clip(((values[from + l] + minimum) * inverse + 0.5) | 0, MOST_CODE) << shift
  }
}

function clip(value: number, most: number): number {
  return value < 0 ? 0 : value > most ? most : value
}
