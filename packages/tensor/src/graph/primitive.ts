/**
 * The primitives of the graph: the only operators with derivative, batching and lowering rules.
 * Everything else in the package is a composition of these.
 *
 * Constructors: `primitives.ts`. Rules: `transforms/vjpRules.ts`, `jvpRules.ts`, `batchRules.ts`, `compiler/lower*.ts`.
 */
import type { DType } from '../dtype.js'
import type { Tensor } from './tensor.js'

export interface TensorSpec {
  readonly shape: readonly number[]
  readonly dtype: DType
}

/** Elementwise functions of one float operand. `sign`, `neg` and `abs` also take signed integers, `not` integers and bool. */
export type UnaryName =
  | 'neg'
  | 'abs'
  | 'sign'
  | 'floor'
  | 'ceil'
  | 'round'
  | 'sqrt'
  | 'exp'
  | 'log'
  | 'log1p'
  | 'expm1'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'erf'
  | 'erfInv'
  | 'not'

/** Elementwise functions of two operands of one dtype and one shape. `rem`, `shl`, `shr` are for integers; `and`, `or`, `xor` for integers and bool. */
export type BinaryName =
  'add' | 'sub' | 'mul' | 'div' | 'pow' | 'minimum' | 'maximum' | 'rem' | 'and' | 'or' | 'xor' | 'shl' | 'shr'

/** Elementwise comparisons: bool results. IEEE for floats. */
export type CompareName = 'eq' | 'ne' | 'lt' | 'le'

export type ReduceName = 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all' | 'argMax' | 'argMin'

type None = Readonly<Record<never, never>>

export interface ConvAttrs {
  readonly stride: readonly number[]
  readonly padLow: readonly number[]
  readonly padHigh: readonly number[]
  readonly lhsDilation: readonly number[]
  readonly rhsDilation: readonly number[]
  readonly groups: number
}

export interface AttentionAttrs {
  readonly causal: 'none' | 'topLeft' | 'bottomRight'
  readonly scale: number
  /** How the optional mask operand is read. */
  readonly mask: 'none' | 'bool' | 'float'
  /** Whether the last operand is the i32 [] number of keys in use. */
  readonly hasLength: boolean
}

export interface QuantMatmulAttrs {
  readonly format: string
  readonly group: number
  readonly activations: 'f32' | 'i16' | 'i8'
  readonly outFeatures: number
}

/** A traced function: outputs in terms of its placeholders. Tensors reached that are not placeholders are captured. */
export interface SubGraph {
  readonly placeholders: readonly Tensor[]
  readonly outputs: readonly Tensor[]
}

export interface ScanAttrs {
  /** body: [...constants, ...carries, ...slices] -> [...carries, ...stacked]; no captures (constants are operands). */
  readonly body: SubGraph
  readonly constants: number
  readonly carries: number
  /** Trips, or their capacity when `bounded`. */
  readonly trips: number
  readonly reverse: boolean
  /**
   * Constant 0 is the number of trips at run time, i32 [], clamped to 0 … trips. Slices past it are not read, those of stacked
   * outputs are zero; in reverse the first trip takes slice bound-1.
   */
  readonly bounded: boolean
}

/** A rule given by the user or by a composite; replaces the derivative of `custom`'s body. */
export interface CustomRules {
  readonly name: string
  /** Cotangents of all outputs -> cotangents of `operands` (null: none). An ordinary differentiable function. */
  readonly vjp?: (
    cotangents: readonly Tensor[],
    operands: readonly Tensor[],
    outputs: readonly Tensor[],
  ) => readonly (Tensor | null)[]
  /** Tangents of operands (zeros where none) -> tangents of the outputs. Without it a jvp goes through the body (`throughBody`) or throws. */
  readonly jvp?: (
    tangents: readonly Tensor[],
    operands: readonly Tensor[],
    outputs: readonly Tensor[],
  ) => readonly Tensor[]
  /** Library composites whose rule equals the derivative of the body: a jvp may differentiate the body. */
  readonly throughBody: boolean
}

export interface CustomAttrs {
  readonly rules: CustomRules
  /** Inputs of the node are [...operands, ...body outputs]; output k is body output k. */
  readonly operands: number
}

/** Attributes of every primitive. All but `scan` and `custom` are plain data. */
export type PrimitiveAttrs = {
  /** No value: stands for an argument while a function is traced. */
  placeholder: None
  /** Rank 0. Outside `compile` its value is a run-time parameter of the program. */
  scalar: { readonly value: number }
  /** Rank 1 [n]: 0 … n-1 in i32 or u32 or f32. */
  iota: None
  cast: { readonly to: DType }
  /** f32, i32, u32 among each other. */
  bitcast: { readonly to: DType }
  /** cond, a, b. The branch not taken touches neither value nor gradient. */
  select: None
  /** k0, k1, x0, x1 (u32): word 0 or 1 of threefry-2x32 with 20 rounds. */
  threefry: { readonly word: 0 | 1 }
  /** Identity without derivative. */
  stopGradient: None
  /** Identity of operand 0 that waits for the others; never merged with an equal node (`region` is unique). */
  barrier: { readonly region: number }
  /** Identity that a transform differentiates with respect to. */
  alias: { readonly trace: number }
  custom: CustomAttrs
  reshape: { readonly shape: readonly number[] }
  transpose: { readonly perm: readonly number[] }
  /** Leading axes may be added; sizes 1 grow. */
  broadcastTo: { readonly shape: readonly number[] }
  /** Output index i reads start + step·i; steps may be negative, never 0. One entry per axis. */
  slice: { readonly start: readonly number[]; readonly size: readonly number[]; readonly step: readonly number[] }
  /** Constant padding; `interior` elements between neighbours; low and high may be negative (cut). One entry per axis. */
  pad: {
    readonly low: readonly number[]
    readonly high: readonly number[]
    readonly interior: readonly number[]
    readonly value: number
  }
  /** [.., n, ..] -> [.., count, .., size] with the window axis appended last: element (i, w) reads i·stride + w·dilation on `axis`. */
  window: { readonly axis: number; readonly size: number; readonly stride: number; readonly dilation: number }
  concat: { readonly axis: number }
  /** x, index i32: same rank, equal sizes off the axis. Out of range: NaN for floats, 0 otherwise. */
  gather: { readonly axis: number }
  /** x, index i32, updates: index and updates have one shape, sizes off the axis equal x's. Out of range: dropped. */
  scatterAdd: { readonly axis: number }
  /** x, then one i32 [] start per axis, clamped so that the slice fits. */
  dynamicSlice: { readonly size: readonly number[] }
  /** x, update, then one i32 [] start per axis, clamped. */
  updateSlice: None
  /** Axes ascending, dropped from the shape. argMax and argMin: one axis, i32, lowest index first, NaN wins. */
  reduce: { readonly kind: ReduceName; readonly axes: readonly number[] }
  /** [Z…, M, K] × [Z…, K, N] with equal batch axes; f32 f16 bf16, i32. */
  matmul: None
  /**
   * a, b, offsets i32 [E + 1]: group e has rows offsets[e] … offsets[e+1]-1; offsets are clamped to 0 … N and never fall.
   * `columns`: a [N, K], b [E, K, M] -> [N, M], zero outside of all groups. `rows`: a [N, K], b [N, M] -> [E, K, M], aᵀ b of each group.
   */
  groupedMatmul: { readonly contract: 'columns' | 'rows' }
  quantMatmul: QuantMatmulAttrs
  /** x [N, K], the parts of E weights one after the other, offsets i32 [E + 1] as of `groupedMatmul` -> [N, outFeatures] */
  groupedQuantMatmul: QuantMatmulAttrs
  /** x [N, C, S…], w [O, C/groups, K…] */
  conv: ConvAttrs
  /** q, k, v, mask?, length? -> out, lse */
  attention: AttentionAttrs
  /** q, k, v, out, lse, dout, mask?, length? -> dq, dk, dv */
  attentionGrad: AttentionAttrs
  /** x -> values, order (i32) */
  sort: { readonly axis: number; readonly descending: boolean }
  cumulative: {
    readonly kind: 'sum' | 'prod' | 'max' | 'min'
    readonly axis: number
    readonly exclusive: boolean
    readonly reverse: boolean
  }
  scan: ScanAttrs
} & { [K in UnaryName | BinaryName | CompareName]: None }

export type PrimitiveName = keyof PrimitiveAttrs

const UNARY: ReadonlySet<string> = new Set<UnaryName>([
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'sqrt',
  'exp',
  'log',
  'log1p',
  'expm1',
  'sin',
  'cos',
  'tanh',
  'erf',
  'erfInv',
  'not',
])
const BINARY: ReadonlySet<string> = new Set<BinaryName>([
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'minimum',
  'maximum',
  'rem',
  'and',
  'or',
  'xor',
  'shl',
  'shr',
])
const COMPARE: ReadonlySet<string> = new Set<CompareName>(['eq', 'ne', 'lt', 'le'])

export function isUnary(op: PrimitiveName): op is UnaryName {
  return UNARY.has(op)
}
export function isBinary(op: PrimitiveName): op is BinaryName {
  return BINARY.has(op)
}
export function isCompare(op: PrimitiveName): op is CompareName {
  return COMPARE.has(op)
}

/** Elementwise: every operand has the shape of the output. */
export function isPointwise(op: PrimitiveName): boolean {
  return (
    UNARY.has(op) ||
    BINARY.has(op) ||
    COMPARE.has(op) ||
    op === 'cast' ||
    op === 'bitcast' ||
    op === 'select' ||
    op === 'threefry'
  )
}
