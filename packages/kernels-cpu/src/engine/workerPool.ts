/** Worker threads that execute the ring of commands in shared memory, all of them in the same order. */
import { InternalError } from '@tarazed/tensor'
import { CLOSE, RING_BASE, RING_ENTRIES, RING_ENTRY_BYTES, RING_HEAD, WORKER_DONE, WORKER_STRIDE } from './layout.js'
import { openWorker, type WorkerHandle, type WorkerMessage } from './workerHandle.js'

export interface PoolOptions {
  readonly memory: WebAssembly.Memory
  readonly driver: Uint8Array
  readonly routines: Uint8Array
  readonly threads: number
  /** Runs up to this number have ended. */
  readonly onEnded: (run: number) => void
  readonly onFailure: (error: Error) => void
}

export class WorkerPool {
  readonly #control: Int32Array
  readonly #workers: readonly WorkerHandle[]
  #head = 0

  private constructor(
    readonly options: PoolOptions,
    workers: readonly WorkerHandle[],
  ) {
    this.#workers = workers
    this.#control = new Int32Array(options.memory.buffer, 0, (RING_BASE + RING_ENTRIES * RING_ENTRY_BYTES) / 4)
  }

  /** Starts the workers and waits until each has compiled driver and routines. */
  static async open(options: PoolOptions): Promise<WorkerPool> {
    let ready = 0
    let allReady = () => {}
    let failed: (error: Error) => void = () => {}
    const started = new Promise<void>((resolve, reject) => {
      allReady = resolve
      failed = reject
    })
    const onMessage = (message: WorkerMessage) => {
      if ('ended' in message) options.onEnded(message.ended)
      else if ('ready' in message) {
        if (++ready === options.threads) allReady()
      } else {
        const error = new InternalError(`kernels-cpu: a worker stopped: ${message.failure}`)
        failed(error)
        options.onFailure(error)
      }
    }
    const workers: WorkerHandle[] = []
    for (let worker = 0; worker < options.threads; worker++) workers.push(openWorker(onMessage))
    const { memory, driver, routines } = options
    workers.forEach((handle, worker) => handle.start({ memory, driver, routines, worker }))
    await started
    const pool = new WorkerPool(options, workers)
    pool.hold(false)
    return pool
  }

  /** Whether the process stays alive for the workers' sake. */
  hold(held: boolean): void {
    for (const worker of this.#workers) worker.hold(held)
  }

  /** Room for one more command. */
  get hasRoom(): boolean {
    return this.#head - this.finished() < RING_ENTRIES - 1
  }

  /** Commands that every worker has finished. */
  finished(): number {
    let least = this.#head
    for (let worker = 0; worker < this.options.threads; worker++) {
      least = Math.min(least, Atomics.load(this.#control, (WORKER_DONE + worker * WORKER_STRIDE) / 4))
    }
    return least
  }

  /** Returns the number of the command, to compare with `finished`. */
  post(kind: number, ...args: readonly number[]): number {
    const at = (RING_BASE + (this.#head % RING_ENTRIES) * RING_ENTRY_BYTES) / 4
    this.#control[at] = kind
    args.forEach((value, k) => (this.#control[at + 1 + k] = value | 0))
    this.#head++
    Atomics.store(this.#control, RING_HEAD / 4, this.#head)
    Atomics.notify(this.#control, RING_HEAD / 4)
    return this.#head
  }

  /** Lets the workers end what they do, then ends them. */
  async close(): Promise<void> {
    if (this.hasRoom) this.post(CLOSE)
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
