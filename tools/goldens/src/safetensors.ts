/** Reads safetensors files: a length, a JSON header, raw little-endian row-major data. Trusts nothing in the file. */

/** A dtype as the file spells it, with the bytes of one element. */
const ELEMENT_BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I32: 4, U32: 4, U8: 1, I8: 1, BOOL: 1 } as const

export type SafetensorsDType = keyof typeof ELEMENT_BYTES

/** Headers above this are refused before they are parsed, as the format's own library does. */
const MAX_HEADER_BYTES = 100_000_000
const MAX_RANK = 64

/** The file is not a well-formed safetensors file. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
}

export interface SafetensorsEntry {
  readonly name: string
  readonly dtype: SafetensorsDType
  readonly shape: readonly number[]
  /** Bytes of the data within the file. */
  readonly begin: number
  readonly end: number
}

/** A file read whole: its entries by name and its bytes. */
export class SafetensorsFile {
  readonly #bytes: Uint8Array
  readonly entries: ReadonlyMap<string, SafetensorsEntry>

  private constructor(bytes: Uint8Array, entries: ReadonlyMap<string, SafetensorsEntry>) {
    this.#bytes = bytes
    this.entries = entries
  }

  /**
   * Checks the whole header: lengths, dtypes, shapes, and that the data ranges tile the rest of the file.
   * @param label the file's name, for messages
   * @throws SafetensorsError
   */
  static parse(bytes: Uint8Array, label: string): SafetensorsFile {
    const headerBytes = readHeaderLength(bytes, label)
    const header = parseHeader(bytes.subarray(8, 8 + headerBytes), label)
    const entries = new Map<string, SafetensorsEntry>()
    for (const [name, description] of Object.entries(header)) {
      if (name === '__metadata__') continue
      entries.set(name, checkEntry(name, description, 8 + headerBytes, bytes.length, label))
    }
    checkTiling([...entries.values()], 8 + headerBytes, bytes.length, label)
    return new SafetensorsFile(bytes, entries)
  }

  /** A copy of the data of one tensor. */
  data(entry: SafetensorsEntry): Uint8Array {
    return this.#bytes.slice(entry.begin, entry.end)
  }
}

function readHeaderLength(bytes: Uint8Array, label: string): number {
  if (bytes.length < 8)
    throw new SafetensorsError(
      `${label}: a file starts with 8 bytes of header length, got ${bytes.length} bytes in all`,
    )
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, bytes.length - 8)))
    throw new SafetensorsError(
      `${label}: the header must fit into the file (${bytes.length} bytes) and ${MAX_HEADER_BYTES} bytes, got length ${length}`,
    )
  return Number(length)
}

function parseHeader(bytes: Uint8Array, label: string): object {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new SafetensorsError(`${label}: the header must be JSON in UTF-8, got ${(cause as Error).message}`, { cause })
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw new SafetensorsError(`${label}: the header must be a JSON object`)
  return header
}

function checkEntry(
  name: string,
  description: unknown,
  dataStart: number,
  fileBytes: number,
  label: string,
): SafetensorsEntry {
  const where = `${label}: tensor ${JSON.stringify(name)}`
  if (typeof description !== 'object' || description === null)
    throw new SafetensorsError(`${where}: the header entry must be an object`)
  const { dtype, shape, data_offsets: offsets } = description as Record<string, unknown>
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT_BYTES, dtype))
    throw new SafetensorsError(
      `${where}: dtype must be one of ${Object.keys(ELEMENT_BYTES).join(' ')}, got ${JSON.stringify(dtype)}`,
    )
  if (!isSizes(shape) || shape.length > MAX_RANK)
    throw new SafetensorsError(`${where}: shape must be sizes, at most ${MAX_RANK}, got ${JSON.stringify(shape)}`)
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1] || dataStart + offsets[1] > fileBytes)
    throw new SafetensorsError(`${where}: data_offsets must be a range within the file, got ${JSON.stringify(offsets)}`)
  const bytes = byteSize(shape, ELEMENT_BYTES[dtype as SafetensorsDType])
  if (bytes !== offsets[1] - offsets[0])
    throw new SafetensorsError(
      `${where}: ${dtype} of shape [${shape.join(', ')}] takes ${bytes} bytes, got a range of ${offsets[1] - offsets[0]}`,
    )
  const [begin, end] = offsets.map((offset) => dataStart + offset)
  return { name, dtype: dtype as SafetensorsDType, shape, begin, end }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

/** Infinity when the product leaves the safe integers: it then equals no range. */
function byteSize(shape: readonly number[], elementBytes: number): number {
  if (shape.includes(0)) return 0
  const bytes = shape.reduce((product, size) => product * size, elementBytes)
  return Number.isSafeInteger(bytes) ? bytes : Infinity
}

/** The ranges follow each other without holes or overlaps: two names can never mean the same bytes. */
function checkTiling(entries: SafetensorsEntry[], dataStart: number, fileBytes: number, label: string): void {
  let at = dataStart
  for (const entry of entries.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== at)
      throw new SafetensorsError(
        `${label}: data ranges must follow each other, tensor ${JSON.stringify(entry.name)} begins at byte ${entry.begin} instead of ${at}`,
      )
    at = entry.end
  }
  if (at !== fileBytes)
    throw new SafetensorsError(
      `${label}: data must end with the file, got ${fileBytes - at} bytes that belong to no tensor`,
    )
}
