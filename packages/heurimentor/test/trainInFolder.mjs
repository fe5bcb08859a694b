// Trains the linear task in a folder, saving after every second update: a process for tests to kill.
import { join } from 'node:path'
import { register } from 'tsx/esm/api'

register()
const { openCpu } = await import('@tarazed/kernels-cpu')
const { setDefaultBackend } = await import('@tarazed/tensor')
const { train } = await import('../src/index.ts')
const { diskCheckpoints, openRunLog } = await import('../src/node.ts')
const { options } = await import('./linearTask.ts')

const folder = process.argv[2]
const backend = await openCpu({ threads: 1 })
setDefaultBackend(backend)
const log = await openRunLog(join(folder, 'events.jsonl'))
const { counters } = await train({
  ...options(),
  plan: { ...options().plan, samples: 8 * 400 },
  checkpoints: diskCheckpoints(join(folder, 'checkpoints')),
  saveEvery: { samples: 16 },
  log,
  onStep: ({ step }) => void process.stdout.write(`${step}\n`),
})
await log.close()
await backend.close()
process.stdout.write(`finished ${counters.step}\n`)
