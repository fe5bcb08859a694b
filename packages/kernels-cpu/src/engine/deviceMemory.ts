/** The one heap of an engine: a WebAssembly memory that grows up to a limit. */
import { AllocationError } from '@tarazed/tensor'
import { Heap } from './heap.js'
import { HEAP_BASE } from './layout.js'

const PAGE = 65536
/** Rows may be read in whole vectors up to their end; nothing past it is used, but it must exist. */
export const SLACK = 64

export class DeviceMemory {
  readonly memory: WebAssembly.Memory
  readonly #heap: Heap
  #bytes: Uint8Array
  #words: Int32Array

  /** @throws AllocationError when not even the address range can be had */
  constructor(
    readonly limitBytes: number,
    readonly shared: boolean,
  ) {
    this.memory = reserve(limitBytes, shared)
    this.#bytes = new Uint8Array(this.memory.buffer)
    this.#words = new Int32Array(this.memory.buffer)
    this.#heap = new Heap(HEAP_BASE, (end) => this.#growTo(end + SLACK))
  }

  get maximumPages(): number {
    return pagesOf(this.limitBytes)
  }

  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.memory.buffer) this.#bytes = new Uint8Array(this.memory.buffer)
    return this.#bytes
  }

  get words(): Int32Array {
    if (this.#words.buffer !== this.memory.buffer) this.#words = new Int32Array(this.memory.buffer)
    return this.#words
  }

  /** @throws AllocationError naming what was asked for */
  allocate(bytes: number, what: string, liveBytes: number): number {
    const address = this.#heap.allocate(bytes)
    if (address !== undefined) return address
    throw outOfMemory(what, bytes, liveBytes, this.limitBytes)
  }

  free(address: number, bytes: number): void {
    this.#heap.free(address, bytes)
  }

  #growTo(end: number): boolean {
    if (end > this.limitBytes) return false
    const have = this.memory.buffer.byteLength
    if (end <= have) return true
    // A quarter more than needed, so that many small requests do not grow the memory one page each.
    const wanted = Math.min(this.limitBytes, Math.max(end, have + Math.min(have / 4, 64 * 1024 * 1024)))
    return this.#growBy(Math.ceil((wanted - have) / PAGE)) || this.#growBy(Math.ceil((end - have) / PAGE))
  }

  #growBy(pages: number): boolean {
    try {
      this.memory.grow(pages)
      return true
    } catch {
      return false
    }
  }
}

/** The error for a request that does not fit. */
export function outOfMemory(what: string, bytes: number, liveBytes: number, limitBytes: number): AllocationError {
  return new AllocationError(
    `kernels-cpu: ${what} needs ${bytes} bytes, but ${liveBytes} of at most ${limitBytes} are in use; ` +
      `dispose tensors, make the batch smaller, or open the backend with a larger memoryLimitBytes (4 GiB at most)`,
    bytes,
    limitBytes,
  )
}

function pagesOf(bytes: number): number {
  return Math.min(65536, Math.max(16, Math.ceil(bytes / PAGE)))
}

function reserve(limitBytes: number, shared: boolean): WebAssembly.Memory {
  const maximum = pagesOf(limitBytes)
  try {
    return new WebAssembly.Memory({ initial: 16, maximum, shared })
  } catch (error) {
    throw new AllocationError(
      `openCpu: the address range of ${limitBytes} bytes could not be reserved (${String(error)}); pass a smaller memoryLimitBytes`,
      limitBytes,
      limitBytes,
    )
  }
}
