// Opens a built page in a headless Chromium and waits for what the page reports.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'

const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.css': 'text/css' }

/** A strict page: WebAssembly may be compiled and workers may come from blobs, text is never evaluated. */
const policy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; img-src data:; object-src 'none'"

/** @returns {string | undefined} a Chromium: the one that TARAZED_CHROMIUM names, else an installed one */
export function findChromium() {
  const candidates = [process.env.TARAZED_CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome']
  return candidates.find((path) => path !== undefined && existsSync(path))
}

/**
 * Serves `folder` on the loopback address, opens its index.html and resolves with the JSON that the page posts to
 * `/result`.
 *
 * @param {{ isolated: boolean, timeoutMs?: number }} options `isolated`: with the headers that allow shared memory
 */
export async function openPage(chromium, folder, { isolated, timeoutMs = 60_000 }) {
  const profile = mkdtempSync(join(tmpdir(), 'tarazed-chromium-'))
  const { promise, resolve, reject } = deferred()
  const server = createServer((request, response) => answer(request, response, { folder, isolated, report: resolve }))
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${server.address().port}/index.html`
  const browser = spawn(chromium, [...chromiumFlags, `--user-data-dir=${profile}`, url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let messages = ''
  browser.stderr.on('data', (chunk) => (messages = (messages + chunk).slice(-4000)))
  const closed = new Promise((done) => browser.on('close', done))
  browser.on('error', reject)
  closed.then((code) => reject(new Error(`${chromium} ended (exit ${code}):\n${messages}`)))
  const timer = setTimeout(
    () => reject(new Error(`the page reported nothing in ${timeoutMs} ms:\n${messages}`)),
    timeoutMs,
  )
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    browser.kill()
    await closed
    server.closeAllConnections()
    server.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

const chromiumFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--enable-logging=stderr',
]

function answer(request, response, { folder, isolated, report }) {
  if (request.method === 'POST' && request.url === '/result') {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      response.writeHead(204).end()
      report(JSON.parse(body))
    })
    return
  }
  const path = join(folder, normalize(new URL(request.url, 'http://page').pathname))
  if (!path.startsWith(folder) || !existsSync(path)) {
    response.writeHead(404).end()
    return
  }
  response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream')
  response.setHeader('content-security-policy', policy)
  if (isolated) {
    response.setHeader('cross-origin-opener-policy', 'same-origin')
    response.setHeader('cross-origin-embedder-policy', 'require-corp')
  }
  response.end(readFileSync(path))
}

function deferred() {
  let resolve
  let reject
  const promise = new Promise((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  promise.catch(() => {}) // the rejection is reported where the promise is awaited
  return { promise, resolve, reject }
}
