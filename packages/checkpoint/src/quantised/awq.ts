/**
 * AWQ files, version GEMM: `qweight` [in, out/8] holds eight outputs of one input in a word, in the order
 * 0 2 4 6 1 3 5 7; `qzeros` [groups, out/8] likewise; `scales` [groups, out].
 *
 * @source the layout of AutoAWQ; arXiv 2306.00978
 */
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

/** The tensors of a packed linear layer; `scales` widened to float32. */
export interface AwqTensors extends LinearShape {
  readonly qweight: Int32Array
  readonly qzeros: Int32Array
  /** [groups, out] */
  readonly scales: Float32Array
  /** −1 is one group. */
  readonly groupSize: number
  /** `version` of `quant_config.json`; others are laid out differently. */
  readonly version?: string
}

/** Place `p` of a word holds output `ORDER[p]` of its eight. */
const ORDER = [0, 2, 4, 6, 1, 3, 5, 7]

/** @returns codes and zero points, one to a byte @throws ArgumentError when lengths do not fit or it is not GEMM */
export function unpackAwq(tensors: AwqTensors): GroupCodes {
  const { inFeatures, outFeatures, groupOf } = checkAwq('unpackAwq', tensors)
  return { inFeatures, outFeatures, codes: unpackWords(tensors.qweight), zeros: unpackWords(tensors.qzeros), groupOf }
}

function unpackWords(words: Int32Array): Uint8Array {
  const codes = new Uint8Array(words.length * PER_WORD)
  words.forEach((word, w) => {
    for (let place = 0; place < PER_WORD; place++) codes[w * PER_WORD + ORDER[place]] = (word >>> (4 * place)) & 15
  })
  return codes
}

/** The inverse of {@link unpackAwq}. @throws ArgumentError when groups are not even runs, which AWQ cannot say */
export function packAwq(unpacked: GroupCodes): { readonly qweight: Int32Array; readonly qzeros: Int32Array } {
  checkShape('packAwq', unpacked, ['outFeatures'])
  const { inFeatures, outFeatures, codes, zeros, groupOf } = unpacked
  checkArray('packAwq: codes', codes, Uint8Array, inFeatures * outFeatures)
  checkArray('packAwq: groupOf', groupOf, Int32Array, inFeatures)
  const groups = groupCount('packAwq', groupOf, zeros?.length ?? 0, outFeatures)
  checkArray('packAwq: zeros', zeros, Uint8Array, groups * outFeatures)
  const even = evenGroups(inFeatures, Math.ceil(inFeatures / groups))
  if (groupOf.some((group, k) => group !== even[k]))
    throw new ArgumentError('packAwq: groups must be runs of one size; act order has no place in AWQ files, use GPTQ')
  return { qweight: packWords(codes), qzeros: packWords(zeros) }
}

function packWords(codes: Uint8Array): Int32Array {
  return Int32Array.from({ length: codes.length / PER_WORD }, (_, word) => packRow(codes, word * PER_WORD, ORDER))
}

/**
 * The weight in float32.
 * @returns [outFeatures, inFeatures]
 * @throws ArgumentError when lengths do not fit or the version is not GEMM
 */
export function dequantiseAwq(tensors: AwqTensors): Float32Array {
  const { inFeatures, outFeatures, groupOf } = checkAwq('dequantiseAwq', tensors)
  const { qweight, qzeros, scales } = tensors
  const words = outFeatures / PER_WORD
  const weight = new Float32Array(inFeatures * outFeatures)
  for (let w = 0; w < words; w++) {
    for (let k = 0; k < inFeatures; k++) {
      const word = qweight[k * words + w]
      const zeros = qzeros[groupOf[k] * words + w]
      for (let place = 0; place < PER_WORD; place++) {
        const n = w * PER_WORD + ORDER[place]
        const q = ((word >>> (4 * place)) & 15) - ((zeros >>> (4 * place)) & 15)
        weight[n * inFeatures + k] = scales[groupOf[k] * outFeatures + n] * q
      }
    }
  }
  return weight
}

function checkAwq(what: string, tensors: AwqTensors) {
  checkShape(what, tensors, ['outFeatures'])
  const { inFeatures, outFeatures, qweight, qzeros, scales, groupSize, version = 'GEMM' } = tensors
  if (String(version).toUpperCase() !== 'GEMM')
    throw new ArgumentError(`${what}: version must be GEMM, got ${shown(version)}; convert it with AutoAWQ`)
  checkArray(`${what}: qweight`, qweight, Int32Array, inFeatures * (outFeatures / PER_WORD))
  const groupOf = evenGroups(inFeatures, groupSize)
  const groups = groupCount(what, groupOf, scales?.length ?? 0, outFeatures)
  checkArray(`${what}: scales`, scales, Float32Array, groups * outFeatures)
  checkArray(`${what}: qzeros`, qzeros, Int32Array, groups * (outFeatures / PER_WORD))
  return { inFeatures, outFeatures, groupOf }
}
