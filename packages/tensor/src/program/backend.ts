/** What a kernels package implements. Callers hold opaque buffers and executables; nobody sees device memory. */
import type { DType } from '../dtype.js'
import type { Program, RoutineName } from './ir.js'

/** A region of device memory. Only the backend that made it knows what is inside. */
export interface DeviceBuffer {
  readonly bytes: number
}

/** A program made ready to run: kernels compiled, constants uploaded. */
export interface Executable {
  readonly program: Program
}

/** The buffers and numbers of one run, in the order of the program's inputs, outputs and params. */
export interface RunBindings {
  readonly inputs: readonly DeviceBuffer[]
  /** An output with `aliasOf` is bound to the buffer of that input. */
  readonly outputs: readonly DeviceBuffer[]
  readonly params: readonly number[]
}

/** What a backend can do and what its programs must obey; the planner reads nothing else about it. */
export interface BackendCapabilities {
  readonly dtypes: readonly DType[]
  /** Routines that the backend has; the compiler expands the others into their bodies of primitives. */
  readonly routines: readonly RoutineName[]
  readonly maxBufferBytes: number
  readonly alignment: number
  readonly buffersPerStep: number
  /** `range`: two ranges of one buffer may be bound read and write; `buffer`: not. */
  readonly aliasing: 'range' | 'buffer'
  readonly flushToZero: boolean
  /** Floats are held as float64 and never rounded (`openReference({ float64: true })`). */
  readonly float64: boolean
}

/** Counted since the backend was opened; `reset` is for tests and benches. */
export interface BackendCounters {
  programsLoaded: number
  programsRun: number
  stepsRun: number
  kernelsCompiled: number
  buffersAllocated: number
  liveBytes: number
  peakBytes: number
}

/** The time that one step took. */
export interface StepProfile {
  readonly label: string
  readonly microseconds: number
}

/** A device that runs programs: a value that an application opens, passes on or sets as the default, and closes. */
export interface Backend {
  readonly name: string
  readonly capabilities: BackendCapabilities
  readonly counters: BackendCounters
  /** @throws AllocationError when the limit would be passed; nothing changes then */
  allocate(bytes: number): DeviceBuffer
  /** Returns the memory after all runs that were enqueued before. Freeing twice is an internal error. */
  free(buffer: DeviceBuffer): void
  /** Copies bytes in, ordered with runs. `bytes` is in the storage layout of the dtype (float64 backends: f64 for floats). */
  write(buffer: DeviceBuffer, bytes: Uint8Array, byteOffset?: number): Promise<void>
  /** A copy of the bytes after all runs that were enqueued before. */
  read(buffer: DeviceBuffer, byteOffset?: number, byteLength?: number): Promise<Uint8Array>
  load(program: Program): Promise<Executable>
  unload(executable: Executable): void
  /** Enqueues one run and resolves when it has ended. Runs start in the order of the calls. */
  run(executable: Executable, bindings: RunBindings): Promise<void>
  /** As `run`, with the time of every step. */
  profile?(executable: Executable, bindings: RunBindings): Promise<StepProfile[]>
  /** Everything enqueued has ended. */
  sync(): Promise<void>
  close(): Promise<void>
  readonly closed: boolean
}
