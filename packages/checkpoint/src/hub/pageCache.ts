/** Files of the hub in the browser's Cache API, in parts, so that interrupted downloads go on where they were. */
import { CheckpointError } from '../errors.js'
import { httpSource } from '../http/httpSource.js'
import { checkRange, type ByteSource } from '../source.js'
import { type HubCache, type RemoteFile, type RepoCommit } from './hubCache.js'

/** Bytes of a part: what one request fetches, and the most that is lost when it breaks. */
const PART_BYTES = 32 * 2 ** 20

/** Keys of the Cache API are addresses; nothing is ever requested from these. */
const BASE = 'https://tarazed.invalid/hub/'

/** Just what is used of `CacheStorage`. */
export interface PageStorage {
  open(name: string): Promise<Pick<Cache, 'match' | 'put' | 'keys'>>
}

/** What is kept beside the parts of a file. */
interface FileNote {
  readonly size: number
  readonly etag: string
}

/**
 * A cache in the page's storage. Parts are fetched when they are read, so opening a large file costs nothing.
 * @param storage default `globalThis.caches`
 */
export function pageHubCache(storage: PageStorage | undefined = globalThis.caches): HubCache {
  const name = 'tarazed-hub'
  const open = () => {
    if (storage !== undefined) return storage.open(name)
    const wayOut = 'serve the page over https or from localhost'
    throw new CheckpointError({ file: name, rule: 'the page must have the Cache API', got: 'none', wayOut })
  }
  const readJson = async (key: string): Promise<unknown> => (await (await open()).match(key))?.json()
  const writeJson = async (key: string, value: unknown) => (await open()).put(key, new Response(JSON.stringify(value)))
  const sourceOf = (at: RepoCommit, path: string, note: FileNote, remote?: RemoteFile): ByteSource =>
    partedSource(keyOf(at, path), note, open, remote)
  return {
    name,
    readRef: async (repo, revision) => {
      const ref = await readJson(refKey(repo, revision))
      return typeof ref === 'string' ? ref : undefined
    },
    writeRef: (repo, revision, commit) => writeJson(refKey(repo, revision), commit),
    list: async (at) => {
      const beginning = keyOf(at, '')
      const keys = (await (await open()).keys()).map(({ url }) => url)
      const notes = keys.filter((url) => url.startsWith(beginning) && !url.includes('?'))
      return notes.map((url) => decodeURIComponent(url.slice(beginning.length))).sort()
    },
    open: async (at, path) => {
      const note = (await readJson(keyOf(at, path))) as FileNote | undefined
      if (note === undefined) return undefined
      const cache = await open()
      const parts = Array.from({ length: partCount(note.size) }, (_, part) =>
        cache.match(partKey(keyOf(at, path), part)),
      )
      return (await Promise.all(parts)).includes(undefined) ? undefined : sourceOf(at, path, note)
    },
    fetch: async (at, remote) => {
      const note: FileNote = { size: remote.size, etag: remote.etag }
      await writeJson(keyOf(at, remote.path), note)
      return sourceOf(at, remote.path, note, remote)
    },
  }
}

function refKey(repo: string, revision: string): string {
  return `${BASE}refs/${repo}/${encodeURIComponent(revision)}`
}

function keyOf({ repo, commit }: RepoCommit, path: string): string {
  return `${BASE}files/${repo}/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
}

function partKey(key: string, part: number): string {
  return `${key}?part=${part}`
}

function partCount(size: number): number {
  return Math.ceil(size / PART_BYTES)
}

function partedSource(
  key: string,
  { size }: FileNote,
  open: () => Promise<Pick<Cache, 'match' | 'put'>>,
  remote: RemoteFile | undefined,
): ByteSource {
  const fetching = new Map<number, Promise<Blob>>()
  let server: Promise<ByteSource> | undefined
  let done = 0
  const fetchPart = async (part: number): Promise<Blob> => {
    const cache = await open()
    const kept = await cache.match(partKey(key, part))
    const blob = kept === undefined ? await download(part) : await kept.blob()
    done += blob.size
    remote?.onProgress?.({ file: remote.path, bytes: done, totalBytes: size })
    return blob
  }
  const download = async (part: number): Promise<Blob> => {
    if (remote === undefined)
      throw new CheckpointError({ file: key, rule: 'the part must be in the cache', got: 'none' })
    server ??= httpSource(remote.url, remote.http)
    const source = await server.catch((error: unknown) => {
      server = undefined
      throw error
    })
    if (source.size !== size)
      throw new CheckpointError({ file: remote.url, rule: `the file must have ${size} bytes`, got: `${source.size}` })
    const from = part * PART_BYTES
    const bytes = await source.read(from, Math.min(PART_BYTES, size - from))
    const blob = new Blob([bytes as Uint8Array<ArrayBuffer>])
    // A full storage is no reason to fail: the part is there, only not for the next time.
    await (await open()).put(partKey(key, part), new Response(blob)).catch(() => undefined)
    return blob
  }
  const partOf = (part: number): Promise<Blob> => {
    const known = fetching.get(part) ?? fetchPart(part)
    fetching.set(part, known)
    known.catch(() => fetching.delete(part))
    return known
  }
  return {
    name: key.slice(BASE.length),
    size,
    async read(offset, length) {
      checkRange(key, size, offset, length)
      const bytes = new Uint8Array(length)
      for (let at = offset; at < offset + length;) {
        const part = Math.floor(at / PART_BYTES)
        const from = at - part * PART_BYTES
        const blob = await partOf(part)
        const piece = blob.slice(from, Math.min(blob.size, from + offset + length - at))
        bytes.set(new Uint8Array(await piece.arrayBuffer()), at - offset)
        at += piece.size
      }
      return bytes
    },
  }
}
