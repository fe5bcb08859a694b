/** The backend on which tensors are evaluated when no other is named. */
import { BackendUnavailableError, DisposedError } from '../errors.js'
import type { Backend } from '../program/backend.js'

let current: Backend | null = null

/** Sets the backend for `evaluate`, `compile`, `data` and `item`. Tensors stay where they are; mixing backends in one graph throws. */
export function setDefaultBackend(backend: Backend | null): void {
  current = backend
}

/**
 * The backend set by `setDefaultBackend`.
 * @throws BackendUnavailableError when there is none, DisposedError when it was closed
 */
export function getDefaultBackend(): Backend {
  if (current === null)
    throw new BackendUnavailableError(
      'evaluate: no backend is open; call setDefaultBackend(await openCpu()) from @tarazed/kernels-cpu (or openReference() from @tarazed/tensor) first',
    )
  if (current.closed)
    throw new DisposedError(
      `evaluate: backend "${current.name}" was closed; open a new one and call setDefaultBackend again`,
    )
  return current
}
