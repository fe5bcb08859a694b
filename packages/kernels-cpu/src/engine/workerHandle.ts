/** Node's and the browser's worker threads behind one small interface. */
import { BackendUnavailableError } from '@tarazed/tensor'
import { isNode } from './features.js'
import { BROWSER_WORKER_SOURCE, NODE_WORKER_SOURCE, type WorkerSetup } from './workerSource.js'

export type WorkerMessage = { readonly ready: number } | { readonly ended: number } | { readonly failure: string }

export interface WorkerHandle {
  start(setup: WorkerSetup): void
  /** Keeps the process alive, or not, while the worker lives. */
  hold(held: boolean): void
  terminate(): Promise<void>
}

export function openWorker(onMessage: (message: WorkerMessage) => void): WorkerHandle {
  return isNode() ? openNodeWorker(onMessage) : openBrowserWorker(onMessage)
}

function openNodeWorker(onMessage: (message: WorkerMessage) => void): WorkerHandle {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // Options of this process (loaders, inspectors) are not for the worker: it imports nothing.
  const worker = new Worker(NODE_WORKER_SOURCE, { eval: true, execArgv: [], env: {} })
  worker.on('message', onMessage)
  worker.on('error', (error) => onMessage({ failure: String(error.stack ?? error) }))
  return {
    start: (setup) => worker.postMessage(setup),
    hold: (held) => (held ? worker.ref() : worker.unref()),
    terminate: async () => void (await worker.terminate()),
  }
}

function openBrowserWorker(onMessage: (message: WorkerMessage) => void): WorkerHandle {
  if (typeof Worker === 'undefined') {
    throw new BackendUnavailableError(
      'openCpu: this page has no Worker; use a browser of 2023 or later, or pass { threads: 0 }',
    )
  }
  const url = URL.createObjectURL(new Blob([BROWSER_WORKER_SOURCE], { type: 'text/javascript' }))
  const worker = new Worker(url)
  worker.onmessage = (event: MessageEvent<WorkerMessage>) => onMessage(event.data)
  worker.onerror = (event) => {
    const hint = 'a Content-Security-Policy must allow worker-src blob:'
    onMessage({ failure: `${event.message || 'the worker could not start'} (${hint})` })
  }
  return {
    start: (setup) => worker.postMessage(setup),
    hold: () => {},
    terminate: async () => {
      worker.terminate()
      URL.revokeObjectURL(url)
    },
  }
}
