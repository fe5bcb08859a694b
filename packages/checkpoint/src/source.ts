/** Bytes that are read by range, wherever they are. */
import { checkBytes, checkText } from './arguments.js'
import { ArgumentError, CheckpointError, shown } from './errors.js'

/** A file of known size that is read by range. */
export interface ByteSource {
  /** For messages: a path, an address. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /**
   * Exactly the bytes `[offset, offset + length)`; they may be a view of shared memory, so do not write to them.
   * @throws CheckpointError when the range is not within the file or the file got shorter meanwhile
   */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Frees what the source holds; reading later is an error. */
  close?(): Promise<void>
}

/** A file in memory; it is not copied. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  checkText('bytesSource: name', name)
  checkBytes('bytesSource: bytes', bytes)
  return {
    name,
    size: bytes.length,
    async read(offset, length) {
      checkRange(name, bytes.length, offset, length)
      return bytes.subarray(offset, offset + length)
    },
  }
}

/** A `Blob` or `File`, such as one that a user chose in a page. */
export function blobSource(name: string, blob: Blob): ByteSource {
  checkText('blobSource: name', name)
  if (typeof Blob === 'undefined' || !(blob instanceof Blob))
    throw new ArgumentError(`blobSource: blob must be a Blob, got ${shown(blob)}`)
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(name, blob.size, offset, length)
      const bytes = await readBlob(name, blob.slice(offset, offset + length))
      if (bytes.length !== length) throw shortRead(name, offset, length, bytes.length)
      return bytes
    },
  }
}

async function readBlob(name: string, blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer())
  } catch (cause) {
    const wayOut = 'choose the file again'
    throw new CheckpointError({ file: name, rule: 'the file must be readable', got: String(cause), wayOut, cause })
  }
}

/** @throws CheckpointError unless `[offset, offset + length)` lies within a file of `size` bytes */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  const isRange = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0
  if (isRange && offset + length <= size) return
  throw new CheckpointError({
    file: name,
    rule: `a range must lie within the ${size} bytes of the file`,
    got: `${length} bytes from ${offset}`,
    wayOut: 'the file may be cut off: get it again',
  })
}

/** The error of a source that gave fewer bytes than its size promised. */
export function shortRead(name: string, offset: number, length: number, got: number): CheckpointError {
  return new CheckpointError({
    file: name,
    rule: `${length} bytes must be readable from ${offset}`,
    got: `${got} bytes`,
    wayOut: 'the file changed while it was read, or the transfer broke off: open it again',
  })
}
