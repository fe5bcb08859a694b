/** The part of the zip format that `.npz` files use: stored and deflated entries, zip64 sizes, no encryption. */
import { NpyError } from './npyError.js'

export interface ZipEntry {
  readonly name: string
  readonly method: 'stored' | 'deflate'
  readonly crc32: number
  /** Bytes after unpacking. */
  readonly size: number
  /** Bytes as they lie in the file. */
  readonly data: Uint8Array
}

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const END64 = 0x06064b50
const END64_LOCATOR = 0x07064b50

const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_BYTES = 22
const END64_LOCATOR_BYTES = 20
const END64_BYTES = 56
const MAX_COMMENT_BYTES = 0xffff
const IN_ZIP64 = 0xffffffff
const ZIP64_EXTRA = 1
const ENCRYPTED_FLAG = 1
const UTF8_FLAG = 0x800
/** 1 January 1980, so that the same arrays give the same file. */
const FIXED_DATE = 0x21

/**
 * Entries of an archive, in the order of its directory. Their data are views of `file`.
 * @throws NpyError for bytes that are no zip archive, or one with features that numpy does not use
 */
export function readDirectory(file: Uint8Array, maxEntries: number): ZipEntry[] {
  const bytes = new ZipBytes(file)
  const end = findEnd(bytes)
  if (end.entries > maxEntries)
    throw new NpyError(`npz: the file has ${end.entries} entries, more than the limit of ${maxEntries}`)
  const entries: ZipEntry[] = []
  let at = end.directory
  for (let k = 0; k < end.entries; k++) {
    if (bytes.u32(at) !== CENTRAL) throw new NpyError(`npz: entry ${k} of the directory is damaged`)
    entries.push(readEntry(bytes, at))
    at += CENTRAL_BYTES + bytes.u16(at + 28) + bytes.u16(at + 30) + bytes.u16(at + 32)
  }
  return entries
}

function findEnd(bytes: ZipBytes): { entries: number; directory: number } {
  const last = bytes.length - END_BYTES
  for (let at = last; at >= 0 && at >= last - MAX_COMMENT_BYTES; at--) {
    if (bytes.u32(at) !== END || at + END_BYTES + bytes.u16(at + 20) !== bytes.length) continue
    const locator = at - END64_LOCATOR_BYTES
    if (locator >= 0 && bytes.u32(locator) === END64_LOCATOR) {
      const end64 = bytes.u64(locator + 8)
      bytes.need(end64, END64_BYTES)
      if (bytes.u32(end64) !== END64) throw new NpyError('npz: the zip64 end of the directory is damaged')
      return { entries: bytes.u64(end64 + 32), directory: bytes.u64(end64 + 48) }
    }
    return { entries: bytes.u16(at + 10), directory: bytes.u32(at + 16) }
  }
  throw new NpyError('npz: the end of the zip directory was not found; is the file complete, or a single .npy?')
}

function readEntry(bytes: ZipBytes, at: number): ZipEntry {
  const nameBytes = bytes.u16(at + 28)
  const name = new TextDecoder().decode(bytes.part(at + CENTRAL_BYTES, nameBytes))
  if ((bytes.u16(at + 8) & ENCRYPTED_FLAG) !== 0) throw new NpyError(`npz: '${name}' is encrypted`)
  const method = methodOf(bytes.u16(at + 10), name)
  const sizes = readSizes(bytes, at, nameBytes)
  if (bytes.u32(sizes.offset) !== LOCAL) throw new NpyError(`npz: '${name}' does not begin where the directory says`)
  const start = sizes.offset + LOCAL_BYTES + bytes.u16(sizes.offset + 26) + bytes.u16(sizes.offset + 28)
  const data = bytes.part(start, sizes.packed)
  return { name, method, crc32: bytes.u32(at + 16), size: sizes.unpacked, data }
}

function methodOf(method: number, name: string): ZipEntry['method'] {
  if (method === 0) return 'stored'
  if (method === 8) return 'deflate'
  throw new NpyError(`npz: '${name}' must be stored or deflated, got compression method ${method}`)
}

/** Sizes and offset of a directory entry; those that do not fit 32 bits are in its zip64 field, in this order. */
function readSizes(
  bytes: ZipBytes,
  at: number,
  nameBytes: number,
): { unpacked: number; packed: number; offset: number } {
  const extraStart = at + CENTRAL_BYTES + nameBytes
  const wide = zip64Values(bytes, extraStart, bytes.u16(at + 30))
  const field = (place: number): number => {
    const value = bytes.u32(place)
    if (value !== IN_ZIP64) return value
    const next = wide.shift()
    if (next === undefined) throw new NpyError('npz: a zip64 size is missing')
    return next
  }
  const unpacked = field(at + 24)
  const packed = field(at + 20)
  return { unpacked, packed, offset: field(at + 42) }
}

function zip64Values(bytes: ZipBytes, start: number, length: number): number[] {
  for (let at = start; at + 4 <= start + length; at += 4 + bytes.u16(at + 2)) {
    if (bytes.u16(at) !== ZIP64_EXTRA) continue
    const count = Math.floor(bytes.u16(at + 2) / 8)
    return Array.from({ length: Math.min(count, 3) }, (_, k) => bytes.u64(at + 4 + 8 * k))
  }
  return []
}

/** Little-endian numbers of a file; a place outside of it is an error of the file. */
class ZipBytes {
  readonly length: number
  readonly #file: Uint8Array
  readonly #view: DataView

  constructor(file: Uint8Array) {
    this.#file = file
    this.length = file.byteLength
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  }

  need(at: number, count: number): void {
    if (!Number.isSafeInteger(at) || at < 0 || at + count > this.length)
      throw new NpyError(
        `npz: the file has ${this.length} bytes, but names bytes ${at} … ${at + count}; is it complete?`,
      )
  }
  u16(at: number): number {
    this.need(at, 2)
    return this.#view.getUint16(at, true)
  }
  u32(at: number): number {
    this.need(at, 4)
    return this.#view.getUint32(at, true)
  }
  u64(at: number): number {
    this.need(at, 8)
    return Number(this.#view.getBigUint64(at, true))
  }
  part(at: number, count: number): Uint8Array {
    this.need(at, count)
    return this.#file.subarray(at, at + count)
  }
}

/** An archive of entries below 4 GiB altogether. */
export function writeArchive(entries: readonly ZipEntry[]): Uint8Array {
  const encoded = entries.map((entry) => ({ entry, name: new TextEncoder().encode(entry.name) }))
  const localBytes = encoded.reduce((sum, { entry, name }) => sum + LOCAL_BYTES + name.length + entry.data.length, 0)
  const centralBytes = encoded.reduce((sum, { name }) => sum + CENTRAL_BYTES + name.length, 0)
  const file = new Uint8Array(localBytes + centralBytes + END_BYTES)
  const view = new DataView(file.buffer)
  let at = 0
  let directory = localBytes
  for (const { entry, name } of encoded) {
    writeCommon(view, directory + 6, entry, name.length)
    view.setUint32(directory, CENTRAL, true)
    view.setUint16(directory + 4, 20, true)
    view.setUint32(directory + 42, at, true)
    file.set(name, directory + CENTRAL_BYTES)
    directory += CENTRAL_BYTES + name.length

    view.setUint32(at, LOCAL, true)
    writeCommon(view, at + 4, entry, name.length)
    file.set(name, at + LOCAL_BYTES)
    file.set(entry.data, at + LOCAL_BYTES + name.length)
    at += LOCAL_BYTES + name.length + entry.data.length
  }
  view.setUint32(directory, END, true)
  view.setUint16(directory + 8, entries.length, true)
  view.setUint16(directory + 10, entries.length, true)
  view.setUint32(directory + 12, centralBytes, true)
  view.setUint32(directory + 16, localBytes, true)
  return file
}

/** The 26 bytes that local and central headers share. */
function writeCommon(view: DataView, at: number, entry: ZipEntry, nameBytes: number): void {
  view.setUint16(at, 20, true)
  view.setUint16(at + 2, UTF8_FLAG, true)
  view.setUint16(at + 4, entry.method === 'stored' ? 0 : 8, true)
  view.setUint16(at + 8, FIXED_DATE, true)
  view.setUint32(at + 10, entry.crc32, true)
  view.setUint32(at + 14, entry.data.length, true)
  view.setUint32(at + 18, entry.size, true)
  view.setUint16(at + 22, nameBytes, true)
}
