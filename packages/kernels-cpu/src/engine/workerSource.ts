/**
 * The program of a worker thread, as text: bundlers, tests and pages without a bundler all start it the same way.
 * It runs in Node (`worker_threads`) and in browsers, takes its settings from the first message, and then serves the
 * ring of commands in shared memory until it is told to close.
 */
import {
  CLOSE,
  FAILURE,
  MODULE,
  RING_BASE,
  RING_ENTRIES,
  RING_ENTRY_BYTES,
  RING_HEAD,
  RUN,
  RUNS_ENDED,
  WORKER_DONE,
  WORKER_STRIDE,
  HEADER,
} from './layout.js'

/** First message to a worker. */
export interface WorkerSetup {
  readonly memory: WebAssembly.Memory
  readonly driver: Uint8Array
  readonly routines: Uint8Array
  readonly worker: number
}

const SERVE = `
function serve(setup, post) {
  const { memory, worker } = setup
  const control = new Int32Array(memory.buffer, 0, ${(RING_BASE + RING_ENTRIES * RING_ENTRY_BYTES) / 4})
  const routines = new WebAssembly.Module(setup.routines)
  const names = WebAssembly.Module.exports(routines).filter((entry) => entry.kind === 'function').map((entry) => entry.name)
  const table = new WebAssembly.Table({ initial: names.length, element: 'anyfunc' })
  const env = { memory, table, now: () => performance.now() }
  const library = new WebAssembly.Instance(routines, { env }).exports
  names.forEach((name, index) => table.set(index, library[name]))
  const drive = new WebAssembly.Instance(new WebAssembly.Module(setup.driver), { env }).exports.run
  const addKernels = (address, bytes, size) => {
    if (table.length < size) table.grow(size - table.length)
    const code = new Uint8Array(memory.buffer).slice(address, address + bytes)
    new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(code)), { env })
  }
  const run = (at) => {
    const [, header, bindings, words, parallel, number] = control.subarray(at, at + 6)
    if (worker === 0) {
      const all = new Int32Array(memory.buffer)
      const from = bindings >>> 2
      all.copyWithin((header >>> 2) + ${HEADER.arena / 4}, from, from + words)
    }
    if (worker === 0 || parallel !== 0) drive(header, worker, 0)
    if (worker !== 0) return
    Atomics.store(control, ${RUNS_ENDED / 4}, number)
    post({ ended: number })
  }
  let done = 0
  const doneAt = ${WORKER_DONE / 4} + worker * ${WORKER_STRIDE / 4}
  const awaitCommand = () => {
    for (let spins = 0; spins < 2000; spins++) if (Atomics.load(control, ${RING_HEAD / 4}) !== done) return
    while (Atomics.load(control, ${RING_HEAD / 4}) === done) Atomics.wait(control, ${RING_HEAD / 4}, done)
  }
  post({ ready: worker })
  for (;;) {
    awaitCommand()
    const at = ${RING_BASE / 4} + (done % ${RING_ENTRIES}) * ${RING_ENTRY_BYTES / 4}
    const kind = control[at]
    try {
      if (kind === ${RUN}) run(at)
      else if (kind === ${MODULE}) addKernels(control[at + 1] >>> 0, control[at + 2], control[at + 3])
    } catch (error) {
      Atomics.store(control, ${FAILURE / 4}, 1)
      post({ failure: String(error && error.stack || error) })
      return
    }
    done++
    Atomics.store(control, doneAt, done)
    if (kind === ${CLOSE}) return
  }
}
`

/** For \`new Worker(source, { eval: true })\` of Node. */
export const NODE_WORKER_SOURCE = `${SERVE}
const { parentPort } = require('node:worker_threads')
parentPort.once('message', (setup) => {
  serve(setup, (message) => parentPort.postMessage(message))
  parentPort.close()
})
`

/** For a Blob URL in a browser. */
export const BROWSER_WORKER_SOURCE = `${SERVE}
self.onmessage = (event) => {
  self.onmessage = null
  serve(event.data, (message) => self.postMessage(message))
  self.close()
}
`
