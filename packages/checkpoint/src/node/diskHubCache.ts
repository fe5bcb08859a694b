/** The cache folder that tools of the Hugging Face hub share, Python's included. */
import { createHash, type Hash } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat, statfs, symlink, type FileHandle } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { CheckpointError } from '../errors.js'
import { checkFileName } from '../folder.js'
import { environment } from '../hub/environment.js'
import { type HubCache, type RemoteFile, type RepoCommit } from '../hub/hubCache.js'
import { refused, request } from '../http/request.js'
import { fileSource } from './fileSource.js'
import { replaceFile } from './replaceFile.js'
import { makeFolder } from './makeFolder.js'

/** HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else `hub` in HF_HOME, else `~/.cache/huggingface/hub`. */
export function hubCacheDir(): string {
  const caches = environment('XDG_CACHE_HOME') ?? join(homedir(), '.cache')
  const home = environment('HF_HOME') ?? join(caches, 'huggingface')
  return environment('HF_HUB_CACHE') ?? environment('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub')
}

/** `models--organisation--name` */
export function repoFolderName(repo: string): string {
  return ['models', ...repo.split('/')].join('--')
}

/**
 * The cache in a folder: `models--organisation--name/{blobs,refs,snapshots}`. Blobs are named by their hashes, which
 * are checked; snapshots are folders of links to them. An interrupted download leaves `blobs/HASH.incomplete`, which
 * the next one goes on from.
 *
 * @param cacheDir default {@link hubCacheDir}
 */
export function diskHubCache(cacheDir: string = hubCacheDir()): HubCache {
  const repoDir = (repo: string) => join(cacheDir, repoFolderName(repo))
  const snapshot = ({ repo, commit }: RepoCommit) => join(repoDir(repo), 'snapshots', commit)
  const pointer = (at: RepoCommit, path: string) => join(snapshot(at), checkFileName(at.repo, path))
  const refFile = (repo: string, revision: string) => join(repoDir(repo), 'refs', checkFileName(repo, revision))
  return {
    name: cacheDir,
    async readRef(repo, revision) {
      const text = await readFile(refFile(repo, revision), 'utf8').catch(() => '')
      return /^[0-9a-f]{40}$/.test(text.trim()) ? text.trim() : undefined
    },
    async writeRef(repo, revision, commit) {
      const file = refFile(repo, revision)
      await makeFolder(dirname(file))
      await replaceFile(file, commit)
    },
    list: (at) => filesBelow(snapshot(at)),
    async open(at, path) {
      const file = pointer(at, path)
      return (await exists(file)) ? fileSource(file) : undefined
    },
    async fetch(at, file) {
      const target = pointer(at, file.path)
      const blob = join(repoDir(at.repo), 'blobs', file.etag)
      await makeFolder(dirname(blob))
      await makeFolder(dirname(target))
      if (!(await exists(blob))) await download(file, blob)
      await link(blob, target)
      return fileSource(target)
    },
  }
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const files = entries.filter((entry) => !entry.isDirectory())
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/')).sort()
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** A relative link, as Python's library makes; where links are not allowed the file itself moves into the snapshot. */
async function link(blob: string, target: string): Promise<void> {
  await rm(target, { force: true })
  try {
    await symlink(relative(dirname(target), blob), target)
  } catch {
    await rename(blob, target)
  }
}

/** Goes on from what is there; what does not have its hash in the end is fetched once more from the start. */
async function download(file: RemoteFile, blob: string): Promise<void> {
  const incomplete = `${blob}.incomplete`
  for (const isLast of [false, true]) {
    const handle = await openIncomplete(incomplete)
    let got: string
    try {
      got = await fill(file, handle, dirname(blob))
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (got === file.etag) return rename(incomplete, blob)
    await rm(incomplete, { force: true })
    if (isLast)
      throw new CheckpointError({
        file: file.url,
        rule: `the file must have the hash ${file.etag}`,
        got,
        wayOut: 'something on the way changes files, such as a proxy or a mirror: use another endpoint',
      })
  }
}

async function openIncomplete(path: string): Promise<FileHandle> {
  return open(path, (await exists(path)) ? 'r+' : 'w+')
}

/** Bytes at a time when an interrupted download is hashed. */
const PIECE_BYTES = 2 ** 20

/** Downloads what is missing. @returns the hash of all */
async function fill(file: RemoteFile, handle: FileHandle, folder: string): Promise<string> {
  const progress = (bytes: number) => file.onProgress?.({ file: file.path, bytes, totalBytes: file.size })
  let have = (await handle.stat()).size
  if (have > file.size) {
    await handle.truncate(0)
    have = 0
  }
  await checkRoom(folder, file, file.size - have)
  let hasher = await hashOf(file, handle, have)
  progress(have)
  for (let failed = 0; have < file.size;) {
    const before = have
    const response = await request(
      file.url,
      { headers: { 'accept-encoding': 'identity', range: `bytes=${have}-` } },
      file.http,
    )
    if (!response.ok) throw refused(file.url, response)
    if (response.status !== 206 && have > 0) {
      // A server without ranges starts again.
      await handle.truncate(0)
      have = 0
      hasher = newHash(file)
    }
    for await (const piece of piecesUntilBroken(response)) {
      const part = piece.subarray(0, file.size - have)
      await writeAt(file, handle, part, have)
      hasher.update(part)
      have += part.length
      progress(have)
    }
    file.http.signal?.throwIfAborted()
    failed = have > before ? 0 : failed + 1
    if (failed >= (file.http.tries ?? 4))
      throw new CheckpointError({
        file: file.url,
        rule: `${file.size} bytes must come`,
        got: `${have}, then the connection broke ${failed} times`,
        wayOut: 'try again: the download goes on from there',
      })
  }
  return hasher.digest('hex')
}

async function* piecesUntilBroken(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  try {
    for (;;) {
      const { value } = await (reader?.read() ?? { value: undefined })
      if (value === undefined) return
      yield value
    }
  } catch {
    // The connection broke; the caller asks for the rest.
  } finally {
    await reader?.cancel().catch(() => undefined)
  }
}

async function writeAt(file: RemoteFile, handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle
      .write(bytes, done, bytes.length - done, position + done)
      .catch((cause: unknown) => {
        const got = (cause as Error).message
        const wayOut = 'free space, or set HF_HUB_CACHE to a folder with more'
        throw new CheckpointError({ file: file.path, rule: 'the cache must be writable', got, wayOut, cause })
      })
    done += bytesWritten
  }
}

async function checkRoom(folder: string, file: RemoteFile, bytes: number): Promise<void> {
  const free = await statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity,
  )
  if (bytes <= free) return
  throw new CheckpointError({
    file: file.path,
    rule: `the disk of ${folder} must have ${bytes} bytes free`,
    got: `${free}`,
    wayOut: 'free space, or set HF_HUB_CACHE to a folder with more',
  })
}

/** Large files are named by SHA-256, small ones by git's hash of their content. */
function newHash(file: RemoteFile): Hash {
  if (file.etag.length === 64) return createHash('sha256')
  return createHash('sha1').update(`blob ${file.size}\0`)
}

async function hashOf(file: RemoteFile, handle: FileHandle, bytes: number): Promise<Hash> {
  const hash = newHash(file)
  const buffer = new Uint8Array(Math.min(bytes, PIECE_BYTES))
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, bytes - at), at)
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    at += bytesRead
  }
  return hash
}
