/** The error for a worker that does not start. */
import { BackendUnavailableError } from '@tarazed/tensor'

export function workerUnavailable(reason: string, cause?: unknown): BackendUnavailableError {
  return new BackendUnavailableError(
    `openCpu: the engine's worker could not be started (${reason}); serve cpuWorker.js from the page's own origin, ` +
      "allow worker-src 'self', keep @tarazed/kernels-cpu out of Vite's optimizeDeps, or pass { threads: 0 }, which " +
      'blocks the calling thread while programs run',
    { cause },
  )
}
