/**
 * Double quantisation: the scales of NF4 blocks, less their mean, in 8 bits.
 * @source arXiv 2305.14314, section 3; the dynamic map of arXiv 2110.02861, section 2.2
 */
import { checkCount, checkObject } from '../arguments.js'
import { ArgumentError, shown } from '../errors.js'
import { checkArray } from './groups.js'

/** Scales in bytes: `map[codes[i]] · nestedAbsmax[block of i] + offset`. */
export interface QuantisedAbsmax {
  readonly codes: Uint8Array
  readonly nestedAbsmax: Float32Array
  /** The mean of the scales. */
  readonly offset: number
  /** What each code stands for. */
  readonly map: Float32Array
}

/**
 * 256 numbers from −0.993 to 1, dense around 0: for i = 0…6 the 2^i midpoints of an even grid of 2^i + 1 points on
 * [0.1, 1], times 10^(i−6), with both signs, and 0 and 1.
 */
export function dynamicMap(): Float32Array {
  const positive: number[] = []
  for (let i = 0; i < 7; i++) {
    const points = 2 ** i
    for (let k = 0; k < points; k++) positive.push((0.1 + (0.9 * (k + 0.5)) / points) * 10 ** (i - 6))
  }
  return Float32Array.from([...positive, ...positive.map((value) => -value), 0, 1]).sort()
}

/** Scales into bytes, in blocks of `blockSize`. */
export function quantiseAbsmax(absmax: Float32Array, blockSize: number): QuantisedAbsmax {
  if (!(absmax instanceof Float32Array))
    throw new ArgumentError(`quantiseAbsmax: absmax must be a Float32Array, got ${shown(absmax)}`)
  checkCount('quantiseAbsmax: blockSize', blockSize, 1)
  const map = dynamicMap()
  const offset = Math.fround(absmax.reduce((sum, value) => sum + value, 0) / Math.max(1, absmax.length))
  const codes = new Uint8Array(absmax.length)
  const nestedAbsmax = new Float32Array(Math.ceil(absmax.length / blockSize))
  for (let block = 0; block < nestedAbsmax.length; block++) {
    const from = block * blockSize
    const centred = absmax.slice(from, from + blockSize).map((value) => value - offset)
    nestedAbsmax[block] = centred.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    const inverse = nestedAbsmax[block] === 0 ? 0 : 1 / nestedAbsmax[block]
    centred.forEach((value, k) => (codes[from + k] = nearest(map, value * inverse)))
  }
  return { codes, nestedAbsmax, offset, map }
}

/** Index of the nearest number of an ascending list. */
function nearest(map: Float32Array, value: number): number {
  let low = 0
  let high = map.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (value > (map[middle] + map[middle + 1]) / 2) low = middle + 1
    else high = middle
  }
  return low
}

/** Scales from bytes. @throws ArgumentError when lengths do not fit */
export function dequantiseAbsmax(
  quantised: Pick<QuantisedAbsmax, 'codes' | 'nestedAbsmax' | 'offset'>,
  map: Float32Array,
  blockSize: number,
): Float32Array {
  checkObject('dequantiseAbsmax: quantised', quantised)
  checkCount('dequantiseAbsmax: blockSize', blockSize, 1)
  const { codes, nestedAbsmax, offset } = quantised
  if (!(codes instanceof Uint8Array))
    throw new ArgumentError(`dequantiseAbsmax: codes must be a Uint8Array, got ${shown(codes)}`)
  checkArray('dequantiseAbsmax: map', map, Float32Array, 256)
  checkArray('dequantiseAbsmax: nestedAbsmax', nestedAbsmax, Float32Array, Math.ceil(codes.length / blockSize))
  return Float32Array.from(
    codes,
    (code, i) => Math.fround(map[code] * nestedAbsmax[Math.floor(i / blockSize)]) + offset,
  )
}
