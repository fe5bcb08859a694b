// Starts nodeCpuWorker.ts: threads do not take over the loaders that vitest has for TypeScript.
import { register } from 'tsx/esm/api'

register()
await import('./nodeCpuWorker.ts')
