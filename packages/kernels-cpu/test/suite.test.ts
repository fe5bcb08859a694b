/** The suite that every backend runs, on the CPU engine with workers and on the calling thread. */
import { backendSuite } from '@tarazed/tensor/testing'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openCpu } from '../src/index.js'

const kit = { describe, it, beforeAll, afterAll }

backendSuite({
  ...kit,
  name: 'cpu',
  open: () => openCpu({ threads: 2 }),
  openLimited: (memoryLimitBytes) => openCpu({ threads: 1, memoryLimitBytes }),
})
backendSuite({
  ...kit,
  name: 'cpu without relaxed SIMD',
  open: () => openCpu({ threads: 0, relaxedSimd: false }),
  graphs: 20,
})
