/** The backend on which tensors are evaluated when no other is named. */
import { ArgumentError, BackendUnavailableError, DisposedError } from '../errors.js'
import { show } from '../ops/check.js'
import type { Backend } from '../program/backend.js'

let current: Backend | null = null

/**
 * The least that makes a value a backend.
 * @throws ArgumentError for anything else, as the promise of one
 */
export function requireBackend(op: string, backend: unknown): void {
  const methods = ['allocate', 'load', 'run', 'read', 'write'] as const
  const given = backend as Partial<Backend> | null | undefined
  if (typeof given === 'object' && given !== null && methods.every((name) => typeof given[name] === 'function')) return
  const isPromise = typeof (given as { then?: unknown } | null | undefined)?.then === 'function'
  throw new ArgumentError(
    isPromise
      ? `${op}: the backend must be one that was opened, got the promise of one; await it first, as in await openCpu()`
      : `${op}: the backend must be one that was opened, got ${show(backend)}; give what await openCpu() or openReference() returns`,
  )
}

/**
 * Sets the backend for `evaluate`, `compile`, `data` and `item`, or none with null. Values that were computed stay where they
 * are, and mixing backends in one graph throws; tensors made from host data can be used on every backend.
 * @throws ArgumentError for what is no backend
 */
export function setDefaultBackend(backend: Backend | null): void {
  if (backend !== null) requireBackend('setDefaultBackend', backend)
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
