/** A server on the loopback interface that answers as the hub does, with a second one that holds large files. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'

/** What the fake hub saw and may be told. */
export interface FakeHub {
  readonly endpoint: string
  readonly commit: string
  /** `METHOD path` of each request, and the authorization that it carried. */
  readonly requests: { readonly what: string; readonly token: string | undefined; readonly range: string | undefined }[]
  /** The next so many answers with file content break after this many bytes. */
  breakAfter: { bytes: number; times: number } | undefined
  /** Statuses of the next answers, before anything else is tried. */
  readonly failures: number[]
  /** Bytes that are served instead of the file's own, of the same length. */
  tamper: boolean
  close(): Promise<void>
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const gitHash = (bytes: Uint8Array) => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')

/** Files of `repo` at branch `main`; names that end in .bin, .gguf or .safetensors are large files. */
export async function fakeHub(repo: string, files: Readonly<Record<string, Uint8Array>>): Promise<FakeHub> {
  const hub: Omit<FakeHub, 'endpoint' | 'close'> = {
    commit: COMMIT,
    requests: [],
    breakAfter: undefined,
    failures: [],
    tamper: false,
  }
  const isLarge = (path: string) => /\.(bin|gguf|safetensors)$/.test(path)
  const note = ({ method, url, headers }: IncomingMessage) =>
    hub.requests.push({ what: `${method} ${url}`, token: headers.authorization, range: headers.range })

  const sendContent = (request: IncomingMessage, response: ServerResponse, content: Uint8Array): unknown => {
    const bytes = hub.tamper ? content.map((byte) => byte ^ 1) : content
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const start = Number(from ?? 0)
    const end = to ? Math.min(Number(to) + 1, bytes.length) : bytes.length
    const headers: Record<string, string> = { etag: `"${sha256(bytes)}"`, 'content-length': String(end - start) }
    if (from !== undefined) headers['content-range'] = `bytes ${start}-${end - 1}/${bytes.length}`
    response.writeHead(from === undefined ? 200 : 206, headers)
    if (hub.breakAfter === undefined || hub.breakAfter.times-- <= 0 || end - start <= hub.breakAfter.bytes)
      return response.end(bytes.subarray(start, end))
    return response.write(bytes.subarray(start, start + hub.breakAfter.bytes), () => response.destroy())
  }

  const store = createServer((request, response): unknown => {
    note(request)
    const content = files[decodeURIComponent(request.url ?? '').slice(1)]
    if (content === undefined) return response.writeHead(404).end()
    return sendContent(request, response, content)
  })

  const answer = (request: IncomingMessage, response: ServerResponse): unknown => {
    note(request)
    const failure = hub.failures.shift()
    if (failure !== undefined) return response.writeHead(failure, { 'retry-after': '0' }).end()
    const path = decodeURIComponent((request.url ?? '').split('?')[0])
    const json = (value: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (path === `/api/models/${repo}/revision/main`) return json({ _id: '1', id: repo, sha: COMMIT })
    if (path === `/api/models/${repo}/tree/${COMMIT}`)
      return json(
        Object.entries(files).map(([name, bytes]) => ({
          type: 'file',
          path: name,
          size: bytes.length,
          oid: gitHash(bytes),
          ...(isLarge(name) ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
        })),
      )
    const name = path.startsWith(`/${repo}/resolve/${COMMIT}/`) ? path.slice(`/${repo}/resolve/${COMMIT}/`.length) : ''
    const content = files[name]
    if (content === undefined)
      return response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"x"}')
    if (isLarge(name)) return response.writeHead(302, { location: `${urlOf(store)}/${name}` }).end()
    return sendContent(request, response, content)
  }
  const api = createServer(answer)
  await Promise.all([listen(store), listen(api)])
  return Object.assign(hub, {
    endpoint: urlOf(api),
    async close() {
      await Promise.all([stop(store), stop(api)])
    },
  })
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
}

function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
