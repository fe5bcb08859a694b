/** A thread of Node in the place of a page's worker. */
import { Worker } from 'node:worker_threads'
import type { CpuBackend } from '../src/engine/cpuBackend.js'
import { hasRelaxedSimd } from '../src/engine/features.js'
import type { EnginePort, Reply } from '../src/engine/messages.js'
import { openCpuInWorker } from '../src/engine/openCpuInWorker.js'
import { routineBytes } from '../src/generated/routines.js'

const WORKER = new URL('./nodeCpuWorker.mjs', import.meta.url)

export function openNodePort(script: URL = WORKER): EnginePort {
  const worker = new Worker(script, { execArgv: ['--conditions=@tarazed/source'] })
  return {
    post: (command, transfer) => worker.postMessage(command, transfer),
    listen(onReply: (reply: Reply) => void, onFailure) {
      worker.on('message', onReply)
      worker.on('error', (error) => onFailure(String(error)))
      worker.on('exit', (code) => onFailure(`exit ${code}`))
    },
    hold: (held) => (held ? worker.ref() : worker.unref()),
    terminate: async () => void (await worker.terminate()),
  }
}

export interface NodeWorkerOptions {
  readonly relaxedSimd?: boolean
  readonly memoryLimitBytes?: number
  readonly openPort?: () => EnginePort
}

/** What `openCpu` gives on the main thread of a page without shared memory, in Node. */
export async function openInNodeWorker({
  relaxedSimd = true,
  memoryLimitBytes: limitBytes = 2 ** 32,
  openPort = openNodePort,
}: NodeWorkerOptions = {}): Promise<CpuBackend> {
  const relaxed = hasRelaxedSimd() && relaxedSimd
  return openCpuInWorker({ relaxed, limitBytes, routines: routineBytes(relaxed, false) }, openPort)
}
