/** A file behind an address, read by range. */
import { checkOptions, checkText } from '../arguments.js'
import { CheckpointError } from '../errors.js'
import { bytesSource, checkRange, shortRead, type ByteSource } from '../source.js'
import { refused, request, type HttpOptions } from './request.js'

/** Options of {@link httpSource}. */
export interface HttpSourceOptions extends HttpOptions {
  /** Servers without ranges are read whole up to this many bytes, default 256 MiB. */
  readonly maxWholeBytes?: number
}

const HTTP_OPTIONS = ['fetch', 'headers', 'tries', 'signal', 'maxWholeBytes']

/** Compressed ranges cannot be decoded; pages ignore this header, and servers do not compress ranges for them. */
const PLAIN = { 'accept-encoding': 'identity' }

/**
 * Opens a file behind an address. Its size comes with the first bytes; the rest is read by range, and a file that
 * changes meanwhile is an error. A server without ranges is read whole when the file is small.
 *
 * @throws CheckpointError when the server refuses, cannot be reached, or has neither ranges nor a small file
 */
export async function httpSource(url: string, options: HttpSourceOptions = {}): Promise<ByteSource> {
  checkText('httpSource: url', url)
  checkOptions('httpSource', options, HTTP_OPTIONS)
  const response = await request(url, { headers: { ...PLAIN, range: 'bytes=0-0' } }, options)
  if (response.status === 206) {
    await response.body?.cancel()
    return rangedSource(url, sizeOf(url, response), response.headers.get('etag'), options)
  }
  // An empty file has no byte 0.
  if (response.status === 416 && response.headers.get('content-range') === 'bytes */0')
    return bytesSource(url, new Uint8Array(0))
  if (!response.ok) throw refused(url, response)
  return wholeSource(url, response, options.maxWholeBytes ?? 256 * 2 ** 20)
}

function sizeOf(url: string, response: Response): number {
  const range = response.headers.get('content-range') ?? ''
  const size = Number(/\/(\d+)$/.exec(range)?.[1] ?? NaN)
  if (Number.isSafeInteger(size)) return size
  const wayOut = 'a server of another origin must expose the header Content-Range'
  throw new CheckpointError({
    file: url,
    rule: 'the server must tell the size of the file',
    got: range || 'nothing',
    wayOut,
  })
}

function rangedSource(url: string, size: number, etag: string | null, options: HttpOptions): ByteSource {
  return {
    name: url,
    size,
    async read(offset, length) {
      checkRange(url, size, offset, length)
      if (length === 0) return new Uint8Array(0)
      const bytes = new Uint8Array(length)
      await readRange(url, offset, bytes, etag, options)
      return bytes
    },
  }
}

/** A connection that breaks is taken up where it broke; one that gives nothing counts as a failed try. */
async function readRange(
  url: string,
  offset: number,
  bytes: Uint8Array,
  etag: string | null,
  options: HttpOptions,
): Promise<void> {
  let done = 0
  let failed = 0
  while (done < bytes.length) {
    const headers = { ...PLAIN, range: `bytes=${offset + done}-${offset + bytes.length - 1}` }
    const response = await request(url, { headers }, options)
    if (response.status !== 206) throw response.ok ? changed(url, 'the whole file') : refused(url, response)
    const now = response.headers.get('etag')
    if (etag !== null && now !== null && now !== etag) throw changed(url, `etag ${now} instead of ${etag}`)
    const got = await fill(response, bytes.subarray(done))
    options.signal?.throwIfAborted()
    if (got === 0 && ++failed >= (options.tries ?? 4)) throw shortRead(url, offset, bytes.length, done)
    done += got
  }
}

function changed(url: string, got: string): CheckpointError {
  const rule = 'the file must stay the same while it is read'
  return new CheckpointError({ file: url, rule, got, wayOut: 'open it again' })
}

/** Copies the body until it ends or breaks. @returns bytes copied */
async function fill(response: Response, target: Uint8Array): Promise<number> {
  const reader = response.body?.getReader()
  let done = 0
  try {
    for (;;) {
      const { value } = (await reader?.read()) ?? {}
      if (value === undefined) return done
      const part = value.subarray(0, target.length - done)
      target.set(part, done)
      done += part.length
      if (done < target.length) continue
      await reader?.cancel()
      return done
    }
  } catch {
    return done
  }
}

async function wholeSource(url: string, response: Response, most: number): Promise<ByteSource> {
  const declared = Number(response.headers.get('content-length') ?? 0)
  const pieces: Uint8Array[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (;;) {
    const { value } = (await reader?.read()) ?? {}
    if (value !== undefined) pieces.push(value)
    size += value?.length ?? 0
    if (Math.max(size, declared) > most) {
      await reader?.cancel()
      throw new CheckpointError({
        file: url,
        rule: `a server without ranges may give files of at most ${most} bytes`,
        got: `${Math.max(size, declared)} bytes`,
        wayOut: 'use a server that answers the header Range, or raise maxWholeBytes',
      })
    }
    if (value === undefined) break
  }
  const bytes = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytesSource(url, bytes)
}
