/** Resident memory over 1,000 training steps, and what attention needs as sequences grow. */
import { atMost, ONE_RELAXED, type Bench } from '../bench.js'

export const memory: Bench = {
  name: 'memory',
  repeats: 1, // 1,000 steps settle what noise there is
  about: '1,000 training steps without a dispose; attention from 1,024 to 4,096 tokens',
  rows: [
    {
      case: 'compiled: growth of resident memory after step 50',
      unit: 'MiB',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [],
      bars: [atMost(32, 'MiB')],
    },
    {
      case: 'compiled: buffers allocated after step 50',
      unit: '',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [],
      bars: [atMost(0, '')],
    },
    {
      case: 'evaluate: growth of live bytes after step 50',
      unit: 'MiB',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [],
      bars: [atMost(300, 'MiB (slack of 256 MiB)')],
    },
    {
      case: 'evaluate: step 1,000 / step 100',
      unit: '×',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [],
      bars: [atMost(1.2, '×')],
    },
    {
      case: 'attention: peak bytes, 4,096 / 1,024 tokens',
      unit: '×',
      better: 'lower',
      ours: ONE_RELAXED,
      peers: [],
      bars: [atMost(4.2, '×')],
    },
  ],
}
