/** safetensors files, as far as this recipe needs them: 8 bytes of header length, a JSON header, then the data. */

export interface StoredTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array
}

/** A file whose header does not describe its data. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError'
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>

/** Lays tensors one after the other, in the order of the record. `metadata` is a record of strings. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let at = 0
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] }
    at += bytes.length
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const headerLength = Math.ceil(json.length / 8) * 8 // data starts aligned
  const file = new Uint8Array(8 + headerLength + at).fill(0x20, 8, 8 + headerLength)
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true)
  file.set(json, 8)
  let offset = 8 + headerLength
  for (const { bytes } of Object.values(tensors)) {
    file.set(bytes, offset)
    offset += bytes.length
  }
  return file
}

/**
 * @throws SafetensorsError when the file is cut off or its header does not fit
 */
export function decodeSafetensors(file: Uint8Array): {
  tensors: Record<string, StoredTensor>
  metadata: Record<string, string>
} {
  if (file.length < 8) throw new SafetensorsError(`a file has at least 8 bytes, got ${file.length}`)
  const headerLength = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
  const dataStart = 8 + headerLength
  if (dataStart > file.length)
    throw new SafetensorsError(`the header ends at byte ${dataStart}, but the file has ${file.length}: it was cut off`)
  const { __metadata__: metadata = {}, ...entries } = parsedHeader(file.subarray(8, dataStart))
  const tensors: Record<string, StoredTensor> = {}
  for (const [name, entry] of Object.entries(entries as Header)) {
    const [start, end] = entry?.data_offsets ?? []
    if (!(start >= 0 && start <= end && dataStart + end <= file.length))
      throw new SafetensorsError(
        `${name} lies at bytes ${start} to ${end} of ${file.length - dataStart}: it was cut off`,
      )
    const bytes = file.slice(dataStart + start, dataStart + end)
    tensors[name] = { dtype: entry.dtype, shape: entry.shape, bytes }
  }
  return { tensors, metadata: metadata as Record<string, string> }
}

function parsedHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (header !== null && typeof header === 'object' && !Array.isArray(header))
      return header as Record<string, unknown>
  } catch {
    // told below, like a header that is no object
  }
  throw new SafetensorsError('the header is not a JSON object')
}
