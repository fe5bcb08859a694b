/**
 * Tensors in one byte an element: blocks of 256 elements, each with its largest magnitude in f32, and inside a block the
 * nearest of 256 levels.
 *
 * The levels are those of the dynamic map of bitsandbytes (arXiv 2110.02861): seven decades, each cut evenly between 0.1 and
 * 1 of its top, with twice as many cuts in every decade above, and 0 and 1 exactly. Small moments keep their order of
 * magnitude, large ones two digits. Since every decade is cut evenly, encoding is arithmetic and needs no search.
 */
import { type Tensor, broadcastTo, cast, embedding, tensor, where } from '@tarazed/tensor'

/** Elements that share a scale. */
export const BLOCK = 256
/** Levels span 10⁻⁷ … 1. */
const DECADES = 7

/** A tensor in bytes; its shape is known elsewhere. */
export interface Blocks {
  /** u8 [elements, rounded up to whole blocks]: 0 … 255, levels in ascending order. */
  readonly codes: Tensor
  /** f32 [blocks]: the largest magnitude of each block. */
  readonly scale: Tensor
}

/** Levels with a sign, code 127 is 0; or without, code 0 is 0. */
export type Levels = 'signed' | 'unsigned'

/** The code of 0. */
export function zeroCode(levels: Levels): number {
  return levels === 'signed' ? 127 : 0
}

/** Cuts of a decade, counted from the lowest. */
function cuts(levels: Levels, decade: number): number {
  return 2 ** (levels === 'signed' ? decade : decade + 1)
}

function cutsBelow(levels: Levels, decade: number): number {
  return Array.from({ length: decade }, (_, below) => cuts(levels, below)).reduce((sum, count) => sum + count, 0)
}

function decadeTop(decade: number): number {
  return 10 ** (decade - DECADES + 1)
}

/** The positive levels below 1, ascending: the middles of the cuts of every decade. */
function positiveLevels(levels: Levels): number[] {
  return Array.from({ length: DECADES }, (_, decade) => {
    const count = cuts(levels, decade)
    return Array.from({ length: count }, (_, k) => decadeTop(decade) * (0.1 + (0.9 * (k + 0.5)) / count))
  }).flat()
}

/** All 256 levels by code. */
export function levelTable(levels: Levels): number[] {
  const positive = positiveLevels(levels)
  const negative = levels === 'signed' ? positive.map((level) => -level).reverse() : []
  return [...negative, 0, ...positive, 1]
}

/** The number of blocks of a tensor. */
export function blockCount(size: number): number {
  return Math.ceil(size / BLOCK)
}

/**
 * Elements [n] -> blocks. A last block that is not full is filled up with zeros.
 *
 * @param values f32 [n]; without sign when the levels have none
 */
export function toBlocks(values: Tensor, levels: Levels): Blocks {
  const blocks = blockCount(values.size)
  const missing = blocks * BLOCK - values.size
  const rows = (missing === 0 ? values : values.pad([[0, missing]])).reshape([blocks, BLOCK])
  const scale = rows.abs().max({ axes: 1 }) // [blocks]
  const divisor = where(scale.greater(0), scale, 1).expandDims(1)
  const codes = encode(rows.div(broadcastTo(divisor, rows.shape)), levels)
  return { codes: cast(codes, 'u8').reshape([blocks * BLOCK]), scale }
}

/** Blocks -> the first `size` elements, f32 [size]. */
export function fromBlocks({ codes, scale }: Blocks, size: number, levels: Levels): Tensor {
  const blocks = scale.size
  const table = tensor(levelTable(levels)) // [256]
  const values = embedding(table, cast(codes, 'i32')).reshape([blocks, BLOCK]).mul(scale.expandDims(1))
  const flat = values.reshape([blocks * BLOCK])
  return flat.size === size ? flat : flat.slice([[0, size]])
}

/**
 * Fractions in [-1, 1] -> codes, whole numbers in f32. Inside a decade the rank of a level is ⌊slope·x + offset⌋. A positive
 * number without sign never becomes 0: a second moment of 0 beside a first one that is not would make a step of m/eps.
 */
function encode(fractions: Tensor, levels: Levels): Tensor {
  const x = fractions.abs()
  const decades = Array.from({ length: DECADES }, (_, decade) => {
    const [count, before] = [cuts(levels, decade), cutsBelow(levels, decade)]
    const slope = count / (0.9 * decadeTop(decade))
    return { bottom: decadeTop(decade) / 10, slope, offset: before + 1 - count / 9 }
  })
  let [slope, offset]: (Tensor | number)[] = [decades[0].slope, decades[0].offset]
  for (const decade of decades.slice(1)) {
    const isAbove = x.greater(decade.bottom)
    slope = where(isAbove, decade.slope, slope)
    offset = where(isAbove, decade.offset, offset)
  }
  const [lowest, highest] = [positiveLevels(levels)[0], positiveLevels(levels).length]
  const rank = x.mul(slope).add(offset).floor().clip({ min: 1, max: highest })
  const isZero = levels === 'unsigned' ? x.lessEqual(0) : x.less(lowest / 2)
  const nearOne = (1 + positiveLevels(levels)[highest - 1]) / 2
  const signless = where(isZero, 0, where(x.greater(nearOne), highest + 1, rank))
  if (levels === 'unsigned') return signless
  // -1 has no level of its own: it takes the lowest.
  return where(fractions.less(0), signless.minimum(highest).neg(), signless).add(zeroCode(levels))
}
