/**
 * The directory of a zip archive whose entries are stored uncompressed, as PyTorch writes it: 64-bit sizes included.
 * @source APPNOTE.TXT of PKWARE, sections 4.3 and 4.5.3
 */
import { CheckpointError, quoted } from '../errors.js'
import { type ByteSource } from '../source.js'

/** A stored file of the archive. */
export interface ZipEntry {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Where its local header is. */
  readonly headerAt: number
}

const END_BYTES = 22
const END_SIGNATURE = 0x06054b50
const LOCATOR_BYTES = 20
const LOCATOR_SIGNATURE = 0x07064b50
const END64_BYTES = 56
const END64_SIGNATURE = 0x06064b50
const DIRECTORY_BYTES = 46
const DIRECTORY_SIGNATURE = 0x02014b50
const LOCAL_BYTES = 30
const LOCAL_SIGNATURE = 0x04034b50
const EXTRA_64 = 1
const MOST_COMMENT_BYTES = 65535

/** A directory of more bytes is refused; the largest real ones have some 100 kB. */
const MOST_DIRECTORY_BYTES = 64 * 2 ** 20

interface Directory {
  readonly at: number
  readonly size: number
  readonly count: number
}

/**
 * Entries by name.
 * @throws CheckpointError when the archive is cut off, compressed, encrypted, or its directory lies
 */
export async function readZipDirectory(source: ByteSource): Promise<ReadonlyMap<string, ZipEntry>> {
  const directory = await findDirectory(source)
  const bytes = await source.read(directory.at, directory.size)
  const view = viewOf(bytes)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let k = 0; k < directory.count; k++) {
    const { entry, next } = readEntry(source, view, at, directory)
    if (entries.has(entry.name)) throw broken(source, 'names in the archive must differ', `${quoted(entry.name)} twice`)
    entries.set(entry.name, entry)
    at = next
  }
  checkOverlaps(source, [...entries.values()], directory)
  return entries
}

async function findDirectory(source: ByteSource): Promise<Directory> {
  const tailAt = Math.max(0, source.size - END_BYTES - MOST_COMMENT_BYTES - LOCATOR_BYTES)
  const tail = await source.read(tailAt, source.size - tailAt)
  const view = viewOf(tail)
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue
    if (at + END_BYTES + view.getUint16(at + 20, true) !== tail.length) continue
    return checkDirectory(source, (await findDirectory64(source, view, at)) ?? readEnd(view, at), tailAt + at)
  }
  throw broken(source, 'a zip archive must end with its directory', 'none', 'the file is cut off: get it again')
}

function readEnd(view: DataView, at: number): Directory {
  return {
    count: view.getUint16(at + 10, true),
    size: view.getUint32(at + 12, true),
    at: view.getUint32(at + 16, true),
  }
}

/** The 64-bit form, pointed to by a locator right before the end record. */
async function findDirectory64(source: ByteSource, tail: DataView, endAt: number): Promise<Directory | undefined> {
  const locatorAt = endAt - LOCATOR_BYTES
  if (locatorAt < 0 || tail.getUint32(locatorAt, true) !== LOCATOR_SIGNATURE) return undefined
  const at = safeNumber(source, tail.getBigUint64(locatorAt + 8, true))
  const view = viewOf(await source.read(at, END64_BYTES))
  if (view.getUint32(0, true) !== END64_SIGNATURE)
    throw broken(source, `the 64-bit end record must be at byte ${at}`, 'something else')
  return {
    count: safeNumber(source, view.getBigUint64(32, true)),
    size: safeNumber(source, view.getBigUint64(40, true)),
    at: safeNumber(source, view.getBigUint64(48, true)),
  }
}

function checkDirectory(source: ByteSource, directory: Directory, endAt: number): Directory {
  const { at, size, count } = directory
  if (at + size > endAt || size > MOST_DIRECTORY_BYTES || count * DIRECTORY_BYTES > size)
    throw broken(
      source,
      `the directory must lie before byte ${endAt}, be below ${MOST_DIRECTORY_BYTES} bytes and hold its entries`,
      `${count} entries in ${size} bytes from ${at}`,
    )
  return directory
}

function readEntry(
  source: ByteSource,
  view: DataView,
  at: number,
  directory: Directory,
): { readonly entry: ZipEntry; readonly next: number } {
  const isEntry = at + DIRECTORY_BYTES <= view.byteLength && view.getUint32(at, true) === DIRECTORY_SIGNATURE
  const nameBytes = isEntry ? view.getUint16(at + 28, true) : 0
  const extraBytes = isEntry ? view.getUint16(at + 30, true) : 0
  const nameAt = at + DIRECTORY_BYTES
  const next = nameAt + nameBytes + extraBytes + (isEntry ? view.getUint16(at + 32, true) : 0)
  if (!isEntry || next > view.byteLength)
    throw broken(source, `a directory entry must be at byte ${directory.at + at}`, 'something else')
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + nameAt, nameBytes))
  const flags = view.getUint16(at + 8, true)
  const method = view.getUint16(at + 10, true)
  if (method !== 0 || (flags & 1) !== 0)
    throw broken(
      source,
      `entry ${quoted(name)} must be stored plainly`,
      flags & 1 ? 'an encrypted one' : `compression method ${method}`,
      'save it again with torch.save',
    )
  const sizes = sizesOf(source, view, at, nameAt + nameBytes, extraBytes)
  if (sizes.stored !== sizes.size)
    throw broken(source, `entry ${quoted(name)} must have one size`, `${sizes.stored} stored, ${sizes.size} in all`)
  return { entry: { name, size: sizes.size, headerAt: sizes.headerAt }, next }
}

/** Numbers of 32 bits that are all ones stand in the extra field in 64 bits, in this order. */
function sizesOf(source: ByteSource, view: DataView, at: number, extraAt: number, extraBytes: number) {
  const wide = wideNumbers(view, extraAt, extraBytes)
  const next = (short: number): number => {
    if (short !== 0xffffffff) return short
    const number = wide.shift()
    if (number === undefined)
      throw broken(source, 'an entry of 64 bits must have its numbers in the extra field', 'none')
    return safeNumber(source, number)
  }
  const size = next(view.getUint32(at + 24, true))
  const stored = next(view.getUint32(at + 20, true))
  const headerAt = next(view.getUint32(at + 42, true))
  return { size, stored, headerAt }
}

function wideNumbers(view: DataView, extraAt: number, extraBytes: number): bigint[] {
  const end = extraAt + extraBytes
  for (let at = extraAt; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== EXTRA_64) continue
    const count = Math.floor(Math.min(view.getUint16(at + 2, true), end - at - 4) / 8)
    return Array.from({ length: count }, (_, k) => view.getBigUint64(at + 4 + 8 * k, true))
  }
  return []
}

/** Two entries over the same bytes are a way to show different readers different files. */
function checkOverlaps(source: ByteSource, entries: ZipEntry[], directory: Directory): void {
  entries.sort((a, b) => a.headerAt - b.headerAt)
  entries.forEach(({ name, size, headerAt }, k) => {
    const limit = entries[k + 1]?.headerAt ?? directory.at
    if (headerAt + LOCAL_BYTES + size > limit)
      throw broken(source, `record ${quoted(name)} must end before byte ${limit}`, `${size} bytes from ${headerAt}`)
  })
}

/** Where the bytes of an entry start. @throws CheckpointError when its local header is not there or another one's */
export async function entryStart(source: ByteSource, entry: ZipEntry): Promise<number> {
  const nameBytes = new TextEncoder().encode(entry.name)
  const header = await source.read(entry.headerAt, LOCAL_BYTES)
  const view = viewOf(header)
  const start = entry.headerAt + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true)
  const isHeader =
    view.getUint32(0, true) === LOCAL_SIGNATURE &&
    view.getUint16(8, true) === 0 &&
    view.getUint16(26, true) === nameBytes.length &&
    start + entry.size <= source.size
  if (!isHeader)
    throw broken(source, `record ${quoted(entry.name)} must have its header at byte ${entry.headerAt}`, 'another one')
  return start
}

function safeNumber(source: ByteSource, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  throw broken(source, 'sizes and places must lie within the file', `${value}`)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function broken(source: ByteSource, rule: string, got: string, wayOut = 'get the file again'): CheckpointError {
  return new CheckpointError({ file: source.name, rule, got, wayOut })
}
