/** Files and folders on a disk. */
import { open, readdir, readFile, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { checkText } from '../arguments.js'
import { CheckpointError } from '../errors.js'
import { checkFileName, decodeText, missingFile, type Folder } from '../folder.js'
import { checkRange, shortRead, type ByteSource } from '../source.js'

/** One call of the system reads at most 2³¹ - 1 bytes. */
const MOST_BYTES_PER_READ = 2 ** 30

/**
 * A file on a disk, opened once and read by range; `close` gives the handle back.
 * @throws CheckpointError when it cannot be opened
 */
export async function fileSource(path: string): Promise<ByteSource> {
  checkText('fileSource: path', path)
  const handle = await openFile(path)
  const { size } = await handle.stat()
  return {
    name: path,
    size,
    async read(offset, length) {
      checkRange(path, size, offset, length)
      const bytes = new Uint8Array(length)
      await readFully(path, handle, bytes, offset)
      return bytes
    },
    close: () => handle.close(),
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, 'r')
    if ((await handle.stat()).isFile()) return handle
    await handle.close()
  } catch (cause) {
    throw unreadable(path, cause)
  }
  throw new CheckpointError({ file: path, rule: 'it must be a file', got: 'something else, such as a folder' })
}

async function readFully(path: string, handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const wanted = Math.min(bytes.length - done, MOST_BYTES_PER_READ)
    const { bytesRead } = await handle.read(bytes, done, wanted, offset + done).catch((cause: unknown) => {
      throw unreadable(path, cause)
    })
    if (bytesRead === 0) throw shortRead(path, offset, bytes.length, done)
    done += bytesRead
  }
}

/** A folder on a disk. Only files directly in it are listed; `open` takes names with `/` too. */
export function diskFolder(path: string): Folder {
  checkText('diskFolder: path', path)
  return {
    name: path,
    async list() {
      const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
        throw unreadable(path, cause)
      })
      // Files of the hub's cache are links to files.
      const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink())
      const known = await Promise.all(files.map(async ({ name }) => ({ name, isFile: await isFile(join(path, name)) })))
      return known.flatMap(({ name, isFile }) => (isFile ? [name] : [])).sort()
    },
    async open(file) {
      const target = join(path, checkFileName(path, file))
      if (!(await isFile(target))) throw missingFile(path, file)
      return fileSource(target)
    },
    async readText(file) {
      const target = join(path, checkFileName(path, file))
      try {
        return decodeText(target, await readFile(target))
      } catch (cause) {
        if (isMissing(cause)) return undefined
        throw cause instanceof CheckpointError ? cause : unreadable(target, cause)
      }
    },
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

function isMissing(cause: unknown): boolean {
  const code = (cause as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function unreadable(path: string, cause: unknown): CheckpointError {
  const { code, message } = cause as NodeJS.ErrnoException
  return new CheckpointError({
    file: path,
    rule: 'it must exist and be readable',
    got: code === 'ENOENT' ? 'nothing of that name' : message,
    wayOut: 'check the path and its permissions',
    cause,
  })
}
