/**
 * GPTQ files: `qweight` [in/8, out] holds eight inputs of one output in a word, lowest first; `qzeros` [groups, out/8]
 * eight outputs of one group; `scales` [groups, out]; `g_idx` [in], the group of each input.
 *
 * @source the layout of AutoGPTQ; arXiv 2210.17323
 */
import { checkOptions } from '../arguments.js'
import { ArgumentError, shown } from '../errors.js'
import {
  checkArray,
  checkShape,
  evenGroups,
  groupCount,
  packRow,
  PER_WORD,
  type GroupCodes,
  type LinearShape,
} from './groups.js'

/** `gptq` stores each zero point less one, `gptq_v2` as it is (the key `checkpoint_format`). */
export type GptqFormat = 'gptq' | 'gptq_v2'

/** The tensors of a packed linear layer; `scales` widened to float32. */
export interface GptqTensors extends LinearShape {
  readonly qweight: Int32Array
  readonly qzeros: Int32Array
  /** [groups, out] */
  readonly scales: Float32Array
  /** Needed with act order, where groups are no runs. */
  readonly gIdx?: Int32Array
  /** Instead of `gIdx`; −1 is one group. */
  readonly groupSize?: number
  readonly format?: GptqFormat
}

const ASCENDING = [0, 1, 2, 3, 4, 5, 6, 7]

/** What is taken away from a zero point when it is stored. */
function storedLess(format: GptqFormat = 'gptq'): 0 | 1 {
  if (format === 'gptq') return 1
  if (format === 'gptq_v2') return 0
  throw new ArgumentError(`gptq: format must be gptq or gptq_v2, got ${shown(format)}`)
}

/** @returns codes and zero points, one to a byte @throws ArgumentError when lengths do not fit */
export function unpackGptq(tensors: GptqTensors): GroupCodes {
  const { inFeatures, outFeatures, groupOf, groups } = checkGptq('unpackGptq', tensors)
  const { qweight, qzeros, format } = tensors
  const codes = new Uint8Array(inFeatures * outFeatures)
  for (let word = 0; word < qweight.length; word++) {
    const k = PER_WORD * Math.floor(word / outFeatures)
    const n = word % outFeatures
    for (let r = 0; r < PER_WORD; r++) codes[(k + r) * outFeatures + n] = (qweight[word] >>> (4 * r)) & 15
  }
  const zeros = new Uint8Array(groups * outFeatures)
  const less = storedLess(format)
  for (let i = 0; i < zeros.length; i++) zeros[i] = (((qzeros[i >> 3] >>> (4 * (i & 7))) & 15) + less) & 15
  return { inFeatures, outFeatures, codes, zeros, groupOf }
}

/** The inverse of {@link unpackGptq}; a zero point of 0 is stored by `gptq` as 15. */
export function packGptq(
  unpacked: GroupCodes,
  options: { readonly format?: GptqFormat } = {},
): { readonly qweight: Int32Array; readonly qzeros: Int32Array; readonly gIdx: Int32Array } {
  checkShape('packGptq', unpacked, ['inFeatures', 'outFeatures'])
  checkOptions('packGptq', options, ['format'])
  const { inFeatures, outFeatures, codes, zeros, groupOf } = unpacked
  checkArray('packGptq: codes', codes, Uint8Array, inFeatures * outFeatures)
  checkArray('packGptq: groupOf', groupOf, Int32Array, inFeatures)
  checkArray(
    'packGptq: zeros',
    zeros,
    Uint8Array,
    groupCount('packGptq', groupOf, zeros?.length ?? 0, outFeatures) * outFeatures,
  )
  const less = storedLess(options.format)
  const column = new Uint8Array(PER_WORD)
  const qweight = Int32Array.from({ length: codes.length / PER_WORD }, (_, word) => {
    const k = PER_WORD * Math.floor(word / outFeatures)
    for (let r = 0; r < PER_WORD; r++) column[r] = codes[(k + r) * outFeatures + (word % outFeatures)]
    return packRow(column, 0, ASCENDING)
  })
  const stored = zeros.map((zero) => (zero > 15 ? zero : (zero - less) & 15))
  const qzeros = Int32Array.from({ length: stored.length / PER_WORD }, (_, word) =>
    packRow(stored, word * PER_WORD, ASCENDING),
  )
  return { qweight, qzeros, gIdx: groupOf.slice() }
}

/** Outputs that are written side by side: their input words share cache lines. */
const TILE = 16

/**
 * The weight in float32.
 * @returns [outFeatures, inFeatures]
 * @throws ArgumentError when lengths do not fit
 */
export function dequantiseGptq(tensors: GptqTensors): Float32Array {
  const { inFeatures, outFeatures, groupOf } = checkGptq('dequantiseGptq', tensors)
  const { qweight, qzeros, scales, format } = tensors
  const less = storedLess(format)
  const weight = new Float32Array(inFeatures * outFeatures)
  for (let tile = 0; tile < outFeatures; tile += TILE) {
    const end = Math.min(outFeatures, tile + TILE)
    for (let k = 0; k < inFeatures; k += PER_WORD) {
      const words = (k / PER_WORD) * outFeatures
      for (let n = tile; n < end; n++) {
        const word = qweight[words + n]
        for (let r = 0; r < PER_WORD; r++) {
          const entry = groupOf[k + r] * outFeatures + n
          const zero = (((qzeros[entry >> 3] >>> (4 * (entry & 7))) & 15) + less) & 15
          weight[n * inFeatures + k + r] = scales[entry] * (((word >>> (4 * r)) & 15) - zero)
        }
      }
    }
  }
  return weight
}

function checkGptq(what: string, tensors: GptqTensors) {
  checkShape(what, tensors, ['inFeatures', 'outFeatures'])
  const { inFeatures, outFeatures, qweight, qzeros, scales, gIdx, groupSize } = tensors
  checkArray(`${what}: qweight`, qweight, Int32Array, (inFeatures / PER_WORD) * outFeatures)
  if (gIdx === undefined && groupSize === undefined)
    throw new ArgumentError(`${what}: gIdx or groupSize must be given, got neither`)
  if (gIdx !== undefined) checkArray(`${what}: gIdx`, gIdx, Int32Array, inFeatures)
  const groupOf = gIdx ?? evenGroups(inFeatures, groupSize as number)
  const groups = groupCount(what, groupOf, scales?.length ?? 0, outFeatures)
  checkArray(`${what}: scales`, scales, Float32Array, groups * outFeatures)
  checkArray(`${what}: qzeros`, qzeros, Int32Array, (groups * outFeatures) / PER_WORD)
  return { inFeatures, outFeatures, groupOf, groups }
}
