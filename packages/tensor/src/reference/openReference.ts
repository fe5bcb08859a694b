import { DTYPES } from '../dtype.js'
import { AllocationError, ArgumentError, DisposedError, InternalError } from '../errors.js'
import { show } from '../ops/check.js'
import { checkOptions } from '../ops/options.js'
import type {
  Backend,
  BackendCapabilities,
  BackendCounters,
  DeviceBuffer,
  Executable,
  RunBindings,
  StepProfile,
} from '../program/backend.js'
import type { Program, Slot } from '../program/ir.js'
import { ROUTINE_NAMES } from '../program/routines.js'
import { validateProgram } from '../program/validate.js'
import { Cell, type Region } from './cell.js'
import { CompiledProgram, type OnStep } from './program.js'

/** What `openReference` may be told. */
export interface ReferenceOptions {
  /** Holds every float in eight bytes and never rounds: the oracle for exactness claims. Default false. */
  readonly float64?: boolean
  /** Bytes of all buffers and the scratch together. Default 2 GiB. */
  readonly memoryLimitBytes?: number
}

/**
 * Opens the reference backend: plain JavaScript, one expression at a time, straight from the definitions.
 *
 * It is slow and exact. Every f32 operator rounds to f32; math functions and reductions are computed in float64 and
 * rounded once, so results are those of the definition, not the bits of the other backends. It checks what it runs:
 * programs are validated, and an access out of a slot, or to bytes that nobody wrote, is an InternalError.
 *
 * @throws ArgumentError for a memory limit that is not a positive number
 */
export function openReference(options: ReferenceOptions = {}): Backend {
  const { float64 = false, memoryLimitBytes = 2 ** 31 } = checkOptions('openReference', options, [
    'float64',
    'memoryLimitBytes',
  ])
  if (!(memoryLimitBytes > 0))
    throw new ArgumentError(`openReference: memoryLimitBytes must be above 0, got ${show(memoryLimitBytes)}; change it`)
  return new ReferenceBackend(float64, memoryLimitBytes)
}

class ReferenceBuffer implements DeviceBuffer {
  readonly bytes: number
  /** Rounded up, so that every dtype can be laid over it. */
  readonly region: Region
  isFreed = false

  constructor(bytes: number) {
    this.bytes = bytes
    const size = Math.ceil(bytes / 8) * 8
    this.region = { bytes: new Uint8Array(size), marks: new Uint8Array(size) }
  }
}

class ReferenceExecutable implements Executable {
  readonly program: Program
  readonly compiled: CompiledProgram

  constructor(program: Program, float64: boolean) {
    this.program = program
    this.compiled = new CompiledProgram(program, float64)
  }
}

/** Marks of bytes in buffers of inputs and outputs. */
const WRITTEN = 1
/** An output that lies in the buffer of an input; the input's own bytes are WRITTEN. */
const OVERWRITTEN = 2

/** Every call runs at once, so the order of the calls is the order of the work. */
class ReferenceBackend implements Backend {
  readonly name: string
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
  readonly #limit: number
  readonly #float64: boolean
  /** One scratch for all programs, as large as the largest needs. */
  #arena: Region = { bytes: new Uint8Array(0), marks: new Int32Array(0) }
  #closed = false

  constructor(float64: boolean, limit: number) {
    this.name = float64 ? 'reference float64' : 'reference'
    this.#float64 = float64
    this.#limit = limit
    this.capabilities = {
      dtypes: DTYPES,
      routines: ROUTINE_NAMES,
      maxBufferBytes: limit,
      alignment: 16,
      buffersPerStep: 1024,
      aliasing: 'range',
      flushToZero: false,
      float64,
    }
  }

  get closed(): boolean {
    return this.#closed
  }

  allocate(bytes: number): DeviceBuffer {
    this.#checkOpen('allocate')
    if (!Number.isInteger(bytes) || bytes < 0) throw new InternalError(`reference: allocate(${bytes})`)
    this.#reserve(bytes, 'a buffer')
    this.counters.buffersAllocated++
    return new ReferenceBuffer(bytes)
  }

  free(buffer: DeviceBuffer): void {
    const own = this.#own(buffer, 'free')
    own.isFreed = true
    this.counters.liveBytes -= own.bytes
  }

  async write(buffer: DeviceBuffer, bytes: Uint8Array, byteOffset = 0): Promise<void> {
    this.#checkOpen('write')
    const { region } = this.#own(buffer, 'write')
    this.#checkRange(buffer, byteOffset, bytes.byteLength, 'write')
    region.bytes.set(bytes, byteOffset)
    region.marks.fill(WRITTEN, byteOffset, byteOffset + bytes.byteLength)
  }

  async read(buffer: DeviceBuffer, byteOffset = 0, byteLength = buffer.bytes - byteOffset): Promise<Uint8Array> {
    this.#checkOpen('read')
    const { region } = this.#own(buffer, 'read')
    this.#checkRange(buffer, byteOffset, byteLength, 'read')
    const hole = region.marks.subarray(byteOffset, byteOffset + byteLength).indexOf(0)
    if (hole >= 0) throw new InternalError(`reference: read of byte ${byteOffset + hole}, which was never written`)
    return region.bytes.slice(byteOffset, byteOffset + byteLength)
  }

  async load(program: Program): Promise<Executable> {
    this.#checkOpen('load')
    validateProgram(program, { float64: this.#float64 })
    const executable = new ReferenceExecutable(program, this.#float64)
    this.#growArena(program.arenaBytes)
    this.counters.programsLoaded++
    this.counters.kernelsCompiled += program.steps.length
    return executable
  }

  unload(executable: Executable): void {
    if (!(executable instanceof ReferenceExecutable)) throw new InternalError('reference: a foreign executable')
  }

  async run(executable: Executable, bindings: RunBindings): Promise<void> {
    this.#execute(executable, bindings)
  }

  async profile(executable: Executable, bindings: RunBindings): Promise<StepProfile[]> {
    const steps: StepProfile[] = []
    let started = performance.now()
    this.#execute(executable, bindings, (label) => {
      const now = performance.now()
      steps.push({ label, microseconds: (now - started) * 1000 })
      started = now
    })
    return steps
  }

  async sync(): Promise<void> {
    this.#checkOpen('sync')
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#arena = { bytes: new Uint8Array(0), marks: new Int32Array(0) }
    this.counters.liveBytes = 0
  }

  #execute(executable: Executable, bindings: RunBindings, onStep?: OnStep): void {
    this.#checkOpen('run')
    if (!(executable instanceof ReferenceExecutable)) throw new InternalError('reference: a foreign executable')
    const { program } = executable
    const { inputs, outputs, params } = bindings
    if (
      inputs.length !== program.inputCount ||
      outputs.length !== program.outputCount ||
      params.length !== program.params.length
    )
      throw new InternalError(
        `reference: run with ${inputs.length} inputs, ${outputs.length} outputs, ${params.length} params ` +
          `of a program with ${program.inputCount}, ${program.outputCount}, ${program.params.length}`,
      )
    const slots = program.slots.filter(({ place }) => place.kind !== 'temp')
    this.#checkSharing(slots, bindings)
    const cells = this.#bind(slots, bindings)
    executable.compiled.run({ ...cells, params, arena: this.#arena, arenaOffset: 0 }, onStep)
    for (const cell of cells.outputs) cell?.checkComplete()
    for (const buffer of outputs) {
      const { marks } = (buffer as ReferenceBuffer).region
      marks.forEach((mark, k) => {
        if (mark === OVERWRITTEN) marks[k] = WRITTEN
      })
    }
    this.counters.programsRun++
    this.counters.stepsRun += program.steps.length
  }

  #bind(slots: readonly Slot[], { inputs, outputs }: RunBindings): { inputs: Cell[]; outputs: Cell[] } {
    const cells = { inputs: [] as Cell[], outputs: [] as Cell[] }
    for (const { dtype, elements, place } of slots) {
      if (place.kind === 'temp') continue
      const isInput = place.kind === 'input'
      const name = `${place.kind} ${place.index}`
      const { region } = this.#own((isInput ? inputs : outputs)[place.index], `run: ${name}`)
      const isAlias = place.kind === 'output' && place.aliasOf !== undefined
      // an output that is no alias starts with no value, whatever an earlier run left in its buffer
      if (place.kind === 'output' && !isAlias) region.marks.fill(0)
      const marking = isAlias
        ? { writes: OVERWRITTEN, reads: [WRITTEN, OVERWRITTEN] }
        : { writes: WRITTEN, reads: [WRITTEN] }
      const cell = new Cell(name, { dtype, elements, float64: this.#float64 }, { region, byteOffset: 0, marking })
      ;(isInput ? cells.inputs : cells.outputs)[place.index] = cell
    }
    return cells
  }

  /** An output is bound to the buffer of the input whose alias it is, and to no other buffer of the run. */
  #checkSharing(slots: readonly Slot[], { inputs, outputs }: RunBindings): void {
    for (const { place } of slots) {
      if (place.kind !== 'output') continue
      const buffer = outputs[place.index]
      inputs.forEach((input, index) => {
        if (input === buffer && index !== place.aliasOf)
          throw new InternalError(
            `reference: output ${place.index} is bound to the buffer of input ${index}, which is no alias of it`,
          )
      })
      if (place.aliasOf !== undefined && inputs[place.aliasOf] !== buffer)
        throw new InternalError(
          `reference: output ${place.index} must be bound to the buffer of input ${place.aliasOf}`,
        )
      if (outputs.indexOf(buffer) !== place.index)
        throw new InternalError(
          `reference: outputs ${outputs.indexOf(buffer)} and ${place.index} are bound to one buffer`,
        )
    }
  }

  #growArena(bytes: number): void {
    const grown = bytes - this.#arena.bytes.byteLength
    if (grown <= 0) return
    const size = Math.ceil(bytes / 8) * 8
    this.#reserve(size - this.#arena.bytes.byteLength, 'scratch')
    this.#arena = { bytes: new Uint8Array(size), marks: new Int32Array(size) }
  }

  #reserve(bytes: number, what: string): void {
    const wanted = this.counters.liveBytes + bytes
    if (wanted > this.#limit)
      throw new AllocationError(
        `allocate: ${what} of ${bytes} bytes would make ${wanted} bytes, over the limit of ${this.#limit}; ` +
          'free tensors or open the backend with a larger memoryLimitBytes',
        bytes,
        this.#limit,
      )
    this.counters.liveBytes = wanted
    this.counters.peakBytes = Math.max(this.counters.peakBytes, wanted)
  }

  #own(buffer: DeviceBuffer, what: string): ReferenceBuffer {
    if (!(buffer instanceof ReferenceBuffer))
      throw new InternalError(`reference: ${what} of a buffer of another backend`)
    if (buffer.isFreed) throw new InternalError(`reference: ${what} of a buffer that was freed`)
    return buffer
  }

  #checkRange(buffer: DeviceBuffer, byteOffset: number, byteLength: number, what: string): void {
    if (byteOffset >= 0 && byteLength >= 0 && byteOffset + byteLength <= buffer.bytes) return
    throw new InternalError(
      `reference: ${what} of bytes ${byteOffset} … ${byteOffset + byteLength} of a buffer of ${buffer.bytes}`,
    )
  }

  #checkOpen(what: string): void {
    if (this.#closed) throw new DisposedError(`${what}: the reference backend was closed; open another one`)
  }
}
