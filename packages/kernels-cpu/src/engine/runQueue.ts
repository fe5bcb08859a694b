/** The order of things: runs and host copies happen one after the other, in the order of the calls. */
import { DisposedError } from '@tarazed/tensor'
import { MODULE, RUN } from './layout.js'
import type { TableBlock, TableMemory } from './tableMemory.js'
import type { WorkerPool } from './workerPool.js'

/** A run for the workers. */
export interface RunCommand {
  readonly header: number
  /** What the header's words from `arena` on become. */
  readonly words: Int32Array
  readonly parallel: boolean
}

interface Waiting {
  readonly run?: RunCommand
  readonly host?: () => void
  readonly number: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export interface QueueOptions {
  readonly tables: () => TableMemory
  readonly memoryWords: () => Int32Array
  readonly memoryBytes: () => Uint8Array
  readonly openPool: () => Promise<WorkerPool>
}

export class RunQueue {
  /** Number of the last operation that was called for. */
  enqueued = 0
  /** Number of the last operation that has ended. */
  ended = 0
  failure?: Error
  pool?: WorkerPool
  #opening?: Promise<void>
  /** Kernels that the workers do not have yet, and memory that holds the bytes of those on their way. */
  readonly #modules: { readonly bytes: Uint8Array; readonly tableSize: number }[] = []
  readonly #sent: { readonly block: TableBlock; readonly command: number }[] = []
  readonly #waiting: Waiting[] = []
  readonly #running: { readonly waiting: Waiting; readonly block: TableBlock }[] = []

  constructor(readonly options: QueueOptions) {}

  get idle(): boolean {
    return this.ended === this.enqueued
  }

  run(command: RunCommand): Promise<void> {
    return this.#add({ run: command })
  }

  /** Kernels for the workers: those that run already get them now, others when they start. */
  addModule(bytes: Uint8Array, tableSize: number): void {
    this.#modules.push({ bytes, tableSize })
    this.#sendModules()
  }

  /** Runs an action once everything before it has ended; nothing after it starts earlier. */
  async host<T>(action: () => T): Promise<T> {
    if (this.idle) return action()
    let result: T | undefined
    await this.#add({ host: () => (result = action()) })
    return result as T
  }

  /** An operation that the caller has carried out itself, while the queue was idle. */
  countDone(): void {
    this.enqueued++
    this.ended++
  }

  onEnded(run: number): void {
    while (this.#running.length > 0 && this.#running[0].waiting.number <= run) {
      const { waiting, block } = this.#running.shift()! // there is one
      this.ended = waiting.number
      this.options.tables().retire(block, waiting.number)
      waiting.resolve()
    }
    this.#pump()
    if (this.#running.length === 0) this.pool?.hold(false)
  }

  /** Ends everything with an error: nothing that waits can be carried out any more. */
  fail(error: Error): void {
    this.failure ??= error
    for (const { waiting } of this.#running.splice(0)) waiting.reject(error)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
    this.ended = this.enqueued
    this.pool?.hold(false)
  }

  async close(): Promise<void> {
    await this.host(() => {}).catch(() => {})
    this.fail(new DisposedError('backend: it was closed; open a new one'))
    await this.#opening
    await this.pool?.close()
  }

  #add(what: { run?: RunCommand; host?: () => void }): Promise<void> {
    if (this.failure) return Promise.reject(this.failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...what, number: ++this.enqueued, resolve, reject })
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]
      if (!(next.run ? this.#start(next, next.run) : this.#carryOut(next))) return
      this.#waiting.shift()
    }
  }

  #carryOut(waiting: Waiting): boolean {
    if (this.#running.length > 0) return false
    try {
      waiting.host?.()
      waiting.resolve()
    } catch (error) {
      waiting.reject(error as Error)
    }
    this.ended = waiting.number
    return true
  }

  #start(waiting: Waiting, command: RunCommand): boolean {
    if (!this.pool) {
      this.#openPool()
      return false
    }
    if (!this.#sendModules()) return false
    if (!this.pool.hasRoom) return this.#retrySoon()
    const block = this.options.tables().tryAllocate(4 * command.words.length) ?? this.#addSlab(command)
    if (!block) return false
    this.options.memoryWords().set(command.words, block.address >> 2)
    if (this.#running.length === 0) this.pool.hold(true)
    this.#running.push({ waiting, block })
    const { header, words, parallel } = command
    this.pool.post(RUN, header, block.address, words.length, parallel ? 1 : 0, waiting.number)
    return true
  }

  /** With runs under way, their end makes room or comes back here by itself. */
  #addSlab(command: RunCommand): TableBlock | undefined {
    if (this.#running.length > 0) return undefined
    const bytes = 4 * command.words.length
    this.options.tables().addSlab(bytes)
    return this.options.tables().tryAllocate(bytes)
  }

  /** Puts new modules into the ring; false while there is no room for them. */
  #sendModules(): boolean {
    const { pool } = this
    if (!pool) return this.#modules.length === 0
    this.#reclaimSent(pool)
    while (this.#modules.length > 0) {
      if (!pool.hasRoom) return this.#retrySoon()
      const { bytes, tableSize } = this.#modules[0]
      const block = this.options.tables().tryAllocate(bytes.length)
      if (!block) return this.#addModuleRoom(bytes.length)
      this.options.memoryBytes().set(bytes, block.address)
      const command = pool.post(MODULE, block.address, bytes.length, tableSize)
      this.#sent.push({ block, command })
      this.#modules.shift()
    }
    return true
  }

  /** The ring is full; where no run will end and come back here, a timer does. */
  #retrySoon(): false {
    if (this.#running.length === 0) setTimeout(() => this.#pump(), 1)
    return false
  }

  /** Frees the bytes of modules that every worker has copied. */
  #reclaimSent(pool: WorkerPool): void {
    if (this.#sent.length === 0) return
    const finished = pool.finished()
    while (this.#sent.length > 0 && this.#sent[0].command <= finished) {
      this.options.tables().retire(this.#sent.shift()!.block, 0) // there is one
    }
  }

  #addModuleRoom(bytes: number): boolean {
    if (this.#running.length > 0) return false
    this.options.tables().addSlab(bytes)
    return this.#sendModules()
  }

  /** Starts the workers without waiting for them: they take some tens of milliseconds, the first program comes later. */
  warm(): void {
    this.#openPool()
  }

  #openPool(): void {
    this.#opening ??= this.options.openPool().then(
      (pool) => {
        this.pool = pool
        this.#pump()
      },
      (error: Error) => this.fail(error),
    )
  }
}
