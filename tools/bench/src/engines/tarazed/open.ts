/** The CPU backend in the variant that a row names, as the default backend. */
import { openCpu, type CpuBackend } from '@tarazed/kernels-cpu'
import { setDefaultBackend } from '@tarazed/tensor'
import type { EngineOptions } from '../../bench.js'

export async function open({ threads = 1, relaxedSimd = true }: EngineOptions): Promise<CpuBackend> {
  const backend = await openCpu({ threads, relaxedSimd })
  setDefaultBackend(backend)
  return backend
}
