/**
 * How the engine calls a routine written in AssemblyScript.
 *
 * A routine is a WASM function `fn(desc: i32, scratch: i32, begin: i32, end: i32) -> void` that does work items begin … end-1
 * of one stage. Stages of a step are separated by barriers; items of a stage run in any order on any thread, so
 * results may not depend on how they are split. `desc` is the byte address of 32-bit words:
 *
 *   words 0 … n-1   byte addresses of the operands, then the results (view offsets included), filled anew every run
 *   word n          byte address of the step's shared scratch (`sharedBytes`, 64-byte aligned)
 *   words n+1 …     `words` of the plan: constants (integers, or the bits of f32)
 *
 * `scratch` is the calling thread's own scratch of at least `threadBytes`, 64-byte aligned.
 */
import type { RoutineStep } from '@tarazed/tensor'

export interface RoutinePlan {
  readonly stages: readonly RoutineStage[]
  /** Constants behind the addresses in the descriptor. */
  readonly words: Int32Array
  readonly sharedBytes: number
  readonly threadBytes: number
  /** Present when every item of the last stage finishes a tile of the first result, so that an epilogue can follow each. */
  readonly tiles?: ResultTiles
}

/**
 * How the items of a stage cut a result [Z…, rows, columns] into tiles: matrices × column tiles × row tiles, the last ones
 * neighbours (the last row tile of a matrix may be lower), or, with `rowTilesFirst`, matrices × row tiles × column tiles, and
 * `tileRows` divides `rows`. `tileColumns` always divides `columns`.
 */
export interface ResultTiles {
  readonly rows: number
  readonly columns: number
  readonly tileRows: number
  readonly tileColumns: number
  readonly rowTilesFirst: boolean
}

export interface RoutineStage {
  /** Export of the routine module. */
  readonly fn: string
  readonly items: number
  /** Estimated nanoseconds of one item on one thread: decides how many items are claimed at a time and whether threads are worth it. */
  readonly itemNanoseconds: number
}

export type RoutinePlanner = (step: RoutineStep) => RoutinePlan
