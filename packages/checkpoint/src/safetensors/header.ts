/**
 * The header of safetensors: 8 bytes of length, then JSON that names type, shape and bytes of each tensor.
 * @source the format's own description, github.com/huggingface/safetensors
 */
import { tensorInfo, type TensorInfo } from '../checkpoint.js'
import { byteLengthOf, elementCount, isPlainDType, isShape, plainDTypes } from '../dtype.js'
import { CheckpointError, shown } from '../errors.js'
import { decodeText } from '../folder.js'
import { parseJsonKeepingDuplicates } from '../json.js'

/** Longer headers are refused before they are read, as the format's own library does. */
export const MAX_HEADER_BYTES = 100_000_000

/** Axes of a tensor. */
const MAX_RANK = 64

/** Bytes in front of the header. */
export const LENGTH_BYTES = 8

/** A tensor and where its bytes are in the file. */
export interface SafetensorsEntry {
  readonly info: TensorInfo
  readonly begin: number
  readonly end: number
}

/** What a header says. */
export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>
  /** In the order of their bytes. */
  readonly entries: readonly SafetensorsEntry[]
}

/** The header's length in bytes, checked against the file. */
export function readHeaderLength(file: string, start: Uint8Array, fileBytes: number): number {
  if (start.length < LENGTH_BYTES)
    throw new CheckpointError({
      file,
      rule: 'a safetensors file starts with 8 bytes of header length',
      got: `${fileBytes} bytes in all`,
      wayOut: 'the file is cut off or no safetensors file: get it again',
    })
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true)
  const most = Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES)
  if (length < 2n || length > BigInt(most))
    throw new CheckpointError({
      file,
      rule: `the header must have 2 to ${most} bytes (the file has ${fileBytes}, a header at most ${MAX_HEADER_BYTES})`,
      got: `length ${length}`,
      wayOut: 'the file is cut off or no safetensors file: get it again',
    })
  return Number(length)
}

/**
 * Checks everything that a header says: types, shapes, lengths, and that the tensors' bytes tile the rest of the file.
 * @throws CheckpointError
 */
export function parseHeader(file: string, bytes: Uint8Array, fileBytes: number): SafetensorsHeader {
  const { value, duplicates } = parseJsonKeepingDuplicates(decodeText(file, bytes), { file, maxDepth: 8 })
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CheckpointError({ file, rule: 'the header must be a JSON object', got: shown(value) })
  if (duplicates.length > 0)
    throw new CheckpointError({
      file,
      tensor: String(duplicates[0].path[0] ?? duplicates[0].key),
      rule: 'a key may stand in the header once',
      got: `${shown(duplicates[0].key)} ${duplicates[0].values.length} times`,
    })
  const dataStart = LENGTH_BYTES + bytes.length
  const { __metadata__: metadata, ...tensors } = value as Record<string, unknown>
  const entries = Object.entries(tensors).map(([name, entry]) => checkEntry(file, name, entry, dataStart, fileBytes))
  checkTiling(file, entries, dataStart, fileBytes)
  return { metadata: checkMetadata(file, metadata), entries }
}

function checkMetadata(file: string, metadata: unknown): ReadonlyMap<string, string> {
  if (metadata === undefined || metadata === null) return new Map()
  const entries = typeof metadata === 'object' && !Array.isArray(metadata) ? Object.entries(metadata) : undefined
  if (entries === undefined || entries.some(([, value]) => typeof value !== 'string'))
    throw new CheckpointError({ file, rule: '__metadata__ must map strings to strings', got: shown(metadata) })
  return new Map(entries as [string, string][])
}

function checkEntry(file: string, name: string, entry: unknown, dataStart: number, fileBytes: number) {
  const fail = (rule: string, got: unknown, wayOut?: string): never => {
    throw new CheckpointError({ file, tensor: name, rule, got: typeof got === 'string' ? got : shown(got), wayOut })
  }
  if (typeof entry !== 'object' || entry === null) return fail('its header entry must be an object', entry)
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>
  if (!isPlainDType(dtype)) return fail(`its dtype must be one of ${plainDTypes.join(' ')}`, shown(dtype))
  if (!isShape(shape) || shape.length > MAX_RANK)
    return fail(`its shape must be a list of at most ${MAX_RANK} sizes`, shape)
  if (!isShape(offsets) || offsets.length !== 2 || offsets[0] > offsets[1])
    return fail('its data_offsets must be [begin, end]', offsets)
  const [begin, end] = offsets.map((offset) => dataStart + offset)
  if (end > fileBytes)
    return fail(
      `its bytes must end within the file of ${fileBytes} bytes`,
      `${end}`,
      'the file is cut off: get it again',
    )
  const bytes = byteLengthOf(dtype, shape)
  if (bytes !== end - begin)
    return fail(
      `${dtype} of shape [${shape.join(', ')}] takes ${elementCount(shape) === Infinity ? 'too many' : bytes} bytes`,
      `data_offsets of ${end - begin} bytes`,
    )
  return { info: tensorInfo(name, dtype, shape), begin, end }
}

/** The bytes follow each other without holes or overlaps, so that two names can never mean the same bytes. */
function checkTiling(file: string, entries: SafetensorsEntry[], dataStart: number, fileBytes: number): void {
  let at = dataStart
  for (const { info, begin, end } of entries.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      throw new CheckpointError({
        file,
        tensor: info.name,
        rule: `the tensors' bytes must follow each other, so it begins at byte ${at}`,
        got: `${begin}, which ${begin < at ? 'overlaps the one before' : 'leaves a hole'}`,
      })
    at = end
  }
  if (at !== fileBytes)
    throw new CheckpointError({
      file,
      rule: `the file must end with the last tensor at byte ${at}`,
      got: `${fileBytes} bytes`,
      wayOut: 'the file is damaged: get it again',
    })
}
