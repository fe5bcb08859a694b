/** What a cache of the hub does, wherever it keeps its bytes. */
import { type HttpOptions } from '../http/request.js'
import { type ByteSource } from '../source.js'

/** How far the download of a file has come. */
export interface DownloadProgress {
  readonly file: string
  /** Bytes that are here, those of an interrupted download included. */
  readonly bytes: number
  readonly totalBytes: number
}

/** A file of a repository at one commit. */
export interface RemoteFile {
  /** Path within the repository. */
  readonly path: string
  readonly size: number
  /** What its content is called: SHA-256 of large files, the git hash of small ones. */
  readonly etag: string
  readonly url: string
  readonly http: HttpOptions
  readonly onProgress?: (progress: DownloadProgress) => void
}

/** A repository at one commit. */
export interface RepoCommit {
  /** `organisation/name` */
  readonly repo: string
  /** 40 hexadecimal digits. */
  readonly commit: string
}

/** Keeps files of the hub. */
export interface HubCache {
  /** For messages. */
  readonly name: string
  /** The commit that a branch or tag meant when it was last asked. */
  readRef(repo: string, revision: string): Promise<string | undefined>
  writeRef(repo: string, revision: string, commit: string): Promise<void>
  /** Files that are here. */
  list(at: RepoCommit): Promise<readonly string[]>
  /** A file that is here, else undefined. */
  open(at: RepoCommit, path: string): Promise<ByteSource | undefined>
  /** A file, fetched if need be. @throws CheckpointError when it cannot be fetched or is not what it should be */
  fetch(at: RepoCommit, file: RemoteFile): Promise<ByteSource>
}
