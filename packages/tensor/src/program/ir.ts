/**
 * The one intermediate form that every backend executes.
 *
 * A `Program` is a list of steps over numbered slots (flat, dense, row-major buffers). CPU, WebGPU and CUDA
 * differ by the printer of `FusedStep`s and by their routine library; the reference backend interprets it.
 */
import type { DType, ScalarType } from '../dtype.js'

/** What a backend loads and runs: steps over slots, with everything about sizes and places decided. */
export interface Program {
  /** Buffers the steps read and write. */
  readonly slots: readonly Slot[]
  /** Run-time scalars, given anew with every run (`number` operands outside `compile`). */
  readonly params: readonly ScalarType[]
  /** In execution order. A step may start when the one before it has ended. */
  readonly steps: readonly Step[]
  /** Bytes of scratch that hold all `temp` slots at their planned offsets. */
  readonly arenaBytes: number
  readonly inputCount: number
  readonly outputCount: number
}

/** One buffer. `bytes` is the exact size; allocations may be larger. */
export interface Slot {
  readonly dtype: DType
  readonly elements: number
  readonly bytes: number
  /**
   * `input` and `output`: bound by the caller, `index` counts inputs and outputs separately.
   * An output with `aliasOf` is written into the buffer of that (donated) input: the caller binds the same buffer.
   * `temp`: at byte `offset` of the arena; temps whose lifetimes do not overlap may share bytes.
   */
  readonly place:
    | { readonly kind: 'input'; readonly index: number }
    | { readonly kind: 'output'; readonly index: number; readonly aliasOf?: number }
    | { readonly kind: 'temp'; readonly offset: number }
}

/** One unit of work of a program. */
export type Step = FusedStep | RoutineStep | LoopStep | CollectiveStep

/**
 * One kernel over a rectangular domain: `outer` axes (rows) times one `inner` axis (the elements of a row).
 *
 * For every row: for p = 0 … phases-1, run over the row and finish the reductions of phase p; then run over
 * the row once more for the element stores (when there are any); then do the row stores.
 * `exprs` is in dependency order: an expression's arguments have smaller numbers.
 * An expression is of level `row` when it does not depend on the inner axis (reductions included), else
 * `element`; element expressions needed by several phases are recomputed or kept in scratch, which must not
 * change a bit. Rows are independent of each other and may run in any order and on any thread.
 * Slots may be updated in place: a stored slot can be the buffer of a loaded one that is read at exactly the stored
 * element, so all loads of an element (or row) come before any of its stores, whatever expressions need them.
 */
export interface FusedStep {
  readonly kind: 'fused'
  /** For people and profiles: the names of the operators inside. Not part of the kernel's identity. */
  readonly label: string
  readonly outer: readonly number[]
  /** Extent of the inner axis; 1 when a row is a single element. May be 0. */
  readonly inner: number
  readonly exprs: readonly Expr[]
  /** Number of reduction phases, 0 … 4. */
  readonly phases: number
  readonly stores: readonly Store[]
  /** Slots that `load` and `Store` name by position in this list, so that equal kernels of other layers share code. */
  readonly operands: readonly number[]
  /** Program params that `param` expressions name by position in this list. */
  readonly params: readonly number[]
}

/**
 * Where an element lies in a slot, counted in elements:
 * offset + Σ strides[a]·index[a] (outer axes first, the inner axis last) + Σ stride·value(expr).
 */
export interface Access {
  readonly offset: number
  readonly strides: readonly number[]
  /** Data-dependent terms (gathers); the expressions are of type i32. */
  readonly gathered: readonly { readonly expr: number; readonly stride: number }[]
}

/** A value of a fused step that is written to memory. */
export interface Store {
  /** Position in `operands`. */
  readonly operand: number
  /** dtype of the slot; the value is narrowed to it exactly (it was rounded before). */
  readonly dtype: DType
  readonly access: Access
  readonly value: number
  /** `row` stores happen once a row, `element` stores for every element. */
  readonly level: Level
}

/** How often a value exists: once a row, or once for every element of it. */
export type Level = 'row' | 'element'

/** Ways to fold a row into one value. Lowest index first for argMax and argMin; NaN wins both and max, min. */
export type ReduceKind = 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all' | 'argMax' | 'argMin'

/** A value of a fused step. */
export type Expr = { readonly type: ScalarType; readonly level: Level } & (
  | {
      readonly op: 'const'
      /** f32, i32 or u32 value; bool 0 or 1. f32 consts are exact in f32 (NaN, Infinity and -0 occur) */ readonly value: number
    }
  | { readonly op: 'param'; /** position in `params` of the step */ readonly param: number }
  /** i32 coordinate on an axis: outer axes 0 … outer.length-1, the inner axis outer.length. */
  | { readonly op: 'index'; readonly axis: number }
  /** Reads `operand` where `guard` (type bool) holds or there is none; elsewhere the value is 0 and memory is not touched. */
  | {
      readonly op: 'load'
      readonly operand: number
      readonly dtype: DType
      readonly access: Access
      readonly guard?: number
    }
  /** Finished at the end of phase `phase`; always of level row, type i32 for argMax and argMin. */
  | { readonly op: 'reduce'; readonly kind: ReduceKind; readonly arg: number; readonly phase: number }
  /** f32 value rounded to f16 or bf16 (nearest even, subnormals kept) and widened again; i32 or u32 wrapped to i8 or u8. */
  | { readonly op: 'round'; readonly to: 'f16' | 'bf16' | 'i8' | 'u8'; readonly args: readonly [number] }
  | { readonly op: UnaryExprOp; readonly args: readonly [number] }
  | { readonly op: BinaryExprOp; readonly args: readonly [number, number] }
  /** args: condition (bool), value if true, value if false. */
  | { readonly op: 'select'; readonly args: readonly [number, number, number] }
  /** a·b + c: one rounding where the machine has it, else two. Appears only inside lowered math functions. */
  | { readonly op: 'fma'; readonly args: readonly [number, number, number] }
)

/**
 * f32: neg abs sqrt floor ceil rint (half to even) trunc.   i32: neg abs.   any integer: not (bitwise); bool: not.
 * Conversions: toF32 (from i32, u32, bool → 0/1), toI32 and toU32 (from f32: cut toward zero, clamp, NaN → 0;
 * from the other integer: same bits; from bool: 0/1), toBool (anything not 0, NaN too).
 * bitsToF32, bitsToI32, bitsToU32: reinterpret.
 * Math functions (f32, only before `lowerMath`): exp log log1p expm1 sin cos tanh erf erfInv.
 * A backend either calls `lowerMath(step)` first, which leaves none of them, or uses its own where it meets the tolerances.
 */
export type UnaryExprOp =
  | 'neg'
  | 'abs'
  | 'sqrt'
  | 'floor'
  | 'ceil'
  | 'rint'
  | 'trunc'
  | 'not'
  | 'toF32'
  | 'toI32'
  | 'toU32'
  | 'toBool'
  | 'bitsToF32'
  | 'bitsToI32'
  | 'bitsToU32'
  | MathFunction

/** Lowered to the other operators by `lowerMath`. */
export type MathFunction = 'exp' | 'log' | 'log1p' | 'expm1' | 'sin' | 'cos' | 'tanh' | 'erf' | 'erfInv'

/**
 * f32, i32, u32: add sub mul div (integers cut toward zero, x/0 = 0) min max (floats: NaN wins).
 * Integers: rem (sign of the dividend, x%0 = 0) and or xor shl shr (u32 logical, i32 arithmetic; the count is taken modulo 32).
 * bool: and or xor. Comparisons of two equal types give bool: eq ne lt le (floats: IEEE).
 * pow (f32, only before `lowerMath`).
 */
export type BinaryExprOp =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'min'
  | 'max'
  | 'rem'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr'
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'pow'

/** A strided window onto a slot, in elements. */
export interface View {
  readonly slot: number
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly offset: number
}

/**
 * Work done by a hand-written kernel. `attrs` is plain JSON data; see `routines.ts` for every name,
 * its attributes, operands and results. Results are dense. `epilogue` reads the finished result by ordinary
 * loads and may overwrite it; it has the result's domain and no phases, reads each element of the result only where it
 * is, and may be run tile by tile, while the routine still reads its operands for other tiles.
 */
export interface RoutineStep {
  readonly kind: 'routine'
  readonly name: RoutineName
  readonly attrs: RoutineAttrs
  readonly operands: readonly View[]
  readonly results: readonly View[]
  readonly epilogue?: FusedStep
}

/** The hand-written kernels that a program may call; `routines.ts` has the contract of each. */
export type RoutineName =
  | 'matmul'
  | 'groupedMatmul'
  | 'quantMatmul'
  | 'groupedQuantMatmul'
  | 'attention'
  | 'attentionGrad'
  | 'conv'
  | 'scatterAdd'
  | 'sort'
  | 'cumulative'
  | 'copy'

/** Constants of a routine or collective, plain JSON so that they can be part of a key. */
export type RoutineAttrs = { readonly [name: string]: string | number | boolean | null | readonly number[] }

/**
 * Runs `body` trips times. Each body input is bound to a whole slot, to slice t of a slot (t or trips-1-t), or to
 * the carry; body outputs become the next carry or slice t of a slot. Carries start from `init` and end in `final`.
 * The body's temps live at `arenaOffset` of the outer arena.
 */
export interface LoopStep {
  readonly kind: 'loop'
  readonly trips: number
  /**
   * Slot of an i32 scalar: how many of the trips are made, clamped to 0 … trips and read once, before the first. Slices past it
   * are not read, those of outputs are filled with zeros. In reverse the first trip takes slice bound-1.
   */
  readonly bound?: number
  readonly reverse: boolean
  readonly body: Program
  readonly arenaOffset: number
  readonly inputs: readonly LoopInput[]
  readonly outputs: readonly LoopOutput[]
  /**
   * Carry c lives in slot `buffers[0]` before even trips and `buffers[1]` before odd ones; the first trip reads `init`,
   * the last writes `final`. All are slots of the outer program.
   */
  readonly carries: readonly {
    readonly init: number
    readonly final: number
    readonly buffers: readonly [number, number]
  }[]
}

/**
 * What one input of a loop's body is bound to: slot `slot` of the outer program, slice t of it (`elements` long), or a
 * carry.
 */
export type LoopInput =
  | { readonly kind: 'whole'; readonly slot: number }
  | { readonly kind: 'slice'; readonly slot: number; readonly elements: number }
  | { readonly kind: 'carry'; readonly carry: number }

/** Where one output of a loop's body goes: slice t of slot `slot` (`elements` long), or the next value of a carry. */
export type LoopOutput =
  | { readonly kind: 'slice'; readonly slot: number; readonly elements: number }
  | { readonly kind: 'carry'; readonly carry: number }

/** Communication between the members of a process group; executed by `@tarazed/distributed`'s engines. */
export interface CollectiveStep {
  readonly kind: 'collective'
  readonly name: 'allReduce' | 'allGather' | 'reduceScatter' | 'broadcast'
  readonly attrs: RoutineAttrs
  readonly operands: readonly View[]
  readonly results: readonly View[]
}

/**
 * How a float sum or product is ordered, on every backend that promises bitwise results (n = inner extent):
 * element j belongs to lane j mod 16; within a block of 1,024 consecutive elements each lane folds its elements in
 * ascending order starting from the identity; block results are folded into the lane totals in block order;
 * lane totals are folded pairwise: l with l+8, then +4, +2, +1.
 */
export const REDUCE_LANES = 16
/** Consecutive elements that the lanes fold before their results join the totals; see `REDUCE_LANES`. */
export const REDUCE_BLOCK = 1024

/** Longest chain of reductions over one row in a step. */
export const MAX_PHASES = 4
