/** Converts checkpoints between formats and types. */
import { dirname, join } from 'node:path'
import { checkChoice, checkMethods, checkOptions, checkText } from '../arguments.js'
import { type Checkpoint } from '../checkpoint.js'
import { convertedTensor, isConvertible, TARGET_DTYPES, type TargetDType } from '../convert/dtypes.js'
import { ggufMetadataOf, type TextFiles } from '../convert/ggufMetadata.js'
import { ggufTensors } from '../convert/ggufTensors.js'
import { isGgufBlockType, isPlainDType, type StoredDType } from '../dtype.js'
import { ArgumentError, CheckpointError } from '../errors.js'
import { memoryFolder } from '../folder.js'
import { ggufModelFiles } from '../gguf/modelFiles.js'
import { checkTensors } from '../tensorToWrite.js'
import { replaceFile } from './replaceFile.js'
import { writeGguf } from './writeGguf.js'
import { reporting, writeShardedSafetensors, type WriteProgress } from './writeSharded.js'
import { makeFolder } from './makeFolder.js'

/** Options of {@link convertCheckpoint}. */
export interface ConvertOptions {
  /** Default: `gguf` when the target ends in `.gguf`, else `safetensors`. */
  readonly format?: 'safetensors' | 'gguf'
  /** What weights become; without it they keep their type, and blocks of GGUF become F16 in safetensors. */
  readonly dtype?: TargetDType
  /** For safetensors, default 5·10⁹. */
  readonly maxShardBytes?: number
  /**
   * The folder of the model. Its configuration and tokenizer go into a GGUF file, or are copied beside safetensors.
   * For a GGUF source they come from its metadata if absent.
   */
  readonly files?: TextFiles
  readonly onProgress?: (progress: WriteProgress) => void
  readonly onWarning?: (message: string) => void
}

/** What {@link convertCheckpoint} wrote. */
export interface Converted {
  /** Paths of the files. */
  readonly files: readonly string[]
}

/** Files of a model folder that are no weights. */
const MODEL_FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
  'merges.txt',
  'added_tokens.json',
  'special_tokens_map.json',
  'special_tokens.txt',
  'chat_template.jinja',
  'quantize_config.json',
  'quant_config.json',
]

const OPTIONS = ['format', 'dtype', 'maxShardBytes', 'files', 'onProgress', 'onWarning']

/**
 * Writes a checkpoint in another format, with other types or in other shards. Tensors are read, rounded and written
 * piece by piece, so memory stays below some hundred MiB whatever the size of the model; old files are replaced only
 * by complete new ones.
 *
 * @param from an open checkpoint with the names of Hugging Face; GGUF is opened so by `openCheckpoint`
 * @param to a folder for safetensors, a file for GGUF
 * @throws CheckpointError when a tensor cannot be read, written or converted; ArgumentError for impossible requests
 */
export async function convertCheckpoint(
  from: Checkpoint,
  to: string,
  options: ConvertOptions = {},
): Promise<Converted> {
  checkMethods('convertCheckpoint: from', from, ['read', 'readRows', 'stream'])
  checkText('convertCheckpoint: to', to)
  checkOptions('convertCheckpoint', options, OPTIONS)
  const {
    dtype,
    format = to.endsWith('.gguf') ? 'gguf' : 'safetensors',
    onWarning = (note) => console.warn(note),
  } = options
  checkChoice('convertCheckpoint: format', format, ['safetensors', 'gguf'])
  if (dtype !== undefined) checkChoice('convertCheckpoint: dtype', dtype, TARGET_DTYPES)
  if (from.tensors.has('token_embd.weight'))
    throw new ArgumentError(
      "convertCheckpoint: tensors must have the names of Hugging Face; open GGUF with names: 'hf'",
    )
  if (dtype !== undefined || format === 'gguf') refusePacked(from)
  return format === 'gguf'
    ? toGguf(from, to, { ...options, onWarning })
    : toSafetensors(from, to, { ...options, onWarning })
}

/** Packed weights are several tensors each: rounding one of them alone would make nonsense of the others. */
function refusePacked(from: Checkpoint): void {
  const packed = [...from.tensors.keys()].find((name) => /\.(qweight|absmax)$/.test(name))
  if (packed === undefined) return
  throw new CheckpointError({
    file: from.name,
    tensor: packed,
    rule: 'weights that are converted must not be packed (GPTQ, AWQ, NF4)',
    got: 'packed ones',
    wayOut: 'leave dtype out and write safetensors, which keeps them as they are, or convert the unpacked original',
  })
}

/** Options whose defaults are filled in. */
type Filled = ConvertOptions & { readonly onWarning: (message: string) => void }

async function toSafetensors(from: Checkpoint, to: string, options: Filled): Promise<Converted> {
  const { dtype, maxShardBytes, onProgress } = options
  if (dtype !== undefined && !isPlainDType(dtype))
    throw new ArgumentError(
      `convertCheckpoint: safetensors holds F32, F16 and BF16, got ${dtype}; write *.gguf instead`,
    )
  const target = (source: StoredDType): StoredDType => {
    if (!isConvertible(source)) return source
    return dtype ?? (isGgufBlockType(source) ? 'F16' : source)
  }
  const tensors = [...from.tensors.values()].map((info) => convertedTensor(from, info, target(info.dtype)))
  const written = await writeShardedSafetensors(to, tensors, { maxShardBytes, onProgress, metadata: { format: 'pt' } })
  const files = written.map((file) => join(to, file))
  for (const [file, text] of await modelTexts(from, options)) {
    await replaceFile(join(to, file), file === 'config.json' ? withDType(text, dtype) : text)
    files.push(join(to, file))
  }
  return { files }
}

async function modelTexts(from: Checkpoint, { files, onWarning }: Filled): Promise<[string, string][]> {
  const source = files ?? filesOfGguf(from, onWarning)
  const texts = await Promise.all(MODEL_FILES.map(async (file) => [file, await source?.readText(file)] as const))
  return texts.flatMap(([file, text]) => (text === undefined ? [] : [[file, text]]))
}

function filesOfGguf(from: Checkpoint, onWarning: (message: string) => void): TextFiles | undefined {
  if (from.format !== 'gguf') return undefined
  const { files, warnings } = ggufModelFiles(from)
  warnings.forEach(onWarning)
  return memoryFolder(from.name, files)
}

const TORCH_NAMES: Partial<Record<TargetDType, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }

/** The configuration names the type of the weights; left as it was where nothing changed. */
function withDType(config: string, dtype: TargetDType | undefined): string {
  const name = dtype === undefined ? undefined : TORCH_NAMES[dtype]
  if (name === undefined) return config
  // Replaced in the text, so that everything else, doubled keys included, stays.
  return config.replace(/("torch_dtype"\s*:\s*)"\w+"/, `$1"${name}"`)
}

async function toGguf(from: Checkpoint, to: string, options: Filled): Promise<Converted> {
  const { dtype, onProgress, onWarning } = options
  const files = options.files ?? filesOfGguf(from, onWarning)
  if (files === undefined)
    throw new ArgumentError('convertCheckpoint: GGUF needs `files`, the folder that has config.json and the tokenizer')
  const embedding = from.tensors.get('model.embed_tokens.weight')
  if (embedding === undefined)
    throw new CheckpointError({
      file: from.name,
      tensor: 'model.embed_tokens.weight',
      rule: 'GGUF is written for LLaMA-like models, which have this tensor',
      got: 'none',
      wayOut: 'write safetensors instead',
    })
  const name = (files as { readonly name?: string }).name ?? from.name
  const { metadata, heads, warnings } = await ggufMetadataOf(name, files, embedding.shape[0], dtype ?? embedding.dtype)
  const { tensors, warnings: changes } = ggufTensors(from, dtype, heads)
  for (const warning of [...warnings, ...changes]) onWarning(warning)
  await makeFolder(dirname(to))
  await writeGguf(to, reporting(checkTensors('convertCheckpoint', tensors), onProgress), { metadata })
  return { files: [to] }
}
