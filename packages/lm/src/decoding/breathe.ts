/** Turns of the event loop for others. */

/** A loop that only awaits small programs may never leave the microtask queue: timers, sockets and abort signals would starve. */
const LONGEST_MS = 8

/** Gives timers, sockets and signals a turn now and then. */
export class Breather {
  #last = performance.now()

  /** Resolves at once, or after a turn of the event loop when the last one is some milliseconds ago. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#last < LONGEST_MS) return
    await turn()
    this.#last = performance.now()
  }
}

function turn(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve))
  // In browsers nested timeouts wait 4 ms; messages do not.
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}
