/** Opens an engine without threads in a worker of its own. */
import { BackendUnavailableError, InternalError } from '@tarazed/tensor'
import { openBrowserPort } from './browserPort.js'
import type { CpuBackend } from './cpuBackend.js'
import type { EnginePort } from './messages.js'
import { WorkerBackend, type WorkerBackendOptions } from './workerBackend.js'

/**
 * As `openCpu` on the main thread of a page without shared memory.
 *
 * @throws BackendUnavailableError when the worker cannot be started
 * @throws AllocationError when the worker cannot reserve the address range
 */
export async function openCpuInPageWorker(options: WorkerBackendOptions): Promise<CpuBackend> {
  return openCpuInWorker(startPort, options)
}

/** The same with any kind of worker: tests start one of Node's. `openPort` may throw what the caller shall see. */
export async function openCpuInWorker(openPort: () => EnginePort, options: WorkerBackendOptions): Promise<CpuBackend> {
  const port = openPort()
  try {
    return await WorkerBackend.open(port, options)
  } catch (error) {
    if (error instanceof InternalError) throw unavailable(error)
    throw error
  }
}

function startPort(): EnginePort {
  try {
    return openBrowserPort()
  } catch (error) {
    // Browsers refuse scripts of another origin and, some of them, what a policy forbids, at once.
    throw unavailable(error)
  }
}

function unavailable(cause: unknown): BackendUnavailableError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new BackendUnavailableError(
    `openCpu: the engine's worker could not be started (${reason}); serve cpuWorker.js from the page's own origin, ` +
      "allow worker-src 'self', keep @tarazed/kernels-cpu out of Vite's optimizeDeps, or pass { threads: 0 }, which " +
      'blocks the calling thread while programs run',
    { cause },
  )
}
