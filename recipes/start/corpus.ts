/** Text to learn from: files of a folder as one stream of bytes, cut into a training and a held-out part. */
import { createHash } from 'node:crypto'
import { type Dirent, constants } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { Failure } from './failure.js'
import type { SkipReason } from './messages.js'

/** Ends every document. Text files have no such byte, so the model learns where documents begin and end. */
export const END_OF_DOCUMENT = 0

export interface TextFiles {
  /** Every file's bytes, each followed by END_OF_DOCUMENT. */
  readonly bytes: Uint8Array
  readonly files: number
  readonly skipped: readonly { readonly path: string; readonly reason: SkipReason }[]
  /** Whether the limit cut the text short. */
  readonly cut: boolean
}

export interface Corpus extends TextFiles {
  readonly train: Uint8Array
  readonly heldOut: Uint8Array
  /** Equal for equal text: a resumed run repeats the old one only then. */
  readonly sha256: string
}

/** The text of this repository: what `npm start` learns without --corpus. Paths from its root. */
const OWN_TEXT = ['README.md', 'docs', 'packages', 'recipes', 'tools']
const OWN_EXTENSIONS = /\.(md|ts|mjs)$/
const OWN_EXCLUDED = /(^|[/\\])(generated|dist)([/\\]|$)|CHANGELOG\.md$/

/** More text than a run of minutes can use, and few enough bytes to hold. */
export const MAX_CORPUS_BYTES = 256 * 1024 * 1024

/**
 * Reads a file, or every text file of a folder with its sub-folders (dot-folders and node_modules excepted).
 *
 * @throws Failure when the path is missing or holds too little text for windows of `context` bytes
 */
export async function readCorpus(path: string, { context }: { readonly context: number }): Promise<Corpus> {
  const root = resolve(path)
  return asCorpus(path, await readTextFiles(await listFiles(root), root), context)
}

/** The documents and source of the repository at `root`. */
export async function readOwnText(root: string, { context }: { readonly context: number }): Promise<Corpus> {
  const present = await Promise.all(OWN_TEXT.map((part) => listFiles(join(root, part)).catch(() => [])))
  const wanted = present.flat().filter((file) => {
    const path = relative(root, file)
    return OWN_EXTENSIONS.test(path) && !OWN_EXCLUDED.test(path)
  })
  return asCorpus(root, await readTextFiles(wanted, root), context)
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

/** Reads what is text and says what is not. */
async function readTextFiles(paths: readonly string[], root: string): Promise<TextFiles> {
  const parts: Uint8Array[] = []
  const skipped: { path: string; reason: SkipReason }[] = []
  let room = MAX_CORPUS_BYTES
  let cut = false
  for (const path of paths) {
    if (room <= 1) {
      cut = true
      break
    }
    const read = await readText(path, room - 1)
    if ('reason' in read) {
      skipped.push({ path: relative(root, path) || path, reason: read.reason })
      continue
    }
    cut ||= read.cut
    parts.push(read.bytes, Uint8Array.of(END_OF_DOCUMENT))
    room -= read.bytes.length + 1
  }
  return { bytes: new Uint8Array(Buffer.concat(parts)), files: parts.length / 2, skipped, cut }
}

/** The text of one file without its byte order mark, or why it is none. */
async function readText(
  path: string,
  limit: number,
): Promise<{ bytes: Uint8Array; cut: boolean } | { reason: SkipReason }> {
  // O_NONBLOCK: opening a pipe that nobody writes to would wait for ever
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(() => null)
  if (file === null) return { reason: 'unreadable' }
  try {
    const info = await file.stat()
    if (!info.isFile()) return { reason: 'special' }
    const buffer = new Uint8Array(Math.min(info.size, limit))
    const length = await fill(file, buffer)
    const cut = info.size > limit
    return asText(buffer.subarray(0, length), cut)
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

function asText(bytes: Uint8Array, cut: boolean): { bytes: Uint8Array; cut: boolean } | { reason: SkipReason } {
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  const text = marked ? bytes.subarray(3) : bytes
  if (text.length === 0) return { reason: 'empty' }
  if (text.includes(0)) return { reason: 'binary' }
  try {
    // a cut may fall inside a character: `stream` accepts an unfinished one at the end
    new TextDecoder('utf-8', { fatal: true }).decode(text, { stream: cut })
  } catch {
    return { reason: 'notUtf8' }
  }
  return { bytes: text, cut }
}

function asCorpus(path: string, text: TextFiles, context: number): Corpus {
  if (text.files === 0) throw new Failure((say) => say.emptyCorpus(path, text.skipped.length))
  const least = 4 * (context + 1)
  if (text.bytes.length < least) throw new Failure((say) => say.smallCorpus(path, text.bytes.length, least))
  const sha256 = createHash('sha256').update(text.bytes).digest('hex')
  return { ...text, ...splitHeldOut(text.bytes, context + 1), sha256 }
}

/**
 * Holds out every twentieth block, so that every kind of text in a long corpus is in both parts.
 * Blocks are 4 KiB, in a short corpus a twentieth of it, but never shorter than a window.
 */
function splitHeldOut(bytes: Uint8Array, window: number): { train: Uint8Array; heldOut: Uint8Array } {
  const block = Math.max(window, Math.min(4096, Math.ceil(bytes.length / 20)))
  const every = Math.min(20, Math.floor(bytes.length / block))
  const train: Uint8Array[] = []
  const heldOut: Uint8Array[] = []
  for (let k = 0; k * block < bytes.length; k++) {
    const part = bytes.subarray(k * block, (k + 1) * block)
    const hold = k % every === every - 1 && part.length === block
    ;(hold ? heldOut : train).push(part)
  }
  return { train: new Uint8Array(Buffer.concat(train)), heldOut: new Uint8Array(Buffer.concat(heldOut)) }
}
