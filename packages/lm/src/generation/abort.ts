/** Waiting that a signal can end. */

/**
 * What the promise gives, or the signal's reason as soon as it is aborted. What the promise stands for goes on; its error, if
 * nobody waits any more, is nobody's.
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  promise.catch(() => undefined)
  if (signal === undefined) return await promise
  signal.throwIfAborted()
  let stop: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
