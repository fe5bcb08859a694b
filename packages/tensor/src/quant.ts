/**
 * Block-quantised weights as plain arrays: rounding to nearest, and back. The layout is that of `program/quant.ts`;
 * a weight is [N, K] as in a checkpoint (output features, input features).
 */
import { ArgumentError, ShapeError } from './errors.js'
import { NF4_LEVELS, QUANT_BLOCK, QUANT_FORMATS, type QuantFormat } from './program/quant.js'

/** A weight [N, K] in one of the quantised formats. */
export interface QuantizedArrays {
  readonly format: QuantFormat
  readonly shape: readonly [number, number]
  /** Inputs that share a scale. */
  readonly group: number
  /** i8 [N, K] for int8, u8 [N, K/2] for the 4-bit formats. */
  readonly packed: Int8Array | Uint8Array
  /** f32 [N, K/group] */
  readonly scale: Float32Array
  /** u8 [N, K/group], int4 only. */
  readonly zero?: Uint8Array
}

/**
 * Rounds a weight to the nearest levels of a format.
 *
 * int8 and int4sym: scale = max |w| / 127 or / 7 of the group, symmetric. int4: the 16 levels span the group's range
 * and zero. nf4: scale = max |w|. A group of zeros has scale 0.
 *
 * @param data f32 [N, K], row-major
 * @param group inputs that share a scale; int8 usually takes K (per output channel)
 * @throws ShapeError when data, shape and group do not fit, ArgumentError when a value is not finite
 * @source arXiv 2305.14314 (NF4)
 */
export function quantize(
  data: Float32Array,
  shape: readonly [number, number],
  format: QuantFormat,
  group: number,
): QuantizedArrays {
  checkQuantShape('quantize', shape, format, group)
  if (!(data instanceof Float32Array)) {
    throw new ArgumentError(
      'quantize: the data must be a Float32Array, got something else; take it from await x.data(), or convert it with Float32Array.from',
    )
  }
  const [N, K] = shape
  if (data.length !== N * K) {
    throw new ShapeError(`quantize: a weight of shape [${N}, ${K}] has ${N * K} elements, got ${data.length}`)
  }
  const levels = new Int8Array(N * K)
  const scale = new Float32Array((N * K) / group)
  const zero = format === 'int4' ? new Uint8Array(scale.length) : undefined
  for (let at = 0; at < scale.length; at++) {
    const values = data.subarray(at * group, (at + 1) * group)
    const range = rangeOf(values, at * group)
    scale[at] = scaleOf(range, format)
    const zeroPoint = zero === undefined ? 8 : zeroPointOf(range, scale[at])
    if (zero !== undefined) zero[at] = zeroPoint
    for (let k = 0; k < group; k++) levels[at * group + k] = levelOf(values[k], scale[at], zeroPoint, format)
  }
  const packed = format === 'int8' ? levels : packHalves(levels)
  return { format, shape, group, packed, scale, ...(zero && { zero }) }
}

/** The weight that quantised arrays stand for, f32 [N, K]; every value is one f32 product, as backends compute it. */
export function dequantize(weight: QuantizedArrays): Float32Array {
  requireRecord('dequantize', weight)
  const { format, shape, group, packed, scale, zero } = weight
  checkQuantShape('dequantize', shape, format, group)
  const levels = format === 'int8' ? packed : unpackHalves(packed as Uint8Array)
  const data = new Float32Array(shape[0] * shape[1])
  for (let at = 0; at < data.length; at++) {
    const inGroup = Math.floor(at / group)
    data[at] = valueOf(levels[at], format, zero === undefined ? 8 : zero[inGroup]) * scale[inGroup]
  }
  return data
}

/**
 * Packs 4-bit levels in 0 … 15: byte j of every 16 holds element j in its low half, element j + 16 in its high half.
 *
 * @throws ShapeError when the length is not a multiple of 32
 */
export function packHalves(levels: ArrayLike<number>): Uint8Array {
  if (levels.length % QUANT_BLOCK !== 0) {
    throw new ShapeError(`packHalves: the length must be a multiple of ${QUANT_BLOCK}, got ${levels.length}`)
  }
  const half = QUANT_BLOCK / 2
  const packed = new Uint8Array(levels.length / 2)
  for (let byte = 0; byte < packed.length; byte++) {
    const low = Math.floor(byte / half) * QUANT_BLOCK + (byte % half)
    packed[byte] = (levels[low] & 15) | ((levels[low + half] & 15) << 4)
  }
  return packed
}

/** The levels in 0 … 15 that `packHalves` packed. */
export function unpackHalves(packed: Uint8Array): Uint8Array {
  const half = QUANT_BLOCK / 2
  const levels = new Uint8Array(packed.length * 2)
  for (let byte = 0; byte < packed.length; byte++) {
    const low = Math.floor(byte / half) * QUANT_BLOCK + (byte % half)
    levels[low] = packed[byte] & 15
    levels[low + half] = packed[byte] >> 4
  }
  return levels
}

/** @throws ArgumentError for anything but what `quantize` returns */
export function requireRecord(caller: string, weight: QuantizedArrays): void {
  const { packed, scale } = (weight ?? {}) as Partial<QuantizedArrays>
  if (!ArrayBuffer.isView(packed) || !ArrayBuffer.isView(scale))
    throw new ArgumentError(
      `${caller}: the weight must be arrays of a quantised weight, got ${weight === null ? 'null' : typeof weight} without packed and scale; give what quantize(…) returns`,
    )
}

/** @throws ShapeError when a weight of this shape cannot be stored in the format with this group */
export function checkQuantShape(caller: string, shape: readonly number[], format: QuantFormat, group: number): void {
  if (!QUANT_FORMATS.includes(format)) {
    throw new ArgumentError(
      `${caller}: the format must be one of ${QUANT_FORMATS.join(', ')}, got ${String(format)}; choose one of them`,
    )
  }
  if (!Array.isArray(shape)) {
    throw new ShapeError(`${caller}: a weight has shape [N, K], got ${typeof shape}; write it as in [768, 3072]`)
  }
  const [N, K] = shape as readonly number[]
  if (shape.length !== 2 || !(N >= 0) || !(K > 0)) {
    throw new ShapeError(`${caller}: a weight has shape [N, K] with K > 0, got [${shape.join(', ')}]`)
  }
  if (!Number.isInteger(group) || group < 1 || K % group !== 0) {
    throw new ShapeError(`${caller}: the group must divide K, got group ${group} and K ${K}; use a divisor of ${K}`)
  }
  if (format !== 'int8' && group % QUANT_BLOCK !== 0) {
    throw new ShapeError(
      `${caller}: groups of ${format} are multiples of ${QUANT_BLOCK}, got ${group}; pad K or choose another group`,
    )
  }
}

interface Range {
  readonly low: number
  readonly high: number
}

/** Smallest and largest of a group, zero included so that zero stays exact. */
function rangeOf(values: Float32Array, first: number): Range {
  let low = 0
  let high = 0
  values.forEach((value, at) => {
    if (!Number.isFinite(value)) {
      throw new ArgumentError(`quantize: weights must be finite, got ${value} at element ${first + at}`)
    }
    low = Math.min(low, value)
    high = Math.max(high, value)
  })
  return { low, high }
}

function scaleOf({ low, high }: Range, format: QuantFormat): number {
  const largest = Math.max(high, -low)
  switch (format) {
    case 'int8':
      return Math.fround(largest / 127)
    case 'int4sym':
      return Math.fround(largest / 7)
    case 'int4':
      return Math.fround((high - low) / 15)
    case 'nf4':
      return Math.fround(largest)
  }
}

function zeroPointOf({ low }: Range, scale: number): number {
  return scale === 0 ? 0 : clamp(Math.round(-low / scale), 0, 15)
}

function levelOf(value: number, scale: number, zeroPoint: number, format: QuantFormat): number {
  const ratio = scale === 0 ? 0 : value / scale
  switch (format) {
    case 'int8':
      return clamp(Math.round(ratio), -127, 127)
    case 'int4':
    case 'int4sym':
      return clamp(Math.round(ratio) + zeroPoint, 0, 15)
    case 'nf4':
      return nearestLevel(ratio)
  }
}

/** Index of the nearest NF4 level; the lower one in the middle. */
function nearestLevel(ratio: number): number {
  let index = 0
  while (index < 15 && ratio > (NF4_LEVELS[index] + NF4_LEVELS[index + 1]) / 2) index++
  return index
}

function valueOf(level: number, format: QuantFormat, zeroPoint: number): number {
  switch (format) {
    case 'int8':
      return level
    case 'int4':
    case 'int4sym':
      return level - zeroPoint
    case 'nf4':
      return Math.fround(NF4_LEVELS[level])
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value))
}
