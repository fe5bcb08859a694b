/** Ctrl-C: once to stop in good order, twice to stop. */

/** Listens until `release`. */
export interface Interrupt {
  readonly signal: AbortSignal
  release(): void
}

/** The first Ctrl-C (or SIGTERM) aborts the signal, the second one ends the process. @param tell what is going on */
export function listenForInterrupt(tell: () => void): Interrupt {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    tell()
    controller.abort()
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.on(name, interrupt)
  return {
    signal: controller.signal,
    release: () => signals.forEach((name) => process.off(name, interrupt)),
  }
}
