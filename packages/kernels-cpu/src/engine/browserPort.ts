/** Starts the worker of a page without shared memory. */
import type { EnginePort, Reply } from './messages.js'

/** The form of `new Worker(new URL(…))` is what Vite, webpack and Parcel look for; it must stay as it is. */
export function openBrowserPort(): EnginePort {
  const worker = new Worker(new URL('./cpuWorker.js', import.meta.url), { type: 'module' })
  return {
    post: (command, transfer) => worker.postMessage(command, transfer),
    listen(onReply, onFailure) {
      worker.onmessage = (event: MessageEvent<Reply>) => onReply(event.data)
      worker.onmessageerror = () => onFailure('a message could not be read')
      // A script that cannot be loaded gives an event without a message.
      worker.onerror = (event) => onFailure(event.message || 'its script could not be loaded')
    },
    hold: () => {},
    terminate: async () => worker.terminate(),
  }
}
