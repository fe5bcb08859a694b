/** Requests that are tried again when the network or the server fails for a moment. */
import { CheckpointError } from '../errors.js'

/** What callers may choose about requests. */
export interface HttpOptions {
  /** Default `globalThis.fetch`: for proxies, tests, other transports. */
  readonly fetch?: typeof fetch
  readonly headers?: Readonly<Record<string, string>>
  /** Tries of one request before it fails, default 4. */
  readonly tries?: number
  readonly signal?: AbortSignal
}

const FIRST_WAIT_MS = 300
const MOST_WAIT_MS = 10_000

/** Statuses that may be gone the next time. */
function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

/**
 * One answer of the server, whatever its status unless that may pass.
 * @throws CheckpointError when the network fails or the server is busy on every try
 */
export async function request(url: string, init: RequestInit, options: HttpOptions): Promise<Response> {
  const { tries = 4, signal } = options
  for (let attempt = 1; ; attempt++) {
    const answer = await attemptOnce(url, init, options)
    const isLast = attempt >= tries
    if (answer instanceof Response && (isLast || !isPassing(answer.status))) return answer
    if (!(answer instanceof Response) && isLast) throw unreachable(url, answer.cause)
    const wait = Math.min(MOST_WAIT_MS, waitAsked(answer) ?? FIRST_WAIT_MS * 2 ** (attempt - 1))
    if (answer instanceof Response) await answer.body?.cancel()
    await pause(wait, signal)
  }
}

async function attemptOnce(
  url: string,
  init: RequestInit,
  options: HttpOptions,
): Promise<Response | { cause: unknown }> {
  const { fetch: send = globalThis.fetch, headers, signal } = options
  try {
    return await send(url, { ...init, headers: { ...headers, ...(init.headers as Record<string, string>) }, signal })
  } catch (cause) {
    signal?.throwIfAborted()
    return { cause }
  }
}

/** `Retry-After` in seconds; its form as a date is not worth the code. */
function waitAsked(answer: Response | { cause: unknown }): number | undefined {
  const seconds = answer instanceof Response ? Number(answer.headers.get('retry-after') ?? NaN) : NaN
  return Number.isFinite(seconds) ? seconds * 1000 : undefined
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason as Error)
      },
      { once: true },
    )
  })
}

function unreachable(url: string, cause: unknown): CheckpointError {
  const inner = (cause as { cause?: { code?: string; message?: string } }).cause
  return new CheckpointError({
    file: url,
    rule: 'the server must be reachable',
    got: inner?.code ?? inner?.message ?? String(cause),
    wayOut: 'check the address, the network and the proxy',
    cause,
  })
}

/** The error for an answer that is not the file. */
export function refused(url: string, response: Response): CheckpointError {
  const { status, statusText } = response
  return new CheckpointError({
    file: url,
    rule: 'the server must give the file',
    got: `HTTP ${status} ${statusText}`.trim(),
    wayOut: WAYS_OUT[status] ?? 'check the address',
  })
}

const WAYS_OUT: Readonly<Record<number, string>> = {
  401: 'give a token that may read it',
  403: 'give a token that may read it, and accept the terms of the model on its page',
  404: 'check the name of the file and of what holds it',
  429: 'the server asks to slow down: try again later',
}
