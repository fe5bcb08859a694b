/** Tensors of a Hugging Face checkpoint as readers of GGUF expect them. */
import { type Checkpoint, type StoredTensor, type TensorInfo } from '../checkpoint.js'
import { isGgufBlockType, layoutOf, type GgufBlockType, type StoredDType } from '../dtype.js'
import { CheckpointError, quoted } from '../errors.js'
import { hfToGgufName } from '../gguf/names.js'
import { hfRowOf, reorderedRows } from '../gguf/rotaryRows.js'
import { type TensorToWrite } from '../tensorToWrite.js'
import { convertedTensor, isConvertible, type TargetDType } from './dtypes.js'

/** Heads of the model: rows of q and k are reordered within each. */
export interface Heads {
  readonly queryHeads: number
  readonly keyValueHeads: number
}

/** The tensors of a GGUF file, and what was changed on the way beyond what was asked. */
export interface GgufTensors {
  readonly tensors: readonly TensorToWrite[]
  readonly warnings: readonly string[]
}

const NOT_STORED = /rotary_emb\.inv_freq$/

/**
 * Renames, reorders and converts. Vectors become F32; matrices become `dtype`, or keep their type without it. Where
 * rows are no multiple of the block a type with smaller blocks is taken, and the output head is never below 8 bits.
 *
 * @throws CheckpointError for tensors that have no place in a LLaMA-like model
 */
export function ggufTensors(from: Checkpoint, dtype: TargetDType | undefined, heads: Heads): GgufTensors {
  const warnings: string[] = []
  const stored = [...from.tensors.values()].filter(({ name }) => !NOT_STORED.test(name))
  const tensors = stored.map((info) => {
    const name = hfToGgufName(info.name)
    if (name === undefined) throw noPlace(from.name, info.name)
    const target = targetOf(info, dtype)
    const wanted = dtype !== undefined && info.shape.length > 1 ? dtype : target
    if (target !== wanted && !/^output\./.test(name)) warnings.push(`${quoted(name)} is ${target} instead of ${wanted}`)
    const part = /attn_([qk])\./.exec(name)?.[1]
    if (part === undefined) return convertedTensor(from, info, target, name)
    const count = part === 'q' ? heads.queryHeads : heads.keyValueHeads
    return convertedTensor(reordered(from, info, count), info, target, name)
  })
  return { tensors, warnings: warnings.length > 0 ? [`${from.name}: ${warnings.slice(0, 8).join(', ')}`] : [] }
}

function noPlace(file: string, tensor: string): CheckpointError {
  return new CheckpointError({
    file,
    tensor,
    rule: 'a GGUF file of a LLaMA-like model must know the tensor',
    got: 'a name without a counterpart',
    wayOut: 'write safetensors instead, or dequantise packed layers first',
  })
}

function targetOf(info: TensorInfo, dtype: TargetDType | undefined): StoredDType {
  if (!isConvertible(info.dtype)) return info.dtype
  if (info.shape.length < 2) return 'F32'
  if (dtype === undefined) return keptType(info.dtype)
  if (!isGgufBlockType(dtype)) return dtype
  const wanted: GgufBlockType = info.name === 'lm_head.weight' ? 'Q8_0' : dtype
  const fits = (type: GgufBlockType) => (info.shape.at(-1) ?? 1) % layoutOf(type).blockElements === 0
  if (fits(wanted)) return wanted
  return fits('Q8_0') ? 'Q8_0' : 'F16'
}

function keptType(dtype: StoredDType): StoredDType {
  return dtype === 'F8_E4M3' || dtype === 'F8_E5M2' ? 'F16' : dtype
}

/** The checkpoint, with the rows of one tensor in the order of GGUF. */
function reordered(from: Checkpoint, info: TensorInfo, heads: number): Checkpoint {
  const rows = info.shape[0]
  if (!(heads > 0) || rows % (2 * heads) !== 0)
    throw new CheckpointError({
      file: from.name,
      tensor: info.name,
      rule: 'its rows must be an even number for each head of config.json',
      got: `${rows} rows, ${heads} heads`,
    })
  const { blockElements } = layoutOf(info.dtype)
  const rowElements = info.shape.slice(1).reduce((product, size) => product * size, 1)
  const tensor: StoredTensor = {
    info,
    readElements: (first, last) => from.readRows(info.name, first / rowElements, last / rowElements),
  }
  const view = reorderedRows(tensor, info.name, heads, hfRowOf)
  const rowsPerPiece = (chunkBytes: number) => Math.max(1, Math.floor(chunkBytes / (info.byteLength / rows)))
  return {
    ...from,
    async *stream(_name, { chunkBytes = 16 * 2 ** 20 } = {}) {
      // A one-axis bias in blocks would have no whole rows; plain types have blocks of one element.
      const step = rowsPerPiece(chunkBytes) * Math.max(rowElements, blockElements)
      const total = rows * rowElements
      for (let at = 0; at < total; at += step) yield view.readElements(at, Math.min(total, at + step))
    },
  }
}
