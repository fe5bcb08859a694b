/** The page's side of an engine that lives in a worker: nothing here computes or waits, everything is a message. */
import {
  ArgumentError,
  DisposedError,
  InternalError,
  type BackendCapabilities,
  type BackendCounters,
  type DeviceBuffer,
  type Executable,
  type Program,
  type RunBindings,
  type StepProfile,
} from '@tarazed/tensor'
import { checkRange } from './checkRange.js'
import type { CpuBackend } from './cpuBackend.js'
import { outOfMemory, SLACK } from './deviceMemory.js'
import { Heap } from './heap.js'
import { HEAP_BASE } from './layout.js'
import type { EngineBooks, EnginePort, Opened, Order, Reply, Request } from './messages.js'
import { fromPlainError } from './plainError.js'
import { workerUnavailable } from './workerUnavailable.js'

export interface WorkerBackendOptions {
  readonly relaxed: boolean
  readonly limitBytes: number
  readonly routines: Uint8Array
  readonly warning?: string
}

class WorkerBuffer implements DeviceBuffer {
  freed = false
  constructor(
    readonly owner: WorkerBackend,
    readonly number: number,
    readonly bytes: number,
  ) {}
}

class WorkerExecutable implements Executable {
  loaded = true
  constructor(
    readonly owner: WorkerBackend,
    readonly number: number,
    readonly program: Program,
  ) {}
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class WorkerBackend implements CpuBackend {
  readonly name = 'cpu'
  readonly threads = 1
  readonly relaxedSimd: boolean
  readonly warning?: string
  readonly counters: BackendCounters = noCounts()

  readonly #port: EnginePort
  readonly #limitBytes: number
  #capabilities?: BackendCapabilities
  #closed = false
  #closing?: Promise<void>
  #failure?: Error
  #lastNumber = 0
  /** Requests under way, by number. */
  readonly #waiting = new Map<number, Waiting>()
  /** Orders since the last request. */
  #orders: Order[] = []
  /** The worker's counters as of its last reply. */
  #known: BackendCounters = noCounts()
  #bufferBytes = 0
  /** The same as the heap counts them, rounded up to its alignment. */
  #heapBytes = 0
  /** Tables, arena and scratch of the engine. */
  #ownBytes = 0

  private constructor(port: EnginePort, { relaxed, limitBytes, warning }: WorkerBackendOptions) {
    this.#port = port
    this.#limitBytes = limitBytes
    this.relaxedSimd = relaxed
    this.warning = warning
    port.listen(
      (reply) => this.#onReply(reply),
      (reason) => this.#fail(this.#stopped(reason)),
    )
  }

  /** Opens an engine behind a port. When that fails the worker is ended and the error is the one of the worker. */
  static async open(port: EnginePort, options: WorkerBackendOptions): Promise<WorkerBackend> {
    const backend = new WorkerBackend(port, options)
    const { relaxed, limitBytes, routines } = options
    try {
      const { capabilities } = await backend.#ask<Opened>({ kind: 'open', relaxed, limitBytes, routines })
      backend.#capabilities = capabilities
      return backend
    } catch (error) {
      await port.terminate()
      throw error
    }
  }

  get capabilities(): BackendCapabilities {
    return this.#capabilities! // `open` hands the backend out only once they are known
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Room is reckoned here, at once. What the reckoning cannot know (gaps between buffers, a browser that gives less
   * memory than the limit) fails later: everything that uses the buffer rejects with the worker's `AllocationError`.
   */
  allocate(bytes: number): DeviceBuffer {
    this.#checkOpen('allocate')
    const size = Heap.sizeOf(bytes)
    if (HEAP_BASE + this.#heapBytes + this.#ownBytes + size + SLACK > this.#limitBytes) {
      throw outOfMemory('a buffer', bytes, this.counters.liveBytes, this.#limitBytes)
    }
    const buffer = new WorkerBuffer(this, ++this.#lastNumber, bytes)
    this.#orders.push({ kind: 'allocate', buffer: buffer.number, bytes })
    this.counters.buffersAllocated++
    this.#count(bytes, size)
    return buffer
  }

  free(buffer: DeviceBuffer): void {
    if (this.#closed) return
    const own = this.#own(buffer, 'free')
    own.freed = true
    this.#orders.push({ kind: 'free', buffer: own.number })
    this.#count(-own.bytes, -Heap.sizeOf(own.bytes))
  }

  async write(buffer: DeviceBuffer, bytes: Uint8Array, byteOffset = 0): Promise<void> {
    this.#checkOpen('write')
    const own = this.#own(buffer, 'write')
    checkRange('write', own, byteOffset, bytes.byteLength)
    // The caller keeps its bytes; the copy is given away.
    const copy = new Uint8Array(bytes)
    await this.#ask({ kind: 'write', buffer: own.number, bytes: copy, byteOffset }, [copy.buffer])
  }

  async read(buffer: DeviceBuffer, byteOffset = 0, byteLength = buffer.bytes - byteOffset): Promise<Uint8Array> {
    this.#checkOpen('read')
    const own = this.#own(buffer, 'read')
    checkRange('read', own, byteOffset, byteLength)
    return this.#ask({ kind: 'read', buffer: own.number, byteOffset, byteLength })
  }

  async load(program: Program): Promise<Executable> {
    this.#checkOpen('load')
    const executable = new WorkerExecutable(this, ++this.#lastNumber, program)
    await this.#ask({ kind: 'load', executable: executable.number, program })
    return executable
  }

  unload(executable: Executable): void {
    const own = executable as WorkerExecutable
    if (!own.loaded || this.#closed) return
    own.loaded = false
    this.#orders.push({ kind: 'unload', executable: own.number })
  }

  async run(executable: Executable, bindings: RunBindings): Promise<void> {
    await this.#ask(this.#runRequest('run', executable, bindings))
  }

  async profile(executable: Executable, bindings: RunBindings): Promise<StepProfile[]> {
    return this.#ask(this.#runRequest('profile', executable, bindings))
  }

  async sync(): Promise<void> {
    await this.#ask({ kind: 'sync' })
  }

  /** What was asked for before still ends. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#closed = true
    await this.#ask({ kind: 'close' }).catch(() => {}) // a worker that has stopped is closed too
    this.#fail(new DisposedError('backend: it was closed; open a new one'))
    await this.#port.terminate()
  }

  #runRequest(kind: 'run' | 'profile', executable: Executable, bindings: RunBindings): Request {
    this.#checkOpen('run')
    const own = executable as WorkerExecutable
    if (!(own instanceof WorkerExecutable) || own.owner !== this) {
      throw new ArgumentError('run: the executable belongs to another backend; load its program here')
    }
    if (!own.loaded) throw new InternalError('run: the executable was unloaded')
    return {
      kind,
      executable: own.number,
      inputs: bindings.inputs.map((buffer) => this.#own(buffer, 'run').number),
      outputs: bindings.outputs.map((buffer) => this.#own(buffer, 'run').number),
      params: bindings.params,
    }
  }

  #checkOpen(what: string): void {
    if (this.#closed) throw new DisposedError(`${what}: the CPU backend was closed; open a new one with openCpu()`)
    if (this.#failure) throw this.#failure
  }

  #own(buffer: DeviceBuffer, what: string): WorkerBuffer {
    if (!(buffer instanceof WorkerBuffer) || buffer.owner !== this) {
      throw new ArgumentError(`${what}: the buffer belongs to another backend; copy it with read and write`)
    }
    if (buffer.freed) throw new InternalError(`${what}: the buffer was freed before`)
    return buffer
  }

  /** Sends the orders so far and a request; resolves with its value. */
  #ask<T>(request: Request, transfer: ArrayBuffer[] = []): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      const number = ++this.#lastNumber
      // Throws, and so rejects, when the request cannot be cloned; the orders then wait for the next one.
      this.#port.post({ number, orders: this.#orders, request }, transfer)
      this.#orders = []
      if (this.#waiting.size === 0) this.#port.hold(true)
      this.#waiting.set(number, { resolve: resolve as Waiting['resolve'], reject })
    })
  }

  #onReply(reply: Reply): void {
    const waiting = this.#waiting.get(reply.number)
    this.#waiting.delete(reply.number)
    if (this.#waiting.size === 0) this.#port.hold(false)
    if (reply.books) this.#mirror(reply.books)
    if ('error' in reply) waiting?.reject(fromPlainError(reply.error))
    else waiting?.resolve(reply.value)
  }

  /** Differences are added, since a caller may have reset the counters meanwhile. */
  #mirror({ counters, ownBytes }: EngineBooks): void {
    for (const name of ['programsLoaded', 'programsRun', 'stepsRun', 'kernelsCompiled'] as const) {
      this.counters[name] += counters[name] - this.#known[name]
    }
    this.#ownBytes = ownBytes
    if (counters.peakBytes > this.#known.peakBytes) this.#raisePeak(counters.peakBytes)
    this.#known = counters
    this.#count(0, 0)
  }

  #count(bytes: number, heapBytes: number): void {
    this.#bufferBytes += bytes
    this.#heapBytes += heapBytes
    this.counters.liveBytes = this.#bufferBytes + this.#ownBytes
    this.#raisePeak(this.counters.liveBytes)
  }

  #raisePeak(bytes: number): void {
    this.counters.peakBytes = Math.max(this.counters.peakBytes, bytes)
  }

  #stopped(reason: string): Error {
    if (!this.#capabilities) return workerUnavailable(reason)
    return new InternalError(`kernels-cpu: the engine's worker stopped: ${reason}`)
  }

  /** Ends everything with an error: no reply will come any more. */
  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.#port.hold(false)
  }
}

function noCounts(): BackendCounters {
  return {
    programsLoaded: 0,
    programsRun: 0,
    stepsRun: 0,
    kernelsCompiled: 0,
    buffersAllocated: 0,
    liveBytes: 0,
    peakBytes: 0,
  }
}
