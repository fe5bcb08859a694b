/** Text files of the user: found, read, and those that are no text named. */
import { type Dirent, constants } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { Failure } from './failure.js'
import type { SkipReason } from './messages.js'

/** One text. */
export interface TextFile {
  /** From the folder that was asked for. */
  readonly path: string
  readonly text: string
}

/** What was found in a folder. */
export interface TextFiles {
  readonly files: readonly TextFile[]
  readonly skipped: readonly { readonly path: string; readonly reason: SkipReason }[]
  /** Whether the limit cut the text short. */
  readonly cut: boolean
}

/** More text than a run of minutes can use, and few enough bytes to hold. */
export const MAX_CORPUS_BYTES = 64 * 1024 * 1024

/**
 * Reads a file, or every text file of a folder with its sub-folders (dot-folders and node_modules excepted), in the order of paths.
 *
 * @param keep which paths to read, from the folder; default all
 * @throws Failure when there is no such path
 */
export async function readTextFiles(path: string, keep: (path: string) => boolean = () => true): Promise<TextFiles> {
  const root = resolve(path)
  const files: TextFile[] = []
  const skipped: { path: string; reason: SkipReason }[] = []
  let room = MAX_CORPUS_BYTES
  for (const file of await listFiles(root)) {
    const short = relative(root, file).replaceAll('\\', '/') || basename(file)
    if (!keep(short)) continue
    if (room <= 0) return { files, skipped, cut: true }
    const read = await readText(file, room)
    if ('reason' in read) {
      skipped.push({ path: short, reason: read.reason })
      continue
    }
    files.push({ path: short, text: read.text })
    room -= read.bytes
  }
  return { files, skipped, cut: room < 0 }
}

/** Paths of all files under a folder, in an order that does not depend on the machine; a file lists itself. */
async function listFiles(path: string): Promise<string[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new Failure((say) => say.noCorpus(path), { cause })
  })
  if (!info.isDirectory()) return [path]
  const found: string[] = []
  const folders = [path]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => [])
    for (const entry of entries) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      // links to folders are not followed: they may lead in a circle
      if (entry.isDirectory()) folders.push(join(folder, entry.name))
      else found.push(join(folder, entry.name))
    }
  }
  return found.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

type Read = { readonly text: string; readonly bytes: number } | { readonly reason: SkipReason }

/** The text of one file without its byte order mark, or why it is none. A file longer than `limit` is cut, and counts as longer. */
async function readText(path: string, limit: number): Promise<Read> {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(() => null)
  if (file === null) return { reason: 'unreadable' }
  try {
    const info = await file.stat()
    if (!info.isFile()) return { reason: 'special' }
    const buffer = new Uint8Array(Math.min(info.size, limit))
    const length = await fill(file, buffer)
    return decoded(buffer.subarray(0, length), info.size)
  } catch {
    return { reason: 'unreadable' }
  } finally {
    await file.close()
  }
}

async function fill(file: Awaited<ReturnType<typeof open>>, buffer: Uint8Array): Promise<number> {
  let at = 0
  while (at < buffer.length) {
    const { bytesRead } = await file.read(buffer, at, buffer.length - at, at)
    if (bytesRead === 0) break // it has shrunk while we read
    at += bytesRead
  }
  return at
}

function decoded(bytes: Uint8Array, size: number): Read {
  if (bytes.length === 0) return { reason: 'empty' }
  if (bytes.includes(0)) return { reason: 'binary' }
  try {
    // a cut may fall inside a character: `stream` leaves an unfinished one at the end out; the decoder drops a byte order mark
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: size > bytes.length })
    return text === '' ? { reason: 'empty' } : { text, bytes: size }
  } catch {
    return { reason: 'notUtf8' }
  }
}
