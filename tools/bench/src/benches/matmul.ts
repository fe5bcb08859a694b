/** f32 matrix products, 1024³ and shapes of small transformers. */
import {
  atLeast,
  atLeastShare,
  JAX_JS,
  JAX_JS_RELAXED,
  ONE_PLAIN,
  ONE_RELAXED,
  ORT_WEB,
  TFJS,
  TWO_RELAXED,
  type Bench,
  type RowSpec,
} from '../bench.js'

export const MATMUL_CASES = [
  { name: '1024³', M: 1024, K: 1024, N: 1024, transposeB: false },
  { name: '1024³ A·Bᵀ', M: 1024, K: 1024, N: 1024, transposeB: true },
  { name: '512×128×512', M: 512, K: 128, N: 512, transposeB: false },
  { name: '128×784×512', M: 128, K: 784, N: 512, transposeB: false },
] as const

const relaxedRow = (name: string, isBar: boolean): RowSpec => ({
  case: name,
  label: `${name} relaxed`,
  unit: 'GFLOP/s',
  better: 'higher',
  ours: ONE_RELAXED,
  peers: [JAX_JS_RELAXED, TFJS, ORT_WEB],
  ceiling: 'fma',
  ...(isBar ? { bars: [atLeast(1.4), atLeastShare(0.85)] } : {}),
})
const plainRow = (name: string, isBar: boolean): RowSpec => ({
  case: name,
  label: `${name} plain`,
  unit: 'GFLOP/s',
  better: 'higher',
  ours: ONE_PLAIN,
  peers: [JAX_JS, TFJS, ORT_WEB],
  ceiling: 'mulAdd',
  ...(isBar ? { bars: [atLeast(1.2)] } : {}),
})
const threadsRow = (name: string): RowSpec => ({
  case: name,
  label: `${name} relaxed, 2 threads`,
  unit: 'GFLOP/s',
  better: 'higher',
  ours: TWO_RELAXED,
  peers: [],
})

export const matmul: Bench = {
  name: 'matmul',
  about: 'f32 matrix products, one thread; share of the engine’s own FMA register loop',
  rows: MATMUL_CASES.flatMap(({ name }, k) => [relaxedRow(name, k === 0), plainRow(name, k === 0), threadsRow(name)]),
}
