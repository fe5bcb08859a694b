/** The default Tarazed backend: WebAssembly SIMD and threads, on Node and in browsers. */
export { cpuCeilings } from './ceilings.js'
export type { CpuCeilings } from './ceilings.js'
export { openCpu } from './openCpu.js'
export type { CpuOptions } from './openCpu.js'
export type { CpuBackend } from './engine/cpuBackend.js'
