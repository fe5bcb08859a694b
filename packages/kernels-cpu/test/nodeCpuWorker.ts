/** The engine's worker as a thread of Node. */
import { parentPort } from 'node:worker_threads'
import { EngineServer } from '../src/engine/engineServer.js'
import type { Command } from '../src/engine/messages.js'

if (!parentPort) throw new Error('nodeCpuWorker: start this file as a worker')
const port = parentPort
const server = new EngineServer((reply, transfer) => port.postMessage(reply, transfer))
port.on('message', (command: Command) => server.accept(command))
