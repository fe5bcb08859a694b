/** The worker's side: an engine that carries out the commands of a page, one after the other. */
import { InternalError, type DeviceBuffer, type Executable, type RunBindings } from '@tarazed/tensor'
import { CpuEngine } from './cpuEngine.js'
import type { Command, EngineBooks, Opened, Order, Reply, Request } from './messages.js'
import { toPlainError } from './plainError.js'

type OpenRequest = Extract<Request, { kind: 'open' }>
type RunRequest = Extract<Request, { kind: 'run' | 'profile' }>

export class EngineServer {
  #engine?: CpuEngine
  /** A buffer for which there was no room is the error that everything with it gets. */
  readonly #buffers = new Map<number, DeviceBuffer | Error>()
  readonly #executables = new Map<number, Executable>()
  #bufferBytes = 0
  #last: Promise<void> = Promise.resolve()

  constructor(readonly post: (reply: Reply, transfer: ArrayBuffer[]) => void) {}

  /** Carries a command out after those before it, and replies. */
  accept(command: Command): void {
    this.#last = this.#last.then(() => this.#answer(command))
  }

  async #answer({ number, orders, request }: Command): Promise<void> {
    try {
      for (const order of orders) this.#obey(order)
      const value = await this.#serve(request)
      const transfer = value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : []
      this.post({ number, value, books: this.#books() }, transfer)
    } catch (error) {
      this.post({ number, error: toPlainError(error), books: this.#books() }, [])
    }
  }

  #obey(order: Order): void {
    switch (order.kind) {
      case 'allocate':
        return this.#allocate(order.buffer, order.bytes)
      case 'free':
        return this.#free(order.buffer)
      case 'unload': {
        const executable = this.#executables.get(order.executable)
        if (executable) this.#opened().unload(executable)
        this.#executables.delete(order.executable)
        return
      }
      default:
        order satisfies never
    }
  }

  #allocate(number: number, bytes: number): void {
    try {
      this.#buffers.set(number, this.#opened().allocate(bytes))
      this.#bufferBytes += bytes
    } catch (error) {
      this.#buffers.set(number, error as Error)
    }
  }

  #free(number: number): void {
    const buffer = this.#buffers.get(number)
    this.#buffers.delete(number)
    if (buffer === undefined || buffer instanceof Error) return
    this.#opened().free(buffer)
    this.#bufferBytes -= buffer.bytes
  }

  async #serve(request: Request): Promise<unknown> {
    switch (request.kind) {
      case 'open':
        return this.#open(request)
      case 'write':
        return this.#opened().write(this.#buffer(request.buffer), request.bytes, request.byteOffset)
      case 'read':
        return this.#opened().read(this.#buffer(request.buffer), request.byteOffset, request.byteLength)
      case 'load': {
        this.#executables.set(request.executable, await this.#opened().load(request.program))
        return undefined
      }
      case 'run':
        return this.#opened().run(this.#executable(request.executable), this.#bindings(request))
      case 'profile':
        return this.#opened().profile(this.#executable(request.executable), this.#bindings(request))
      case 'sync':
        return this.#opened().sync()
      case 'close':
        return this.#opened().close()
      default:
        return request satisfies never
    }
  }

  #open({ relaxed, limitBytes, routines }: OpenRequest): Opened {
    this.#engine = new CpuEngine({ threads: 0, shared: false, relaxed, limitBytes, routines })
    return { capabilities: this.#engine.capabilities }
  }

  #opened(): CpuEngine {
    if (!this.#engine) throw new InternalError('engineServer: a command came before the engine was opened')
    return this.#engine
  }

  #buffer(number: number): DeviceBuffer {
    const buffer = this.#buffers.get(number)
    if (buffer === undefined) throw new InternalError(`engineServer: there is no buffer ${number}`)
    if (buffer instanceof Error) throw buffer
    return buffer
  }

  #executable(number: number): Executable {
    const executable = this.#executables.get(number)
    if (executable === undefined) throw new InternalError(`engineServer: there is no executable ${number}`)
    return executable
  }

  #bindings({ inputs, outputs, params }: RunRequest): RunBindings {
    return {
      inputs: inputs.map((number) => this.#buffer(number)),
      outputs: outputs.map((number) => this.#buffer(number)),
      params,
    }
  }

  #books(): EngineBooks | undefined {
    if (!this.#engine) return undefined
    const { counters } = this.#engine
    return { counters: { ...counters }, ownBytes: counters.liveBytes - this.#bufferBytes }
  }
}
