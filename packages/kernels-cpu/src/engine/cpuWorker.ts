/** The worker of a page without shared memory. Bundlers find it by the `new URL` in `browserPort.ts`. */
import { EngineServer } from './engineServer.js'
import type { Command } from './messages.js'

/** As much of a worker's global scope as is used; TypeScript's own types of it exclude those of pages. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Command>) => void) | null
  postMessage(message: unknown, transfer: ArrayBuffer[]): void
}

const scope = globalThis as unknown as WorkerScope
const server = new EngineServer((reply, transfer) => scope.postMessage(reply, transfer))
scope.onmessage = (event) => server.accept(event.data)
