/** The most that this machine does in loops of the engine's own width: what figures are given as a share of. */
import type { Program } from '@tarazed/tensor'
import type { CpuBackend } from './engine/cpuBackend.js'
import { openCpu } from './openCpu.js'
import { Code, I32, V128 } from './wasm/code.js'
import { kernelModule } from './wasm/module.js'

/** The most that one thread reaches on this machine, measured by `cpuCeilings`. */
export interface CpuCeilings {
  /** Fused multiply-adds in registers, one thread; equal to `mulAddGflops` without relaxed SIMD. */
  readonly fmaGflops: number
  /** Multiplications and additions in registers, one thread. */
  readonly mulAddGflops: number
  /** Bytes read plus bytes written by a copy of 64 MiB, in 10⁹ bytes a second, one thread. */
  readonly copyGBs: number
}

/** Independent accumulators: enough to hide four cycles of latency on two units, few enough for sixteen registers. */
const ACCUMULATORS = 10
const COPIED_FLOATS = 1 << 24

/** Measures for about half a second, on the calling thread. */
export async function cpuCeilings(backend: CpuBackend): Promise<CpuCeilings> {
  const mulAddGflops = registerLoop(false)
  return {
    mulAddGflops,
    fmaGflops: backend.relaxedSimd ? registerLoop(true) : mulAddGflops,
    copyGBs: await copySpeed(),
  }
}

function registerLoop(fused: boolean): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
  const table = new WebAssembly.Table({ initial: 1, element: 'anyfunc' })
  const bytes = kernelModule([loopBody(fused)], [0], { shared: false, maximumPages: 1 })
  new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource), { env: { memory, table } })
  const loop = table.get(0) as (desc: number, scratch: number, begin: number, end: number) => void
  const turns = 1_000_000
  // Short calls first, so that the optimised code is in place when it counts.
  for (let k = 0; k < 200; k++) loop(0, 0, 0, 1000)
  const seconds = fastest(12, () => loop(0, 0, 0, turns))
  return (turns * ACCUMULATORS * 4 * 2) / seconds / 1e9
}

/** accumulator = accumulator · x + y for every accumulator, end - begin times; the sum is stored, so that nothing is dropped. */
function loopBody(fused: boolean): Uint8Array {
  const code = new Code(4)
  const [begin, end] = [2, 3]
  const factor = code.allocate(V128)
  const term = code.allocate(V128)
  const accumulators = Array.from({ length: ACCUMULATORS }, () => code.allocate(V128))
  const at = code.allocate(I32)
  for (const [local, address] of [
    [factor, 16],
    [term, 32],
  ] as const) {
    code.i32(address)
    code.simdMemory('load', 0)
    code.set(local)
  }
  code.get(begin)
  code.set(at)
  code.countedLoop(
    at,
    () => code.get(end),
    1,
    () => {
      for (const accumulator of accumulators) {
        code.get(accumulator)
        code.get(factor)
        if (!fused) code.simd('f32Mul')
        code.get(term)
        code.simd(fused ? 'f32RelaxedMadd' : 'f32Add')
        code.set(accumulator)
      }
    },
  )
  code.i32(0)
  code.get(accumulators[0])
  for (const accumulator of accumulators.slice(1)) {
    code.get(accumulator)
    code.simd('f32Add')
  }
  code.simdMemory('store', 0)
  return code.finish()
}

/** On an engine of its own, since the given one may have several threads. */
async function copySpeed(): Promise<number> {
  const backend = await openCpu({ threads: 0 })
  const bytes = 4 * COPIED_FLOATS
  const executable = await backend.load(copyProgram())
  const inputs = [backend.allocate(bytes)]
  const outputs = [backend.allocate(bytes)]
  try {
    const times: number[] = []
    for (let k = 0; k < 6; k++) {
      const profile = await backend.profile(executable, { inputs, outputs, params: [] })
      times.push(profile[0].microseconds)
    }
    return (2 * bytes) / Math.min(...times) / 1000
  } finally {
    await backend.close()
  }
}

/** One step that copies. */
function copyProgram(): Program {
  const slot = { dtype: 'f32', elements: COPIED_FLOATS, bytes: 4 * COPIED_FLOATS } as const
  const access = { offset: 0, strides: [1], gathered: [] }
  return {
    slots: [
      { ...slot, place: { kind: 'input', index: 0 } },
      { ...slot, place: { kind: 'output', index: 0 } },
    ],
    params: [],
    steps: [
      {
        kind: 'fused',
        label: 'copy',
        outer: [],
        inner: COPIED_FLOATS,
        exprs: [{ op: 'load', type: 'f32', level: 'element', operand: 0, dtype: 'f32', access }],
        phases: 0,
        stores: [{ operand: 1, dtype: 'f32', access, value: 0, level: 'element' }],
        operands: [0, 1],
        params: [],
      },
    ],
    arenaBytes: 0,
    inputCount: 1,
    outputCount: 1,
  }
}

/** Seconds of the fastest of some calls. */
function fastest(calls: number, work: () => void): number {
  let best = Infinity
  for (let k = 0; k < calls; k++) {
    const start = performance.now()
    work()
    best = Math.min(best, performance.now() - start)
  }
  return best / 1000
}
