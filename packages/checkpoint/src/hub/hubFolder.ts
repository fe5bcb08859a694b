/** Repositories of the Hugging Face hub as folders. */
import { listFiles, modelInfo } from '@huggingface/hub'
import { checkOptions, checkText } from '../arguments.js'
import { ArgumentError, CheckpointError, shown } from '../errors.js'
import { checkFileName, decodeText, missingFile, type Folder } from '../folder.js'
import { request, type HttpOptions } from '../http/request.js'
import { type ByteSource } from '../source.js'
import { environment, isOn } from './environment.js'
import { type DownloadProgress, type HubCache, type RemoteFile, type RepoCommit } from './hubCache.js'

/** Options of {@link HubFolder}. */
export interface HubOptions {
  /** `organisation/name` */
  readonly repo: string
  /** A commit, tag or branch; default `main`. Only a commit stays the same: pin it. */
  readonly revision?: string
  /** Default: the variable HF_TOKEN. Sent to the endpoint only, never to where it redirects. */
  readonly token?: string
  /** Default: the variable HF_ENDPOINT, else https://huggingface.co. Mirrors work. */
  readonly endpoint?: string
  /** Never use the network; default: the variable HF_HUB_OFFLINE. */
  readonly offline?: boolean
  /** Where files are kept; `cacheDir` for the usual folder elsewhere. */
  readonly cache?: HubCache
  readonly onProgress?: (progress: DownloadProgress) => void
  /** `console.warn` if absent. */
  readonly onWarning?: (message: string) => void
  /** For proxies and tests, default `globalThis.fetch`. */
  readonly fetch?: typeof fetch
  readonly signal?: AbortSignal
}

/** A repository at one commit. */
export interface HubFolder extends Folder {
  readonly repo: string
  /** What was asked for. */
  readonly revision: string
  /** What it means: 40 hexadecimal digits. Give it as `revision` to load the same files again. */
  readonly commit: string
}

const OPTIONS = [
  'repo',
  'revision',
  'token',
  'endpoint',
  'offline',
  'cache',
  'onProgress',
  'onWarning',
  'fetch',
  'signal',
]
const REPO = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/
const COMMIT = /^[0-9a-f]{40}$/
const PUBLIC_HUB = 'https://huggingface.co'

/**
 * Opens a repository of models. The revision is resolved to a commit once, and every file comes from that commit.
 * Files are downloaded when they are opened, and kept.
 *
 * @param cache used when the options name none
 * @throws CheckpointError when the repository or revision is unknown, or offline and not in the cache
 */
export async function openHubFolder(options: HubOptions, cache: HubCache): Promise<HubFolder> {
  checkOptions('hubFolder', options, OPTIONS)
  const { repo, revision = 'main' } = options
  checkText('hubFolder: revision', revision)
  if (typeof repo !== 'string' || !REPO.test(repo) || repo.includes('--') || repo.includes('..'))
    throw new ArgumentError(`hubFolder: repo must be "organisation/name", got ${shown(repo)}`)
  const hub = new Hub(options, options.cache ?? cache)
  const commit = await hub.resolve(repo, revision)
  return hub.folder({ repo, commit }, revision)
}

/** @throws ArgumentError unless it is an object */
export function checkedOptions<T extends object>(options: T): T {
  if (typeof options === 'object' && options !== null) return options
  throw new ArgumentError(`hubFolder: options must be { repo, revision? … }, got ${shown(options)}`)
}

class Hub {
  readonly #options: HubOptions
  readonly #cache: HubCache
  readonly #endpoint: string
  readonly #isOffline: boolean
  readonly #fetch: typeof fetch

  constructor(options: HubOptions, cache: HubCache) {
    this.#options = options
    this.#cache = cache
    this.#endpoint = endpointOf(options.endpoint ?? environment('HF_ENDPOINT') ?? PUBLIC_HUB)
    this.#isOffline = options.offline ?? isOn(environment('HF_HUB_OFFLINE'))
    const token = options.token ?? environment('HF_TOKEN')
    this.#fetch = withToken(options.fetch ?? globalThis.fetch, this.#endpoint, token)
  }

  /** The commit of a revision; unreachable, the last known one, with a warning. */
  async resolve(repo: string, revision: string): Promise<string> {
    if (COMMIT.test(revision)) return revision
    const known = await this.#cache.readRef(repo, revision)
    if (this.#isOffline) return known ?? this.#notCached(`${repo}@${revision}`)
    try {
      const { sha } = await this.#asking(repo, () =>
        modelInfo({ name: repo, revision, additionalFields: ['sha'], hubUrl: this.#endpoint, fetch: this.#apiFetch }),
      )
      if (!COMMIT.test(sha))
        throw new CheckpointError({ file: repo, rule: 'the hub must name a commit', got: shown(sha) })
      await this.#cache.writeRef(repo, revision, sha)
      return sha
    } catch (error) {
      if (known === undefined || !isUnreachable(error)) throw error
      this.#warn(`${this.#endpoint} cannot be reached: ${repo}@${revision} is taken as ${known}, as it was last time`)
      return known
    }
  }

  folder(at: RepoCommit, revision: string): HubFolder {
    const name = `${at.repo}@${at.commit.slice(0, 12)}`
    let remote: Promise<ReadonlyMap<string, RemoteFile>> | undefined
    const list = async () => {
      remote ??= this.#list(at)
      return remote.catch((error: unknown) => {
        remote = undefined
        throw error
      })
    }
    const opening = new Map<string, Promise<ByteSource | undefined>>()
    const open = (file: string): Promise<ByteSource | undefined> => {
      checkFileName(name, file)
      // Two readers of one file share its download.
      const known = opening.get(file)
      const opened = (known ?? Promise.resolve()).then(() => this.#open(at, file, list))
      opening.set(
        file,
        opened.catch(() => undefined),
      )
      return opened
    }
    return {
      name,
      repo: at.repo,
      revision,
      commit: at.commit,
      list: async () => (this.#isOffline ? this.#cache.list(at) : [...(await list()).keys()].sort()),
      open: async (file) => (await open(file)) ?? this.#missing(name, file),
      readText: async (file) => {
        const source = await open(file)
        if (source === undefined) return undefined
        const bytes = await source.read(0, source.size)
        await source.close?.()
        return decodeText(`${name}/${file}`, bytes)
      },
    }
  }

  async #open(
    at: RepoCommit,
    file: string,
    list: () => Promise<ReadonlyMap<string, RemoteFile>>,
  ): Promise<ByteSource | undefined> {
    const here = await this.#cache.open(at, file)
    if (here !== undefined || this.#isOffline) return here
    const remote = (await list()).get(file)
    return remote === undefined ? undefined : this.#cache.fetch(at, remote)
  }

  async #list({ repo, commit }: RepoCommit): Promise<ReadonlyMap<string, RemoteFile>> {
    const { onProgress, signal } = this.#options
    const http: HttpOptions = { fetch: this.#fetch, signal }
    const files = new Map<string, RemoteFile>()
    await this.#asking(repo, async () => {
      const entries = listFiles({
        repo,
        revision: commit,
        recursive: true,
        hubUrl: this.#endpoint,
        fetch: this.#apiFetch,
      })
      for await (const { type, path, size, lfs, oid } of entries) {
        const etag = lfs?.oid ?? oid
        if (type !== 'file' || etag === undefined || !/^[0-9a-f]{40,64}$/.test(etag)) continue
        const url = `${this.#endpoint}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`
        files.set(path, { path, size: lfs?.size ?? size, etag, url, http, onProgress })
      }
    })
    return files
  }

  /** Requests to the API are tried again, as those for files are. */
  readonly #apiFetch: typeof fetch = (input, init) =>
    request(String(input), init ?? {}, { fetch: this.#fetch, signal: this.#options.signal })

  /** Errors of the hub's library as errors that teach. */
  async #asking<T>(repo: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (cause) {
      if (cause instanceof CheckpointError) throw cause
      this.#options.signal?.throwIfAborted()
      const { statusCode, message } = cause as { statusCode?: number; message?: string }
      throw new CheckpointError({
        file: repo,
        rule: `${this.#endpoint} must know the repository and revision`,
        got: statusCode === undefined ? String(message) : `HTTP ${statusCode}: ${message}`,
        wayOut: WAYS_OUT[statusCode ?? 0] ?? 'check the names',
        cause,
      })
    }
  }

  #notCached(what: string): never {
    throw new CheckpointError({
      file: what,
      rule: `offline, files must be in the cache ${this.#cache.name}`,
      got: 'none',
      wayOut: 'load it once with the network, without HF_HUB_OFFLINE and offline: true',
    })
  }

  #missing(name: string, file: string): never {
    if (this.#isOffline) this.#notCached(`${name}/${file}`)
    throw missingFile(name, file)
  }

  #warn(message: string): void {
    if (this.#options.onWarning === undefined) console.warn(message)
    else this.#options.onWarning(message)
  }
}

const WAYS_OUT: Readonly<Record<number, string>> = {
  401: 'the repository is private, gated or misspelt: check its name, and give a token (HF_TOKEN) that may read it',
  403: 'accept the terms of the model on its page, and give a token (HF_TOKEN) of that account',
  404: 'check the names of repository and revision',
}

function isUnreachable(error: unknown): boolean {
  return (
    error instanceof CheckpointError && (error.rule === 'the server must be reachable' || /HTTP 5/.test(error.message))
  )
}

function endpointOf(url: string): string {
  if (!/^https?:\/\/[^\s/]/.test(url))
    throw new ArgumentError(`hubFolder: endpoint must be a web address, got ${shown(url)}`)
  return url.replace(/\/+$/, '')
}

/** Adds the token to requests to the endpoint's origin. Redirects to other origins drop it, as fetch prescribes. */
function withToken(send: typeof fetch, endpoint: string, token: string | undefined): typeof fetch {
  if (token === undefined) return send
  const { origin } = new URL(endpoint)
  return (input, init) => {
    if (new URL(String(input)).origin !== origin) return send(input, init)
    const headers = { ...(init?.headers as Record<string, string> | undefined), authorization: `Bearer ${token}` }
    return send(input, { ...init, headers })
  }
}
