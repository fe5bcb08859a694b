import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { blobSource, CheckpointError, encodeSafetensors, httpFolder, httpSource, openCheckpoint } from '../src/index.js'
import { randomBytes } from './random.js'

const content = randomBytes(50_000)
const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends the range that was asked for. */
function sendRange(bytes: Uint8Array, request: IncomingMessage, response: ServerResponse, etag = '"1"'): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  if (from === undefined) return void response.writeHead(200, { etag }).end(bytes)
  const end = Math.min(Number(to) + 1, bytes.length)
  const range = `bytes ${from}-${end - 1}/${bytes.length}`
  response.writeHead(206, { 'content-range': range, etag }).end(bytes.subarray(Number(from), end))
}

async function refusal(run: Promise<unknown>): Promise<CheckpointError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CheckpointError)
  return error as CheckpointError
}

describe('a file behind an address', () => {
  it('is read by range, with the headers that were given', async () => {
    const asked: string[] = []
    const url = await serve((request, response) => {
      asked.push(`${request.headers.range} ${request.headers['x-key']}`)
      sendRange(content, request, response)
    })
    const source = await httpSource(url, { headers: { 'x-key': 'k' } })
    expect(source.size).toBe(content.length)
    expect(await source.read(1000, 2000)).toEqual(content.slice(1000, 3000))
    expect(await source.read(10, 0)).toEqual(new Uint8Array(0))
    expect(asked).toEqual(['bytes=0-0 k', 'bytes=1000-2999 k'])
    expect((await refusal(source.read(content.length - 1, 2))).rule).toContain('within')
  })

  it('is read on where a connection broke, and again when the server was busy', async () => {
    let requests = 0
    const url = await serve((request, response) => {
      requests++
      if (requests === 2) return response.writeHead(503, { 'retry-after': '0' }).end()
      if (requests !== 3) return sendRange(content, request, response)
      response.writeHead(206, {
        'content-range': `bytes 0-39999/${content.length}`,
        etag: '"1"',
        'content-length': '40000',
      })
      return response.write(content.subarray(0, 15_000), () => response.destroy())
    })
    const source = await httpSource(url)
    expect(Buffer.compare(await source.read(0, 40_000), content.subarray(0, 40_000))).toBe(0)
    expect(requests).toBe(4)
  })

  it('that changes while it is read is an error', async () => {
    let version = 0
    const url = await serve((request, response) => sendRange(content, request, response, `"${version++}"`))
    const source = await httpSource(url)
    expect((await refusal(source.read(0, 10))).rule).toContain('stay the same')
  })

  it('is read whole from a server without ranges when it is small', async () => {
    const url = await serve((_, response) => response.end(content))
    const source = await httpSource(url)
    expect(await source.read(5, 10)).toEqual(content.slice(5, 15))
    expect((await refusal(httpSource(url, { maxWholeBytes: 100 }))).message).toMatch(/without ranges.*maxWholeBytes/)
  })

  it('that is missing, forbidden or unreachable says what to do', async () => {
    const url = await serve((request, response) => response.writeHead(request.url === '/a' ? 404 : 403).end())
    expect((await refusal(httpSource(`${url}/a`))).message).toMatch(/HTTP 404.*check the name/)
    expect((await refusal(httpSource(`${url}/b`))).message).toMatch(/HTTP 403.*token/)
    const gone = await serve(() => undefined)
    await new Promise((resolve) => servers.pop()?.close(resolve))
    expect((await refusal(httpSource(gone, { tries: 1 }))).message).toMatch(/ECONNREFUSED.*proxy/)
    await expect(httpSource(url, { header: {} } as object)).rejects.toThrow(/unknown option "header"/)
  })

  it('stops when it is aborted', async () => {
    const url = await serve(() => undefined)
    const abort = new AbortController()
    const opened = httpSource(url, { signal: abort.signal })
    abort.abort(new Error('enough'))
    await expect(opened).rejects.toThrow('enough')
  })
})

it('a folder behind an address opens like any other, with or without a list of files', async () => {
  const weights = await encodeSafetensors([
    { name: 'w', dtype: 'U8', shape: [4], bytes: () => Uint8Array.of(1, 2, 3, 4) },
  ])
  const files: Record<string, Uint8Array> = {
    '/m/model.safetensors': weights,
    '/m/config.json': new TextEncoder().encode('{}'),
  }
  const url = await serve((request, response) => {
    const bytes = files[request.url ?? '']
    if (bytes === undefined) return response.writeHead(404).end()
    return sendRange(bytes, request, response)
  })
  for (const options of [{}, { files: ['model.safetensors', 'config.json'] }]) {
    const folder = httpFolder(`${url}/m/`, options)
    expect(await folder.list()).toEqual(['config.json', 'model.safetensors'])
    expect(await (await openCheckpoint(folder)).read('w')).toEqual(Uint8Array.of(1, 2, 3, 4))
    expect(await folder.readText('config.json')).toBe('{}')
    expect(await folder.readText('tokenizer.json')).toBeUndefined()
  }
})

it('a Blob is read by range', async () => {
  const source = blobSource('chosen', new Blob([content as Uint8Array<ArrayBuffer>]))
  expect(await source.read(100, 5)).toEqual(content.slice(100, 105))
  expect((await refusal(source.read(0, content.length + 1))).file).toBe('chosen')
  expect(() => blobSource('x', 'text' as never)).toThrow(/must be a Blob/)
})
