/** Opens an engine without threads in a worker of its own. */
import { openBrowserPort } from './browserPort.js'
import type { CpuBackend } from './cpuBackend.js'
import type { EnginePort } from './messages.js'
import { WorkerBackend, type WorkerBackendOptions } from './workerBackend.js'
import { workerUnavailable } from './workerUnavailable.js'

/**
 * What `openCpu` does on the main thread of a page without shared memory. Tests give it a thread of Node.
 *
 * @throws BackendUnavailableError when the worker cannot be started
 * @throws AllocationError when the worker cannot reserve the address range
 */
export async function openCpuInWorker(
  options: WorkerBackendOptions,
  openPort: () => EnginePort = openBrowserPort,
): Promise<CpuBackend> {
  return WorkerBackend.open(started(openPort), options)
}

/** Browsers refuse scripts of another origin at once, and some of them what a policy forbids. */
function started(openPort: () => EnginePort): EnginePort {
  try {
    return openPort()
  } catch (error) {
    throw workerUnavailable(error instanceof Error ? error.message : String(error), error)
  }
}
