/** What is in the cache folder of the hub, and how to get rid of it. */
import { lstat, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { checkOptions, checkText } from '../arguments.js'
import { CheckpointError } from '../errors.js'
import { hubCacheDir, repoFolderName } from './diskHubCache.js'

/** A commit of a cached repository. */
export interface CachedRevision {
  readonly commit: string
  /** Branches and tags that meant it when they were last asked. */
  readonly refs: readonly string[]
  readonly files: number
  /** Of its files; files shared by revisions count in each. */
  readonly bytes: number
}

/** A cached repository. */
export interface CachedRepo {
  /** `models`, `datasets` or `spaces`. */
  readonly type: string
  /** `organisation/name` */
  readonly repo: string
  readonly path: string
  /** On the disk, unfinished downloads included. */
  readonly bytes: number
  readonly unfinishedBytes: number
  readonly revisions: readonly CachedRevision[]
  /** Milliseconds since 1970. */
  readonly lastModifiedMs: number
}

/** The repositories in the cache folder, those of other tools included, by name. */
export async function listHubCache(options: { readonly cacheDir?: string } = {}): Promise<readonly CachedRepo[]> {
  checkOptions('listHubCache', options, ['cacheDir'])
  const { cacheDir = hubCacheDir() } = options
  const names = await readdir(cacheDir).catch(() => [])
  const repos = names.filter((name) => /^(models|datasets|spaces)--./.test(name)).sort()
  return Promise.all(repos.map((name) => describeRepo(join(cacheDir, name))))
}

async function describeRepo(path: string): Promise<CachedRepo> {
  const [type, ...parts] = basename(path).split('--')
  const refs = await readRefs(join(path, 'refs'))
  const commits = await readdir(join(path, 'snapshots')).catch(() => [])
  const blobs = await Promise.all((await filesBelow(join(path, 'blobs'))).map(sizeOf))
  // Where links are not allowed files lie in the snapshots themselves.
  const plain = (await Promise.all((await filesBelow(join(path, 'snapshots'))).map(sizeOf))).filter(
    ({ isLink }) => !isLink,
  )
  const sum = (files: readonly { readonly bytes: number }[]) => files.reduce((total, { bytes }) => total + bytes, 0)
  return {
    type,
    repo: parts.join('/'),
    path,
    bytes: sum(blobs) + sum(plain),
    unfinishedBytes: sum(blobs.filter(({ path: file }) => file.endsWith('.incomplete'))),
    revisions: await Promise.all(commits.sort().map((commit) => describeRevision(path, commit, refs))),
    lastModifiedMs: Math.max(0, ...[...blobs, ...plain].map(({ modifiedMs }) => modifiedMs)),
  }
}

async function describeRevision(
  repo: string,
  commit: string,
  refs: ReadonlyMap<string, string>,
): Promise<CachedRevision> {
  const files = await filesBelow(join(repo, 'snapshots', commit))
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return {
    commit,
    refs: [...refs].flatMap(([name, target]) => (target === commit ? [name] : [])),
    files: files.length,
    bytes: sizes.reduce((total, size) => total + size, 0),
  }
}

async function readRefs(folder: string): Promise<ReadonlyMap<string, string>> {
  const files = await filesBelow(folder)
  const entries = files.map(async (file) => {
    const name = relative(folder, file).replaceAll('\\', '/')
    return [name, (await readFile(file, 'utf8').catch(() => '')).trim()] as const
  })
  return new Map(await Promise.all(entries))
}

async function sizeOf(path: string) {
  const { size, mtimeMs, isLink } = await lstat(path).then(
    (entry) => ({ size: entry.size, mtimeMs: entry.mtimeMs, isLink: entry.isSymbolicLink() }),
    () => ({ size: 0, mtimeMs: 0, isLink: false }),
  )
  return { path, bytes: isLink ? 0 : size, modifiedMs: mtimeMs, isLink }
}

/** Paths of everything below a folder that is no folder. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
}

/** Options of {@link removeFromHubCache}. */
export interface RemoveFromHubCacheOptions {
  /** `organisation/name` */
  readonly repo: string
  /** Only this commit, branch or tag, with the files that no other revision has. */
  readonly revision?: string
  readonly cacheDir?: string
}

/**
 * Removes a cached model, or one revision of it.
 * @returns the bytes that became free
 * @throws CheckpointError when the cache does not hold it
 */
export async function removeFromHubCache(options: RemoveFromHubCacheOptions): Promise<number> {
  checkOptions('removeFromHubCache', options, ['repo', 'revision', 'cacheDir'])
  const { repo, revision, cacheDir = hubCacheDir() } = options
  checkText('removeFromHubCache: repo', repo)
  const known = (await listHubCache({ cacheDir })).find(
    ({ path }) => basename(path) === repoFolderName(repo) && !repo.includes('..'),
  )
  if (known === undefined) throw notCached(cacheDir, repo)
  if (revision === undefined) {
    await rm(known.path, { recursive: true, force: true })
    return known.bytes
  }
  const target = known.revisions.find(({ commit, refs }) => commit === revision || refs.includes(revision))
  if (target === undefined) throw notCached(cacheDir, `${repo}@${revision}`)
  await removeRevision(known, target)
  const left = (await listHubCache({ cacheDir })).find(({ path }) => path === known.path)
  return known.bytes - (left?.bytes ?? 0)
}

async function removeRevision({ path, revisions }: CachedRepo, target: CachedRevision): Promise<void> {
  const blobsOf = async ({ commit }: CachedRevision): Promise<string[]> => {
    const links = (await filesBelow(join(path, 'snapshots', commit))).map((file) => readlink(file).catch(() => ''))
    return (await Promise.all(links)).filter((link) => link !== '').map((link) => basename(link))
  }
  const kept = new Set((await Promise.all(revisions.filter((other) => other !== target).map(blobsOf))).flat())
  const removed = (await blobsOf(target)).filter((blob) => !kept.has(blob))
  for (const ref of target.refs) await rm(join(path, 'refs', ref), { force: true })
  await rm(join(path, 'snapshots', target.commit), { recursive: true, force: true })
  for (const blob of removed) await rm(join(path, 'blobs', blob), { force: true })
}

function notCached(cacheDir: string, what: string): CheckpointError {
  return new CheckpointError({
    file: what,
    rule: `it must be in the cache ${cacheDir}`,
    got: 'nothing of that name',
    wayOut: 'tarazed cache ls shows what there is',
  })
}
