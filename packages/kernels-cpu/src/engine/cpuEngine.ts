/** The engine: memory, programs, and the order in which they run. */
import {
  ArgumentError,
  DisposedError,
  DTYPES,
  InternalError,
  type BackendCapabilities,
  type BackendCounters,
  type DeviceBuffer,
  type Executable,
  type Program,
  type RoutineName,
  type RunBindings,
  type ScalarType,
  type Step,
  type StepProfile,
} from '@tarazed/tensor'
import { buildDriver } from '../driver/driver.js'
import { routinePlanners } from '../routines/index.js'
import { floatBits } from '../wasm/bytes.js'
import { kernelModule, type MemoryType } from '../wasm/module.js'
import { checkRange } from './checkRange.js'
import type { CpuBackend } from './cpuBackend.js'
import { DeviceMemory } from './deviceMemory.js'
import { layOut, type Layout } from './executable.js'
import { ALIGNMENT, Heap } from './heap.js'
import { KernelCache } from './kernelCache.js'
import { HEADER, SCRATCH_BASE, SCRATCH_STRIDE } from './layout.js'
import { TableMemory, type TableBlock } from './tableMemory.js'
import { createThread, routineNames, type ThreadInstances, type ThreadModules } from './thread.js'
import { RunQueue, type RunCommand } from './runQueue.js'
import type { PoolOptions, WorkerPool } from './workerPool.js'

/** Programs estimated below this run on the calling thread: waking a worker and its message cost as much. */
const DIRECT_NANOSECONDS = 150_000

export class CpuBuffer implements DeviceBuffer {
  address: number
  constructor(
    readonly owner: CpuEngine,
    address: number,
    readonly bytes: number,
  ) {
    this.address = address
  }
}

/** A loaded program. */
export class CpuExecutable implements Executable {
  loaded = true
  constructor(
    readonly program: Program,
    readonly layout: Layout,
    readonly block: TableBlock,
    /** Smallest sizes of the buffers that may be bound. */
    readonly inputBytes: readonly number[],
    readonly outputBytes: readonly number[],
  ) {}

  get header(): number {
    return this.block.address
  }

  /** Words that a run writes anew, from the arena's address on. */
  get bindingWords(): number {
    return (
      (HEADER.bindings - HEADER.arena) / 4 +
      this.inputBytes.length +
      this.outputBytes.length +
      this.program.params.length
    )
  }
}

/** How to open an engine; `openCpu` fills it in. */
export interface CpuEngineOptions {
  /** Worker threads; 0 runs everything on the calling thread. */
  readonly threads: number
  readonly relaxed: boolean
  readonly shared: boolean
  readonly limitBytes: number
  /** The routine module, as `routineBytes(relaxed, shared)` gives it. */
  readonly routines: Uint8Array
  /** Starts the threads, when there are any. Handed in, so that an engine without threads carries no code for them. */
  readonly openPool?: (options: PoolOptions) => Promise<WorkerPool>
  readonly warning?: string
}

const RESOLVED = Promise.resolve()

interface Region {
  address: number
  bytes: number
}

/** The CPU engine behind the `Backend` contract: one WebAssembly heap, generated kernels, worker threads. */
export class CpuEngine implements CpuBackend {
  readonly name = 'cpu'
  readonly capabilities: BackendCapabilities
  readonly counters: BackendCounters = {
    programsLoaded: 0,
    programsRun: 0,
    stepsRun: 0,
    kernelsCompiled: 0,
    buffersAllocated: 0,
    liveBytes: 0,
    peakBytes: 0,
  }
  readonly threads: number
  readonly relaxedSimd: boolean
  readonly warning?: string

  readonly #memory: DeviceMemory
  readonly #tables: TableMemory
  readonly #kernels: KernelCache
  readonly #queue: RunQueue
  readonly #thread: ThreadInstances
  readonly #routineIndex: ReadonlyMap<string, number>
  readonly #memoryType: MemoryType
  readonly #hasWorkers: boolean
  /** Modules that this thread has not needed yet: large programs run on the workers. */
  readonly #uncompiled: { readonly bytes: Uint8Array; readonly tableSize: number }[] = []
  #closed = false
  /** Temps of all programs. */
  #arena: Region = { address: 0, bytes: 0 }
  /** Scratch that the threads of a routine share. */
  #shared: Region = { address: 0, bytes: 0 }
  /** Scratch of every thread. */
  #scratch: Region = { address: 0, bytes: 0 }

  constructor(options: CpuEngineOptions) {
    this.threads = Math.max(1, options.threads)
    this.#hasWorkers = options.threads > 0 && options.openPool !== undefined
    this.relaxedSimd = options.relaxed
    this.warning = options.warning
    this.#memory = new DeviceMemory(options.limitBytes, options.shared)
    this.#memoryType = { shared: options.shared, maximumPages: this.#memory.maximumPages }
    const driver = buildDriver(this.#memoryType)
    const { routines, openPool } = options
    const modules: ThreadModules = {
      memory: this.#memory.memory,
      driver: new WebAssembly.Module(driver as BufferSource),
      routines: new WebAssembly.Module(routines as BufferSource),
    }
    this.#thread = createThread(modules)
    const names = routineNames(modules.routines)
    this.#routineIndex = new Map(names.map((name, index) => [name, index]))
    this.#kernels = new KernelCache(names.length, options.relaxed)
    this.#queue = new RunQueue({
      tables: () => this.#tables,
      memoryWords: () => this.#memory.words,
      memoryBytes: () => this.#memory.bytes,
      openPool: () => {
        if (!openPool) throw new InternalError('kernels-cpu: an engine without threads asked for them')
        return openPool(this.#poolOptions(driver, routines))
      },
    })
    this.#tables = new TableMemory(
      (bytes) => this.#take(bytes, 'tables of programs'),
      () => this.#queue.ended,
    )
    this.capabilities = {
      dtypes: DTYPES,
      routines: Object.keys(routinePlanners) as RoutineName[],
      maxBufferBytes: options.limitBytes,
      alignment: ALIGNMENT,
      buffersPerStep: 1024,
      aliasing: 'range',
      flushToZero: false,
      float64: false,
    }
    if (this.#hasWorkers) this.#queue.warm()
  }

  get closed(): boolean {
    return this.#closed
  }

  allocate(bytes: number): DeviceBuffer {
    this.#checkOpen('allocate')
    const address = this.#take(bytes, 'a buffer')
    this.counters.buffersAllocated++
    return new CpuBuffer(this, address, bytes)
  }

  free(buffer: DeviceBuffer): void {
    if (this.#closed) return
    const own = this.#own(buffer, 'free')
    // At once, though runs may still use it: whoever gets the memory next runs after them.
    this.#give(own.address, own.bytes)
    own.address = -1
  }

  async write(buffer: DeviceBuffer, bytes: Uint8Array, byteOffset = 0): Promise<void> {
    this.#checkOpen('write')
    const own = this.#own(buffer, 'write')
    checkRange('write', own, byteOffset, bytes.byteLength)
    const at = own.address + byteOffset
    // The caller may change its bytes once we return.
    const source = this.#queue.idle ? bytes : bytes.slice()
    await this.#queue.host(() => this.#memory.bytes.set(source, at))
  }

  async read(buffer: DeviceBuffer, byteOffset = 0, byteLength = buffer.bytes - byteOffset): Promise<Uint8Array> {
    this.#checkOpen('read')
    const own = this.#own(buffer, 'read')
    checkRange('read', own, byteOffset, byteLength)
    const at = own.address + byteOffset
    // A copy in memory of its own: a slice of shared memory would be shared too.
    return this.#queue.host(() => new Uint8Array(this.#memory.bytes.subarray(at, at + byteLength)))
  }

  async load(program: Program): Promise<Executable> {
    this.#checkOpen('load')
    const layout = layOut(program, {
      threads: this.#hasWorkers ? this.threads : 1,
      kernels: this.#kernels,
      routineIndex: (name) => this.#routineFunction(name),
    })
    try {
      this.#compile(layout)
      this.#makeRoom(layout)
      const block =
        this.#tables.tryAllocate(layout.image.bytes) ?? (await this.#queue.host(() => this.#placeTables(layout)))
      this.#memory.words.set(layout.image.placeAt(block.address), block.address >> 2)
      this.#memory.words[(block.address + HEADER.threads) >> 2] = this.threads
      await this.#makeScratch(layout.threadScratchBytes)
      this.counters.programsLoaded++
      return new CpuExecutable(program, layout, block, boundBytes(program, 'input'), boundBytes(program, 'output'))
    } catch (error) {
      for (const kernel of layout.kernels) this.#kernels.release(kernel)
      throw error
    }
  }

  unload(executable: Executable): void {
    const own = executable as CpuExecutable
    if (!own.loaded || this.#closed) return
    own.loaded = false
    this.#tables.retire(own.block, this.#queue.enqueued)
    for (const kernel of own.layout.kernels) this.#kernels.release(kernel)
  }

  run(executable: Executable, bindings: RunBindings): Promise<void> {
    try {
      const own = this.#prepare(executable, bindings)
      if (!this.#runsHere(own)) return this.#queue.run(this.#command(own, bindings))
      this.#runHere(own, bindings)
      return RESOLVED
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async profile(executable: Executable, bindings: RunBindings): Promise<StepProfile[]> {
    const own = this.#prepare(executable, bindings)
    const bytes = 8 * (own.layout.stepOfRecord.length + 1)
    const stamps = this.#take(bytes, 'time stamps')
    const begin = () => this.#setProfile(own, stamps)
    const end = () => {
      this.#setProfile(own, 0)
      return this.#readStamps(own, stamps)
    }
    try {
      if (this.#runsHere(own)) {
        begin()
        this.#runHere(own, bindings)
        return end()
      }
      // All called for at once: the caller may free its buffers once this function has returned.
      const [, , times] = await Promise.all([
        this.#queue.host(begin),
        this.#queue.run(this.#command(own, bindings)),
        this.#queue.host(end),
      ])
      return times
    } finally {
      this.#give(stamps, bytes)
    }
  }

  async sync(): Promise<void> {
    await this.#queue.host(() => {})
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#queue.close()
  }

  #checkOpen(what: string): void {
    if (this.#closed) throw new DisposedError(`${what}: the CPU backend was closed; open a new one with openCpu()`)
    if (this.#queue.failure) throw this.#queue.failure
  }

  #own(buffer: DeviceBuffer, what: string): CpuBuffer {
    if (!(buffer instanceof CpuBuffer) || buffer.owner !== this) {
      throw new ArgumentError(`${what}: the buffer belongs to another backend; copy it with read and write`)
    }
    if (buffer.address < 0) throw new InternalError(`${what}: the buffer was freed before`)
    return buffer
  }

  #take(bytes: number, what: string): number {
    const address = this.#memory.allocate(bytes, what, this.counters.liveBytes)
    this.counters.liveBytes += bytes
    this.counters.peakBytes = Math.max(this.counters.peakBytes, this.counters.liveBytes)
    return address
  }

  #give(address: number, bytes: number): void {
    this.#memory.free(address, bytes)
    this.counters.liveBytes -= bytes
  }

  #routineFunction(name: string): number {
    const index = this.#routineIndex.get(name)
    if (index === undefined) throw new InternalError(`kernels-cpu: the routine module has no function ${name}`)
    return index
  }

  /** New kernels become one module, which every thread compiles by itself, this one when it first runs a program. */
  #compile(layout: Layout): void {
    const { fresh } = layout
    if (fresh.length === 0) return
    const bodies = fresh.map((kernel) => kernel.body)
    const indices = fresh.map((kernel) => kernel.tableIndex)
    const bytes = kernelModule(bodies, indices, this.#memoryType)
    const tableSize = this.#kernels.tableSize
    this.#uncompiled.push({ bytes, tableSize })
    this.counters.kernelsCompiled += fresh.length
    if (this.#hasWorkers) this.#queue.addModule(bytes, tableSize)
  }

  /** Grows what all programs share. Earlier runs keep the memory that they were given. */
  #makeRoom(layout: Layout): void {
    this.#growRegion(this.#arena, layout.arenaBytes, 'the arena of temporaries')
    this.#growRegion(this.#shared, layout.sharedScratchBytes, 'scratch of routines')
  }

  #growRegion(region: Region, bytes: number, what: string): void {
    if (region.bytes >= bytes) return
    const address = this.#take(bytes, what)
    if (region.bytes > 0) this.#give(region.address, region.bytes)
    region.address = address
    region.bytes = bytes
  }

  #placeTables(layout: Layout): TableBlock {
    const block = this.#tables.tryAllocate(layout.image.bytes)
    if (block) return block
    this.#tables.addSlab(layout.image.bytes)
    return this.#tables.tryAllocate(layout.image.bytes)! // the slab is large enough
  }

  /** Threads find their scratch through words that may change only while nothing runs. */
  async #makeScratch(threadBytes: number): Promise<void> {
    const stride = Heap.sizeOf(threadBytes)
    if (threadBytes === 0 || stride * this.threads <= this.#scratch.bytes) return
    await this.#queue.host(() => {
      this.#growRegion(this.#scratch, stride * this.threads, 'scratch of threads')
      const { words } = this.#memory
      words[SCRATCH_BASE >> 2] = this.#scratch.address
      words[SCRATCH_STRIDE >> 2] = this.#scratch.bytes / this.threads
    })
  }

  #prepare(executable: Executable, bindings: RunBindings): CpuExecutable {
    this.#checkOpen('run')
    const own = executable as CpuExecutable
    if (!own.loaded) throw new InternalError('run: the executable was unloaded')
    const { inputBytes, outputBytes, program } = own
    this.#checkBound('input', bindings.inputs, inputBytes)
    this.#checkBound('output', bindings.outputs, outputBytes)
    if (bindings.params.length !== program.params.length) {
      throw new InternalError(`run: the program has ${program.params.length} params, got ${bindings.params.length}`)
    }
    this.counters.programsRun++
    this.counters.stepsRun += own.layout.stepCount
    return own
  }

  #checkBound(what: string, buffers: readonly DeviceBuffer[], bytes: readonly number[]): void {
    if (buffers.length !== bytes.length) {
      throw new InternalError(`run: the program has ${bytes.length} ${what}s, got ${buffers.length}`)
    }
    for (let k = 0; k < bytes.length; k++) {
      if (this.#own(buffers[k], 'run').bytes >= bytes[k]) continue
      throw new InternalError(`run: ${what} ${k} needs ${bytes[k]} bytes, got a buffer of ${buffers[k].bytes}`)
    }
  }

  /** Without workers everything runs here, else what is small, when nothing else is under way. */
  #runsHere(executable: CpuExecutable): boolean {
    if (!this.#hasWorkers) return true
    return executable.layout.nanoseconds < DIRECT_NANOSECONDS && this.#queue.idle
  }

  #runHere(executable: CpuExecutable, bindings: RunBindings): void {
    if (this.#uncompiled.length > 0) this.#compileHere()
    const { words } = this.#memory
    const header = executable.header >> 2
    this.#writeBindings(words, header + HEADER.arena / 4, executable, bindings)
    words[header + HEADER.threads / 4] = 1
    this.#thread.run(executable.header, 0, 0)
    words[header + HEADER.threads / 4] = this.threads
    this.#queue.countDone()
  }

  #compileHere(): void {
    for (const { bytes, tableSize } of this.#uncompiled.splice(0)) this.#thread.addKernels(bytes, tableSize)
  }

  #command(executable: CpuExecutable, bindings: RunBindings): RunCommand {
    const words = new Int32Array(executable.bindingWords)
    this.#writeBindings(words, 0, executable, bindings)
    return { header: executable.header, words, parallel: executable.layout.parallel }
  }

  /** Arena, scratch of routines, inputs, outputs, params: what the header holds from `arena` on. */
  #writeBindings(words: Int32Array, start: number, executable: CpuExecutable, bindings: RunBindings): void {
    let at = start
    words[at++] = this.#arena.address
    words[at++] = this.#shared.address
    for (const buffer of bindings.inputs) words[at++] = (buffer as CpuBuffer).address
    for (const buffer of bindings.outputs) words[at++] = (buffer as CpuBuffer).address
    const { params } = executable.program
    for (let k = 0; k < params.length; k++) words[at++] = paramBits(params[k], bindings.params[k])
  }

  #setProfile(executable: CpuExecutable, stamps: number): void {
    this.#memory.words[(executable.header + HEADER.profile) >> 2] = stamps
  }

  #readStamps(executable: CpuExecutable, address: number): StepProfile[] {
    const { layout, program } = executable
    const times = new Float64Array(this.#memory.memory.buffer, address, layout.stepOfRecord.length + 1)
    const microseconds = new Array<number>(program.steps.length).fill(0)
    layout.stepOfRecord.forEach((step, record) => {
      if (step >= 0) microseconds[step] += 1000 * (times[record + 1] - times[record])
    })
    return program.steps.map((step, k) => ({ label: labelOf(step), microseconds: microseconds[k] }))
  }

  #poolOptions(driver: Uint8Array, routines: Uint8Array): PoolOptions {
    return {
      memory: this.#memory.memory,
      driver,
      routines,
      threads: this.threads,
      onEnded: (run) => this.#queue.onEnded(run),
      onFailure: (error) => this.#queue.fail(error),
    }
  }
}

/** Smallest sizes of the buffers bound to a program. */
function boundBytes(program: Program, kind: 'input' | 'output'): number[] {
  const bytes = new Array<number>(kind === 'input' ? program.inputCount : program.outputCount).fill(0)
  for (const { place, bytes: needed } of program.slots) if (place.kind === kind) bytes[place.index] = needed
  return bytes
}

function paramBits(type: ScalarType, value: number): number {
  if (type === 'f32') return floatBits(value)
  return type === 'bool' ? Number(value !== 0) : value | 0
}

function labelOf(step: Step): string {
  switch (step.kind) {
    case 'fused':
      return step.label
    case 'routine':
      return step.epilogue ? `${step.name} + ${step.epilogue.label}` : step.name
    case 'loop':
      return `loop of ${step.trips}`
    case 'collective':
      return step.name
  }
}
