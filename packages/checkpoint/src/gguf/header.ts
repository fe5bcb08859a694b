/**
 * The header of GGUF: metadata, then names, types and places of the tensors.
 * @source docs/gguf.md of github.com/ggml-org/ggml
 */
import { tensorInfo, type TensorInfo } from '../checkpoint.js'
import { layoutOf } from '../dtype.js'
import { CheckpointError, quoted } from '../errors.js'
import { type ByteSource } from '../source.js'
import { recogniseStranger } from '../strangers.js'
import { HeaderReader, NeedsMoreBytes } from './headerReader.js'
import { TENSOR_TYPES, UNREADABLE_TYPES, type GgufValue } from './types.js'

/** A tensor and where its bytes are in the file. */
export interface GgufEntry {
  readonly info: TensorInfo
  readonly begin: number
}

/** What a header says. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly entries: readonly GgufEntry[]
}

export const GGUF_MAGIC = 0x46554747
export const DEFAULT_ALIGNMENT = 32
const MOST_ALIGNMENT = 2 ** 16
const MOST_AXES = 8
const FIRST_READ_BYTES = 2 ** 20

/** Longer headers are refused; a vocabulary of 250,000 with its merges takes some 20 MB. */
const MOST_HEADER_BYTES = 256 * 2 ** 20

/** A key is 8 bytes of length, 4 of type, and a value of at least 1. */
const LEAST_ENTRY_BYTES = 13
/** Name, axes, type, place. */
const LEAST_TENSOR_BYTES = 24

/** @throws CheckpointError when the header lies in any way */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  for (let bytes = FIRST_READ_BYTES; ; bytes *= 4) {
    const start = await source.read(0, Math.min(source.size, bytes))
    try {
      return parseGgufHeader(source.name, start, source.size)
    } catch (error) {
      if (!(error instanceof NeedsMoreBytes)) throw error
      if (bytes >= MOST_HEADER_BYTES)
        throw new CheckpointError({
          file: source.name,
          rule: `the header may have ${MOST_HEADER_BYTES} bytes`,
          got: 'more',
        })
    }
  }
}

function parseGgufHeader(file: string, start: Uint8Array, fileBytes: number): GgufHeader {
  const reader = new HeaderReader(file, start, fileBytes)
  checkVersion(file, start, reader)
  const tensorCount = reader.count('the number of tensors', LEAST_TENSOR_BYTES)
  const keyCount = reader.count('the number of keys', LEAST_ENTRY_BYTES)
  const metadata = new Map<string, GgufValue>()
  for (let k = 0; k < keyCount; k++) {
    const key = reader.text()
    if (metadata.has(key)) reader.fail('a key may be given once', `${quoted(key)} twice`)
    metadata.set(key, reader.value())
  }
  const alignment = alignmentOf(reader, metadata)
  const found = Array.from({ length: tensorCount }, () => readTensor(file, reader))
  const dataStart = Math.ceil(reader.at / alignment) * alignment
  const entries = found.map(({ info, offset }) => ({ info, begin: dataStart + offset, offset }))
  checkPlaces(file, entries, alignment, fileBytes)
  return { metadata, entries }
}

function checkVersion(file: string, start: Uint8Array, reader: HeaderReader): void {
  if (start.length < 4 || reader.u32() !== GGUF_MAGIC)
    throw new CheckpointError({
      file,
      rule: 'a GGUF file must start with "GGUF"',
      got: start.length === 0 ? 'an empty file' : 'something else',
      wayOut: recogniseStranger(start) ?? 'the file is damaged or of another format: get it again',
    })
  const version = reader.u32()
  if (version !== 2 && version !== 3) {
    const isBigEndian = (version & 0xffff) === 0 && version !== 0
    const got = isBigEndian ? 'a big-endian file' : `version ${version}`
    reader.fail('GGUF must be of version 2 or 3, little-endian', got, 'convert it with a newer llama.cpp')
  }
}

function alignmentOf(reader: HeaderReader, metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get('general.alignment')?.value ?? DEFAULT_ALIGNMENT
  const isPower = typeof alignment === 'number' && Number.isInteger(Math.log2(alignment))
  if (!isPower || alignment < 1 || alignment > MOST_ALIGNMENT)
    return reader.fail(`general.alignment must be a power of two up to ${MOST_ALIGNMENT}`, String(alignment))
  return alignment
}

function readTensor(file: string, reader: HeaderReader): { readonly info: TensorInfo; readonly offset: number } {
  const name = reader.text()
  const fail = (rule: string, got: string, wayOut?: string): never => {
    throw new CheckpointError({ file, tensor: name, rule, got, wayOut })
  }
  const axes = reader.u32()
  if (axes > MOST_AXES) return fail(`it may have ${MOST_AXES} axes`, `${axes}`)
  // The file has the innermost axis first.
  const shape = Array.from({ length: axes }, () => reader.size('an axis')).reverse()
  const number = reader.u32()
  const dtype = TENSOR_TYPES.get(number)
  if (dtype === undefined) {
    const readable = [...TENSOR_TYPES.values()].join(' ')
    const got = UNREADABLE_TYPES.get(number) ?? `number ${number}`
    return fail(`its type must be one of ${readable}`, got, 'quantise the model to one of these, such as Q4_K_M')
  }
  const { blockElements } = layoutOf(dtype)
  if ((shape.at(-1) ?? 1) % blockElements !== 0)
    return fail(`rows of ${dtype} must be multiples of ${blockElements}`, `shape [${shape.join(', ')}]`)
  return { info: tensorInfo(name, dtype, shape), offset: reader.size('a place') }
}

/** Tensors lie in the file, aligned, and not over each other; gaps are padding. */
function checkPlaces(
  file: string,
  entries: readonly (GgufEntry & { readonly offset: number })[],
  alignment: number,
  fileBytes: number,
): void {
  const names = new Set<string>()
  let end = 0
  for (const { info, begin, offset } of [...entries].sort(
    (a, b) => a.begin - b.begin || a.info.byteLength - b.info.byteLength,
  )) {
    const fail = (rule: string, got: string, wayOut?: string): never => {
      throw new CheckpointError({ file, tensor: info.name, rule, got, wayOut })
    }
    if (names.has(info.name)) fail('names must differ', 'two of them')
    names.add(info.name)
    if (offset % alignment !== 0) fail(`its place must be a multiple of ${alignment}`, `${offset}`)
    if (begin < end) fail(`it must begin behind the tensor before it, at byte ${end}`, `${begin}`)
    end = begin + info.byteLength
    if (!(end <= fileBytes))
      fail(`it must end within the file of ${fileBytes} bytes`, `byte ${end}`, 'the file is cut off: get it again')
  }
}

/** Metadata without its types. */
export function plainMetadata(metadata: ReadonlyMap<string, GgufValue>): ReadonlyMap<string, unknown> {
  return new Map([...metadata].map(([key, { value }]) => [key, value]))
}
