/** Writing files so that a crash at any moment leaves the old file or the new one, never half of one. */
import { randomBytes } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { checkText } from '../arguments.js'
import { ArgumentError, CheckpointError, shown } from '../errors.js'

/** What a file may be made of; text is written as UTF-8. */
export type FileContent = string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** A file that is complete on the disk under a temporary name. */
export interface PreparedFile {
  readonly path: string
  /** Puts it in the place of the old one, in one step. */
  commit(): Promise<void>
  /** Removes it; does nothing after `commit`. */
  discard(): Promise<void>
}

/** Pieces are joined up to this size, since each write is a call of the system. */
const BUFFER_BYTES = 2 ** 20

/**
 * Writes a file in place of an old one: under a temporary name in the same folder, flushed to the disk, then renamed.
 * When anything fails the temporary file is removed and the old file stays as it was. A killed process can leave a
 * file `.NAME.….partial` behind, which nothing reads.
 *
 * @throws CheckpointError when the folder cannot be written or the disk is full; errors of `content` pass through
 */
export async function replaceFile(path: string, content: FileContent): Promise<void> {
  const prepared = await prepareFile(path, content)
  await prepared.commit()
}

/** The first half of {@link replaceFile}, for several files that change together. */
export async function prepareFile(path: string, content: FileContent): Promise<PreparedFile> {
  checkText('replaceFile: path', path)
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.partial`)
  const discard = () => rm(temporary, { force: true })
  try {
    await writeNew(path, temporary, content)
  } catch (error) {
    await discard().catch(() => undefined)
    throw error
  }
  return {
    path,
    discard,
    async commit() {
      await naming(path, () => rename(temporary, path)).catch(async (error: unknown) => {
        await discard().catch(() => undefined)
        throw error
      })
      await flushFolder(dirname(path))
    },
  }
}

async function writeNew(path: string, temporary: string, content: FileContent): Promise<void> {
  const handle = await naming(path, () => open(temporary, 'wx'))
  try {
    for await (const piece of joined(piecesOf(content))) await naming(path, () => writeAll(handle, piece))
    await naming(path, () => handle.sync())
  } finally {
    await handle.close()
  }
}

async function* piecesOf(content: FileContent): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') yield new TextEncoder().encode(content)
  else if (content instanceof Uint8Array) yield content
  else if (
    typeof content === 'object' &&
    content !== null &&
    (Symbol.asyncIterator in content || Symbol.iterator in content)
  )
    yield* content
  else throw new ArgumentError(`replaceFile: content must be text, bytes or pieces of bytes, got ${shown(content)}`)
}

async function* joined(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(BUFFER_BYTES)
  let filled = 0
  for await (const piece of pieces) {
    if (!(piece instanceof Uint8Array))
      throw new ArgumentError(`replaceFile: pieces of content must be Uint8Array, got ${shown(piece)}`)
    if (filled + piece.length > buffer.length && filled > 0) {
      yield buffer.subarray(0, filled)
      filled = 0
    }
    if (piece.length >= buffer.length) yield piece
    else {
      buffer.set(piece, filled)
      filled += piece.length
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled)
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, 2 ** 30))
    done += bytesWritten
  }
}

/** Errors of the system as errors that teach; others are the caller's own. */
async function naming<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === undefined) throw cause
    throw new CheckpointError({
      file: path,
      rule: 'the file must be writable; the old one, if any, is untouched',
      got: message,
      wayOut: WAYS_OUT[code] ?? 'check the path and its permissions',
      cause,
    })
  }
}

const WAYS_OUT: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space or write elsewhere',
  EDQUOT: 'the quota is used up: free space or write elsewhere',
  ENOENT: 'create the folder first',
}

/** Makes the new name itself lasting. Not every system lets folders be flushed; the rename is atomic all the same. */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // Windows refuses to open folders.
  }
}
