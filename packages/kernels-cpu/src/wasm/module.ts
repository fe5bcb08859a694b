/** Assembles modules of functions that share one imported memory and one imported table. */
import { name, unsigned } from './bytes.js'
import { F64, I32 } from './opcodes.js'

/** How the memory is imported; it must be what the engine created. */
export interface MemoryType {
  readonly shared: boolean
  readonly maximumPages: number
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

/** Type 0: (desc, scratch, begin, end) of kernels and routines. Type 1: () → f64, the clock. Type 2: (header, thread, threads), the driver. */
const TYPES = vector([
  [0x60, ...vector([[I32], [I32], [I32], [I32]]), 0],
  [0x60, 0, 1, F64],
  [0x60, ...vector([[I32], [I32], [I32]]), 0],
])

export const KERNEL_TYPE = 0
export const CLOCK_TYPE = 1
export const DRIVER_TYPE = 2

function memoryImport(memory: MemoryType): number[] {
  const limits = memory.shared ? [3, 1, ...unsigned(memory.maximumPages)] : [1, 1, ...unsigned(memory.maximumPages)]
  return [...name('env'), ...name('memory'), 2, ...limits]
}

const TABLE_IMPORT = [...name('env'), ...name('table'), 1, 0x70, 0, 0]

function codeSection(bodies: readonly Uint8Array[]): Uint8Array {
  const parts = bodies.map((body) => [unsigned(body.length), body] as const)
  const count = unsigned(bodies.length)
  const size = count.length + parts.reduce((sum, [length, body]) => sum + length.length + body.length, 0)
  return concat([[10], unsigned(size), count, ...parts.flat()])
}

function concat(parts: readonly ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** A module of kernels that puts function k into the table at `tableIndices[k]` when it is instantiated. */
export function kernelModule(
  bodies: readonly Uint8Array[],
  tableIndices: readonly number[],
  memory: MemoryType,
): Uint8Array {
  const segments = bodies.map((_, k) => [0, 0x41, ...signedIndex(tableIndices[k]), 0x0b, 1, ...unsigned(k)])
  return concat([
    HEADER,
    section(1, TYPES),
    section(2, vector([memoryImport(memory), TABLE_IMPORT])),
    section(3, vector(bodies.map(() => [KERNEL_TYPE]))),
    section(9, vector(segments)),
    codeSection(bodies),
  ])
}

function signedIndex(index: number): number[] {
  // Table indices are small; one more byte keeps the sign bit clear.
  const bytes = unsigned(index)
  if ((bytes[bytes.length - 1] & 0x40) === 0) return bytes
  return [...bytes.slice(0, -1), bytes[bytes.length - 1] | 0x80, 0]
}

/** The driver module: imports `env.memory`, `env.table` and the clock `env.now`; exports its functions by name. */
export function driverModule(
  functions: readonly { name: string; body: Uint8Array; type?: number }[],
  memory: MemoryType,
): Uint8Array {
  return concat([
    HEADER,
    section(1, TYPES),
    section(2, vector([memoryImport(memory), TABLE_IMPORT, [...name('env'), ...name('now'), 0, CLOCK_TYPE]])),
    section(3, vector(functions.map((fn) => [fn.type ?? DRIVER_TYPE]))),
    section(7, vector(functions.map((fn, k) => [...name(fn.name), 0, ...unsigned(k + 1)]))),
    codeSection(functions.map((fn) => fn.body)),
  ])
}
