/** Opens the CPU engine. */
import { ArgumentError, BackendUnavailableError, checkOptions } from '@tarazed/tensor'
import type { CpuBackend } from './engine/cpuBackend.js'
import { CpuEngine } from './engine/cpuEngine.js'
import { hasRelaxedSimd, hasSharedMemory, hasSimd, isNode, isPageThread } from './engine/features.js'
import { MAX_WORKERS } from './engine/layout.js'
import { openCpuInWorker } from './engine/openCpuInWorker.js'
import { WorkerPool } from './engine/workerPool.js'
import { routineBytes } from './generated/routines.js'

/** What `openCpu` may be told; every option has a default. */
export interface CpuOptions {
  /**
   * Threads for large programs; default: one for each core that this process may use, 8 at most. 0 runs everything on
   * the calling thread, which is blocked meanwhile, however long that takes; for workers of your own and for tests.
   */
  readonly threads?: number
  /** Bytes that buffers and temporaries may take together; default and maximum 4 GiB (a 32-bit address space). */
  readonly memoryLimitBytes?: number
  /** `false` leaves relaxed SIMD out: no fused multiply-add, the same bits on every machine. Default: where there is one. */
  readonly relaxedSimd?: boolean
}

const FOUR_GIB = 2 ** 32
const OPTIONS = ['threads', 'memoryLimitBytes', 'relaxedSimd'] as const

/**
 * The default backend: WebAssembly SIMD and threads, in Node and in browsers.
 *
 * Small programs run on the calling thread, others on workers, so that the event loop lives. Without shared memory (a
 * page that is not cross-origin isolated) the whole engine is one worker, and `warning` says so. In a worker of such a
 * page, and with `threads: 0` everywhere, everything runs on the calling thread.
 *
 * @throws BackendUnavailableError without WebAssembly SIMD, or when the page may not start its worker
 * @throws AllocationError when the address range cannot be reserved
 * @throws ArgumentError for options that are unknown or out of range
 */
export async function openCpu(options: CpuOptions = {}): Promise<CpuBackend> {
  const { memoryLimitBytes: limitBytes = FOUR_GIB, relaxedSimd } = checkOptions('openCpu', options, OPTIONS)
  if (typeof limitBytes !== 'number' || !(limitBytes >= 1 << 20 && limitBytes <= FOUR_GIB)) {
    throw new ArgumentError(
      `openCpu: memoryLimitBytes must be 1 MiB … 4 GiB, got ${String(limitBytes)}; larger models need another backend`,
    )
  }
  if (typeof WebAssembly === 'undefined' || !hasSimd()) {
    throw new BackendUnavailableError(
      'openCpu: this JavaScript engine has no WebAssembly SIMD; use Node 20.19 or a browser of 2023 or later',
    )
  }
  if (relaxedSimd !== undefined && typeof relaxedSimd !== 'boolean') {
    throw new ArgumentError(
      `openCpu: relaxedSimd must be true or false, got ${String(relaxedSimd)}; leave it out for what the machine has`,
    )
  }
  const relaxed = relaxedSimd !== false && hasRelaxedSimd()
  const shared = hasSharedMemory()
  const threads = options.threads ?? (shared ? defaultThreads() : 1)
  if (!(Number.isInteger(threads) && threads >= 0 && threads <= MAX_WORKERS)) {
    throw new ArgumentError(
      `openCpu: threads must be a whole number 0 … ${MAX_WORKERS}, got ${String(threads)}; leave it out for one for each core`,
    )
  }
  const routines = routineBytes(relaxed, shared)
  if (shared) return new CpuEngine({ threads, relaxed, shared, limitBytes, routines, openPool: WorkerPool.open })
  if (threads > 0 && isPageThread()) {
    return openCpuInWorker({ relaxed, limitBytes, routines, warning: oneThread('a worker') })
  }
  return new CpuEngine({ threads: 0, relaxed, shared, limitBytes, routines, warning: oneThread('the calling one') })
}

function oneThread(which: string): string {
  return (
    `no shared memory here: everything runs on one thread, ${which}; for more, serve the page with the headers ` +
    'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  )
}

function defaultThreads(): number {
  const cores = isNode()
    ? process.getBuiltinModule('node:os').availableParallelism()
    : (navigator.hardwareConcurrency ?? 1)
  return Math.min(8, Math.max(1, cores))
}
