/** What the parts of the kernel emitter share while one kernel is built. */
import { dtypeBytes, InternalError, type Access, type DType, type FusedStep } from '@tarazed/tensor'
import type { Code } from '../wasm/code.js'
import type { Analysis } from './analyse.js'

/** Parameters of a kernel function, as in `routines/plan.ts`. */
export const DESC = 0
export const SCRATCH = 1
export const BEGIN = 2
export const END = 3

/** A current coordinate that pointers do not contain: `local` (elements, when there is one) + `constant`. */
export interface Coordinate {
  readonly axis: number
  readonly local?: number
  readonly constant: number
}

/** Where expressions are evaluated: `lanes` neighbours along the vector axis, starting at the coordinates. */
export interface Position {
  readonly lanes: number
  readonly coordinates: readonly Coordinate[]
}

export const SINGLE: Position = { lanes: 4, coordinates: [] }

export interface KernelContext {
  readonly code: Code
  readonly step: FusedStep
  readonly analysis: Analysis
  /** Lanes of a vector are neighbours along this axis. */
  readonly vectorAxis: number
  readonly relaxed: boolean
  /** Locals with the byte addresses of the operands. */
  readonly bases: readonly number[]
  /** Locals with the current byte address of an access, by `pointerKey`; coordinates of a `Position` are not in it. */
  readonly pointers: Map<string, Pointer>
  /** Locals with byte addresses that include gathered terms known in the row, by `rowPointerKey`. */
  readonly rowPointers: Map<string, number>
  /** Local with the address that cached values are counted from, when it is not the thread's scratch itself. */
  cacheBase?: number
  /** Locals with the current coordinate on the outer axes. */
  readonly outerIndex: readonly (number | undefined)[]
}

export interface Pointer {
  readonly local: number
  readonly operand: number
  readonly bytes: number
  readonly access: Access
}

/** Accesses with this key share a pointer: same operand, width and strides on the outer axes, same offset. */
export function pointerKey(operand: number, dtype: DType, access: Access): string {
  return `${operand} ${dtypeBytes(dtype)} ${access.offset} ${access.strides.slice(0, -1).join(' ')}`
}

export function pointerOf(context: KernelContext, operand: number, dtype: DType, access: Access): number {
  const pointer = context.pointers.get(pointerKey(operand, dtype, access))
  if (!pointer) throw new InternalError('kernel emitter: an access has no pointer')
  return pointer.local
}

/** The value is the same in all lanes. */
export function isSplat(context: KernelContext, id: number): boolean {
  return (context.analysis.axes[id] & (1 << context.vectorAxis)) === 0
}

/** Runs `body` with a local that is given back afterwards. */
export function withLocal<T>(code: Code, type: Parameters<Code['allocate']>[0], body: (local: number) => T): T {
  const local = code.allocate(type)
  const result = body(local)
  code.release(local)
  return result
}
