/** What `openCpu` returns, wherever the engine runs. */
import type { Backend, Executable, RunBindings, StepProfile } from '@tarazed/tensor'

/** The CPU engine behind the `Backend` contract. Open it with `openCpu`. */
export interface CpuBackend extends Backend {
  /** Threads that large programs run on. */
  readonly threads: number
  /** Fused multiply-add of relaxed SIMD is used inside math functions and routines. */
  readonly relaxedSimd: boolean
  /** Why the engine is slower here than it could be, if it is. */
  readonly warning?: string
  profile(executable: Executable, bindings: RunBindings): Promise<StepProfile[]>
}
