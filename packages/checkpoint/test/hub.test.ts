import { lstat, mkdtemp, readdir, readFile, readlink, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CheckpointError, encodeSafetensors, openCheckpoint } from '../src/index.js'
import { hubFolder, pageHubCache, type DownloadProgress, type HubFolderOptions } from '../src/hub.js'
import { hubCacheDir, listHubCache, removeFromHubCache } from '../src/node.js'
import { COMMIT, fakeHub, type FakeHub } from './fakeHub.js'
import { randomBytes } from './random.js'

const REPO = 'someone/tiny'
const weights = randomBytes(300_000)
let hub: FakeHub
let cacheDir: string

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'tarazed-hub-'))
  const model = await encodeSafetensors([{ name: 'w', dtype: 'U8', shape: [weights.length], bytes: () => weights }])
  hub = await fakeHub(REPO, {
    'model.safetensors': model,
    'config.json': new TextEncoder().encode('{"model_type":"aquila"}'),
    'sub/note.txt': new TextEncoder().encode('注'),
  })
  // The machine's own settings have no say.
  for (const name of ['HF_TOKEN', 'HF_ENDPOINT', 'HF_HUB_OFFLINE']) vi.stubEnv(name, '')
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await hub.close()
  await rm(cacheDir, { recursive: true, force: true })
})

const open = (options: Partial<HubFolderOptions> = {}) =>
  hubFolder({ repo: REPO, endpoint: hub.endpoint, cacheDir, ...options })

async function refusal(run: Promise<unknown>): Promise<CheckpointError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CheckpointError)
  return error as CheckpointError
}

async function readWeights(options: Partial<HubFolderOptions> = {}): Promise<Uint8Array> {
  const checkpoint = await openCheckpoint(await open(options))
  const bytes = await checkpoint.read('w')
  await checkpoint.close()
  return bytes
}

/** Comparing long arrays element by element takes the test runner a second. */
const isWeights = (bytes: Uint8Array) => Buffer.compare(bytes, weights) === 0

const repoDir = () => join(cacheDir, 'models--someone--tiny')

describe('a repository of the hub', () => {
  it('says the commit that its revision means, and lists its files', async () => {
    const folder = await open()
    expect([folder.revision, folder.commit]).toEqual(['main', COMMIT])
    expect(await folder.list()).toEqual(['config.json', 'model.safetensors', 'sub/note.txt'])
    expect(await folder.readText('sub/note.txt')).toBe('注')
    expect(await folder.readText('absent.json')).toBeUndefined()
    expect((await refusal(folder.open('absent.bin'))).message).toContain('absent.bin')
  })

  it('keeps files in the layout that Python shares', async () => {
    expect(isWeights(await readWeights())).toBe(true)
    expect((await readFile(join(repoDir(), 'refs', 'main'), 'utf8')).trim()).toBe(COMMIT)
    const pointer = join(repoDir(), 'snapshots', COMMIT, 'model.safetensors')
    expect((await lstat(pointer)).isSymbolicLink()).toBe(true)
    expect((await readlink(pointer)).replaceAll('\\', '/')).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/)
    const blobs = await readdir(join(repoDir(), 'blobs'))
    expect(blobs.filter((name) => !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name))).toEqual([])
  })

  it('downloads a file once', async () => {
    await readWeights()
    hub.requests.length = 0
    expect(isWeights(await readWeights({ revision: COMMIT }))).toBe(true)
    expect(hub.requests.filter(({ what }) => what.includes('model.safetensors'))).toEqual([])
  })

  it('takes a broken download up where it broke, and reports progress', async () => {
    hub.breakAfter = { bytes: 70_000, times: 3 }
    const seen: DownloadProgress[] = []
    expect(isWeights(await readWeights({ onProgress: (progress) => seen.push(progress) }))).toBe(true)
    const ranges = hub.requests.filter(({ what, range }) => what === 'GET /model.safetensors' && range !== undefined)
    expect(ranges.length).toBe(4)
    expect(ranges.slice(1).every(({ range }) => range !== 'bytes=0-')).toBe(true)
    const ours = seen.filter(({ file }) => file === 'model.safetensors')
    expect(ours.at(-1)?.bytes).toBe(ours.at(-1)?.totalBytes)
    expect(ours.map(({ bytes }) => bytes)).toEqual(ours.map(({ bytes }) => bytes).sort((a, b) => a - b))
  })

  it('goes on from what an earlier process left', async () => {
    await readWeights()
    const [blob] = (await readdir(join(repoDir(), 'blobs'))).filter((name) => name.length === 64)
    const content = await readFile(join(repoDir(), 'blobs', blob))
    await rm(join(repoDir(), 'snapshots'), { recursive: true })
    await rm(join(repoDir(), 'blobs', blob))
    await writeFile(join(repoDir(), 'blobs', `${blob}.incomplete`), content.subarray(0, 123_456))
    hub.requests.length = 0
    expect(isWeights(await readWeights())).toBe(true)
    expect(hub.requests.map(({ range }) => range)).toContain('bytes=123456-')
  })

  it('fetches once more when what an earlier process left is damaged', async () => {
    await readWeights()
    const [blob] = (await readdir(join(repoDir(), 'blobs'))).filter((name) => name.length === 64)
    await rm(join(repoDir(), 'snapshots'), { recursive: true })
    await rm(join(repoDir(), 'blobs', blob))
    await writeFile(join(repoDir(), 'blobs', `${blob}.incomplete`), new Uint8Array(1000))
    expect(isWeights(await readWeights())).toBe(true)
  })

  it('refuses files that are not what their hash says, and keeps nothing of them', async () => {
    hub.tamper = true
    const error = await refusal(readWeights())
    expect(error.rule).toContain('hash')
    expect(await readdir(join(repoDir(), 'blobs'))).toEqual([])
  })

  it('is asked again when the server is busy', async () => {
    hub.failures.push(503, 429)
    expect((await open()).commit).toBe(COMMIT)
  })

  it('gives the token to the endpoint and to nobody else', async () => {
    vi.stubEnv('HF_TOKEN', 'secret')
    await readWeights()
    const toStore = hub.requests.filter(({ what }) => what === 'GET /model.safetensors')
    expect(toStore.map(({ token }) => token)).toEqual([undefined])
    const toHub = hub.requests.filter(({ what }) => what !== 'GET /model.safetensors')
    expect(new Set(toHub.map(({ token }) => token))).toEqual(new Set(['Bearer secret']))
  })

  it('finds endpoint and cache in the variables that the ecosystem shares', async () => {
    vi.stubEnv('HF_ENDPOINT', `${hub.endpoint}/`)
    vi.stubEnv('HF_HUB_CACHE', cacheDir)
    expect(hubCacheDir()).toBe(cacheDir)
    expect((await hubFolder({ repo: REPO })).commit).toBe(COMMIT)
    vi.stubEnv('HF_HUB_CACHE', '')
    vi.stubEnv('HUGGINGFACE_HUB_CACHE', '')
    vi.stubEnv('HF_HOME', '/home/x')
    expect(hubCacheDir()).toBe(join('/home/x', 'hub'))
  })

  it('opens offline what was downloaded, and says what was not', async () => {
    expect((await refusal(open({ offline: true }))).message).toContain('HF_HUB_OFFLINE')
    await readWeights()
    hub.requests.length = 0
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    expect(isWeights(await readWeights())).toBe(true)
    const folder = await open()
    expect(await folder.list()).toEqual(['model.safetensors'])
    expect((await refusal(folder.open('config.json'))).message).toContain('offline')
    expect(hub.requests).toEqual([])
  })

  it('is taken as it was last time when the hub cannot be reached, with a warning', async () => {
    await readWeights()
    await hub.close()
    const warnings: string[] = []
    const folder = await open({
      onWarning: (message) => warnings.push(message),
      fetch: () => Promise.reject(new TypeError('gone')),
    })
    expect(folder.commit).toBe(COMMIT)
    expect(warnings.join()).toContain('as it was last time')
    hub = await fakeHub(REPO, {})
  })

  it('that is unknown is refused with a way out', async () => {
    const error = await refusal(open({ repo: 'someone/else' }))
    expect(error.message).toMatch(/HTTP 404.*check the names/)
    for (const repo of ['../x', 'a/b/c', '', 'a--b/c', 3])
      await expect(open({ repo: repo as string })).rejects.toThrow(/organisation/)
    await expect(open({ revison: 'x' } as object)).rejects.toThrow(/unknown option "revison"/)
    await expect(hubFolder(undefined as never)).rejects.toThrow(/options must be/)
  })
})

describe('the cache of the hub', () => {
  it('lists models with their revisions, sizes and unfinished downloads', async () => {
    expect(await listHubCache({ cacheDir: join(cacheDir, 'absent') })).toEqual([])
    await readWeights()
    await (await open()).readText('config.json')
    await writeFile(join(repoDir(), 'blobs', 'x.incomplete'), new Uint8Array(50))
    const [repo, ...others] = await listHubCache({ cacheDir })
    expect(others).toEqual([])
    expect(repo).toMatchObject({ type: 'models', repo: REPO, unfinishedBytes: 50 })
    expect(repo.revisions).toMatchObject([{ commit: COMMIT, refs: ['main'], files: 2 }])
    expect(repo.bytes).toBe(repo.revisions[0].bytes + 50)
  })

  it('is emptied by revision or by model, files that others use excepted', async () => {
    await readWeights()
    const other = 'f'.repeat(40)
    const [blob] = (await readdir(join(repoDir(), 'blobs'))).filter((name) => name.length === 64)
    const { mkdir, symlink } = await import('node:fs/promises')
    await mkdir(join(repoDir(), 'snapshots', other))
    await symlink(`../../blobs/${blob}`, join(repoDir(), 'snapshots', other, 'model.safetensors'))
    expect(await removeFromHubCache({ repo: REPO, revision: 'main', cacheDir })).toBe(0)
    expect(await readdir(join(repoDir(), 'blobs'))).toEqual([blob])
    expect(await removeFromHubCache({ repo: REPO, revision: other, cacheDir })).toBeGreaterThan(weights.length)
    await removeFromHubCache({ repo: REPO, cacheDir })
    expect(await listHubCache({ cacheDir })).toEqual([])
    expect((await refusal(removeFromHubCache({ repo: REPO, cacheDir }))).message).toContain('cache ls')
  })
})

/** The Cache API over a Map. */
function fakeStorage() {
  const entries = new Map<string, Uint8Array>()
  return {
    entries,
    open: async () => ({
      match: async (key: unknown) => {
        const bytes = entries.get(String(key))
        return bytes === undefined ? undefined : new Response(bytes as Uint8Array<ArrayBuffer>)
      },
      put: async (key: unknown, response: Response) => {
        entries.set(String(key), new Uint8Array(await response.arrayBuffer()))
      },
      keys: async () => [...entries.keys()].map((url) => new Request(url)),
    }),
  }
}

describe('the cache of a page', () => {
  it('fetches what is read, keeps it, and serves it offline', async () => {
    const storage = fakeStorage()
    const options = { cache: pageHubCache(storage as never), cacheDir: undefined }
    expect(isWeights(await readWeights(options))).toBe(true)
    expect(await (await open(options)).readText('config.json')).toContain('aquila')
    hub.requests.length = 0
    expect(isWeights(await readWeights({ ...options, offline: true }))).toBe(true)
    expect(await (await open({ ...options, offline: true })).list()).toEqual(['config.json', 'model.safetensors'])
    expect(hub.requests).toEqual([])
  })

  it('does not offer half a file offline', async () => {
    const storage = fakeStorage()
    const options = { cache: pageHubCache(storage as never) }
    await readWeights(options)
    for (const key of storage.entries.keys()) if (key.includes('model.safetensors?part=0')) storage.entries.delete(key)
    const folder = await open({ ...options, offline: true })
    expect((await refusal(folder.open('model.safetensors'))).message).toContain('offline')
  })

  it('says when the page has none', async () => {
    expect((await refusal(pageHubCache(undefined).readRef('a/b', 'main'))).message).toContain('https')
  })
})

it('reads a file that was cut off in the cache as broken, not as short', async () => {
  await readWeights()
  const [blob] = (await readdir(join(repoDir(), 'blobs'))).filter((name) => name.length === 64)
  await truncate(join(repoDir(), 'blobs', blob), 5000)
  expect((await refusal(readWeights({ offline: true }))).message).toContain('cut off')
})
