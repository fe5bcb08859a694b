/** What the WebAssembly engine of this process can do. */

// (func (result v128) three times i32x4.splat, then f32x4.relaxed_madd)
const RELAXED_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 17, 65, 0, 253, 17, 65,
  0, 253, 17, 253, 133, 2, 11,
]

// (func (result v128) i32x4.splat)
const SIMD_PROBE = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 17, 11]

export function hasSimd(): boolean {
  return WebAssembly.validate(Uint8Array.from(SIMD_PROBE))
}

/**
 * Node 20 has relaxed SIMD behind a flag that takes effect when it is set before the first validation. (Modules of Node
 * come from `getBuiltinModule`: a dynamic import would make a second chunk, which Vite refuses in a worker.)
 */
export function hasRelaxedSimd(): boolean {
  if (isNode()) {
    const v8 = process.getBuiltinModule('node:v8')
    v8.setFlagsFromString('--experimental-wasm-relaxed-simd')
  }
  return WebAssembly.validate(Uint8Array.from(RELAXED_PROBE))
}

export function isNode(): boolean {
  return typeof process !== 'undefined' && typeof process.versions?.node === 'string'
}

/** Memory can be shared with workers: always in Node, in browsers on cross-origin isolated pages. */
export function hasSharedMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false
  return isNode() || (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true
}

/** This thread draws a page: nothing may block it. */
export function isPageThread(): boolean {
  return !isNode() && typeof document !== 'undefined'
}
