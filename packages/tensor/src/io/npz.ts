/** `.npz` files: zip archives of `.npy` files. */
import { ArgumentError } from '../errors.js'
import { crc32 } from './crc32.js'
import { formatNpy, parseNpy, type NpyArray, type ParseNpyOptions } from './npy.js'
import { NpyError } from './npyError.js'
import { readDirectory, writeArchive, type ZipEntry } from './zip.js'

export interface ParseNpzOptions extends ParseNpyOptions {
  /** Most arrays in one file. Default 65,536. */
  readonly maxEntries?: number
}

/** `maxBytes` of `parseNpz` is for all arrays together, so that a small file cannot unpack without end. */
const DEFAULT_MAX_BYTES = 2 ** 32
const DEFAULT_MAX_ENTRIES = 65536
/** Beyond it the directory would need zip64. */
const MAX_ENTRIES_WRITTEN = 65535
/** deflate's best ratio; a header that promises more is false. */
const MAX_RATIO = 1032
/** Most bytes of a `.npy` file that are not data. */
const MAX_NPY_OVERHEAD = 128 + (1 << 16)

/**
 * Parses a `.npz` file of numpy.savez or savez_compressed: arrays by name, in the order of the file.
 *
 * @throws NpyError for bytes that are no such file, a wrong checksum, or beyond a limit
 * @throws DTypeError for a dtype that tensors do not have
 */
export async function parseNpz(file: Uint8Array, options: ParseNpzOptions = {}): Promise<Map<string, NpyArray>> {
  const { maxBytes = DEFAULT_MAX_BYTES, maxEntries = DEFAULT_MAX_ENTRIES } = options
  const arrays = new Map<string, NpyArray>()
  let left = maxBytes
  for (const entry of readDirectory(file, maxEntries)) {
    if (entry.name.endsWith('/')) continue
    const name = entry.name.replace(/\.npy$/, '')
    if (arrays.has(name)) throw new NpyError(`npz: array '${name}' occurs twice`)
    if (entry.size > left + MAX_NPY_OVERHEAD)
      throw new NpyError(
        `npz: array '${name}' has ${entry.size} bytes, of which the limit leaves ${left}; raise maxBytes`,
      )
    const array = parseNpy(await unpack(entry), { ...options, maxBytes: left })
    left -= array.bytes.byteLength
    arrays.set(name, array)
  }
  return arrays
}

/**
 * A `.npz` file as numpy.savez writes it; the same arrays give the same bytes.
 *
 * @param options `compress`: deflate, default false
 * @throws ArgumentError when bytes do not fit dtype and shape, or the file would pass 4 GiB
 */
export async function formatNpz(
  arrays: ReadonlyMap<string, NpyArray> | Readonly<Record<string, NpyArray>>,
  { compress = false }: { compress?: boolean } = {},
): Promise<Uint8Array> {
  const named = (arrays instanceof Map ? [...arrays] : Object.entries(arrays)) as [string, NpyArray][]
  if (named.length > MAX_ENTRIES_WRITTEN)
    throw new ArgumentError(
      `formatNpz: at most ${MAX_ENTRIES_WRITTEN} arrays fit one file, got ${named.length}; write several files`,
    )
  const entries: ZipEntry[] = []
  for (const [name, array] of named) {
    const content = formatNpy(array)
    const data = compress ? await throughStream(content, new CompressionStream('deflate-raw'), Infinity) : content
    entries.push({
      name: `${name}.npy`,
      method: compress ? 'deflate' : 'stored',
      crc32: crc32(content),
      size: content.byteLength,
      data,
    })
  }
  if (entries.reduce((sum, entry) => sum + entry.data.byteLength + 200, 0) > 2 ** 32 - 2)
    throw new ArgumentError('formatNpz: a .npz file must stay below 4 GiB; write several files')
  return writeArchive(entries)
}

async function unpack(entry: ZipEntry): Promise<Uint8Array> {
  const content = entry.method === 'stored' ? entry.data : await inflate(entry)
  if (content.byteLength !== entry.size)
    throw new NpyError(`npz: '${entry.name}' has ${content.byteLength} bytes, its entry says ${entry.size}`)
  if (crc32(content) !== entry.crc32)
    throw new NpyError(`npz: '${entry.name}' has a wrong checksum; the file is damaged`)
  return content
}

async function inflate(entry: ZipEntry): Promise<Uint8Array> {
  if (entry.size > entry.data.byteLength * MAX_RATIO + MAX_RATIO)
    throw new NpyError(`npz: '${entry.name}' cannot unpack ${entry.data.byteLength} bytes to ${entry.size}`)
  try {
    return await throughStream(entry.data, new DecompressionStream('deflate-raw'), entry.size)
  } catch (error) {
    if (error instanceof NpyError) throw error
    throw new NpyError(`npz: '${entry.name}' is not valid deflate data`, { cause: error })
  }
}

/** Stops as soon as more than `maxBytes` come out. */
async function throughStream(
  bytes: Uint8Array,
  transform: CompressionStream | DecompressionStream,
  maxBytes: number,
): Promise<Uint8Array> {
  const source = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()
  const reader = source.pipeThrough(transform as ReadableWritablePair<Uint8Array, Uint8Array>).getReader()
  const chunks: Uint8Array[] = []
  let total = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    total += value.byteLength
    if (total > maxBytes) {
      await reader.cancel()
      throw new NpyError(`npz: an array unpacks to more than the ${maxBytes} bytes that its entry says`)
    }
    chunks.push(value)
  }
  const out = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.byteLength
  }
  return out
}
