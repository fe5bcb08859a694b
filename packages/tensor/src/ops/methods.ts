/** The operators as methods of a tensor: `x.add(y)` is `add(x, y)`. */
import type { DType } from '../dtype.js'
import { Tensor } from '../graph/tensor.js'
import * as activations from './activations.js'
import * as attention from './attention.js'
import { argumentError, show, type Operand } from './check.js'
import * as comparisons from './compare.js'
import * as convolutions from './conv.js'
import * as elementwise from './elementwise.js'
import * as grouped from './groupedMatmul.js'
import * as indexing from './indexing.js'
import * as losses from './loss.js'
import * as products from './matmul.js'
import * as movement from './movement.js'
import * as norms from './normalize.js'
import * as pooling from './pool.js'
import * as reductions from './reduce.js'
import { describeTensor, showTensor, toPrimitive } from './showTensor.js'
import * as sorting from './sort.js'

type Reduction = reductions.Reduction
type ArgReduction = reductions.ArgReduction
type CumulativeOptions = reductions.CumulativeOptions
type Axis = { readonly axis?: number }

/** Values as they are read back: narrow floats widened, bool as 0 and 1. */
export type TensorValues = Float32Array | Float64Array | Int32Array | Uint32Array | Int8Array | Uint8Array
/** Nested arrays of numbers; a number for rank 0. */
export type NestedNumbers = number | NestedNumbers[]

/** How values are read; given to `installMethods` by the package entry, because the runtime stands above the operators. */
export interface TensorReaders {
  data(x: Tensor): Promise<TensorValues>
  bytes(x: Tensor): Promise<Uint8Array>
  item(x: Tensor): Promise<number>
  toArray(x: Tensor): Promise<NestedNumbers>
  dispose(x: Tensor): void
}

/** Methods of every tensor. Each does what the function of its name does; see there. */
export interface TensorMethods {
  // Values
  /** All elements in row-major order; evaluates a lazy tensor. */
  data(): Promise<TensorValues>
  /** The raw bytes in the layout of the dtype; evaluates a lazy tensor. */
  bytes(): Promise<Uint8Array>
  /** The only element of a tensor of size 1; evaluates a lazy tensor. */
  item(): Promise<number>
  /** Nested arrays of numbers; evaluates a lazy tensor. */
  toArray(): Promise<NestedNumbers>
  toString(): string
  /** What it is, as text: `f32[2, 3]`, not its values. Those go into JSON as `await x.toArray()`. */
  toJSON(): string
  /**
   * Frees the value now; nobody has to. Also called at the end of a `using` block; its symbol is left out of this type, since
   * programs that compile for ES2022 do not know it.
   */
  dispose(): void

  // Elementwise
  neg(): Tensor
  abs(): Tensor
  sign(): Tensor
  square(): Tensor
  reciprocal(): Tensor
  exp(): Tensor
  log(): Tensor
  log1p(): Tensor
  expm1(): Tensor
  sqrt(): Tensor
  rsqrt(): Tensor
  sin(): Tensor
  cos(): Tensor
  tanh(): Tensor
  erf(): Tensor
  erfInv(): Tensor
  floor(): Tensor
  ceil(): Tensor
  round(): Tensor
  trunc(): Tensor
  sigmoid(): Tensor
  silu(): Tensor
  relu(): Tensor
  softplus(): Tensor
  gelu(options?: { approximate?: 'none' | 'tanh' }): Tensor
  swiglu(up: Operand): Tensor
  add(b: Operand): Tensor
  sub(b: Operand): Tensor
  mul(b: Operand): Tensor
  div(b: Operand): Tensor
  pow(b: Operand): Tensor
  minimum(b: Operand): Tensor
  maximum(b: Operand): Tensor
  rem(b: Operand): Tensor
  fma(b: Operand, c: Operand): Tensor
  clip(options?: { min?: number | null; max?: number | null }): Tensor
  where(a: Operand, b: Operand): Tensor
  cast(dtype: DType): Tensor
  bitcast(dtype: 'f32' | 'i32' | 'u32'): Tensor
  stopGradient(): Tensor

  // Comparisons, logic, bits
  equal(b: Operand): Tensor
  notEqual(b: Operand): Tensor
  less(b: Operand): Tensor
  lessEqual(b: Operand): Tensor
  greater(b: Operand): Tensor
  greaterEqual(b: Operand): Tensor
  isNaN(): Tensor
  isInf(): Tensor
  isFinite(): Tensor
  logicalAnd(b: Operand): Tensor
  logicalOr(b: Operand): Tensor
  logicalXor(b: Operand): Tensor
  logicalNot(): Tensor
  bitwiseAnd(b: Operand): Tensor
  bitwiseOr(b: Operand): Tensor
  bitwiseXor(b: Operand): Tensor
  bitwiseNot(): Tensor
  shiftLeft(b: Operand): Tensor
  shiftRight(b: Operand): Tensor

  // Reductions
  sum(options?: Reduction): Tensor
  prod(options?: Reduction): Tensor
  mean(options?: Reduction): Tensor
  max(options?: Reduction): Tensor
  min(options?: Reduction): Tensor
  any(options?: Reduction): Tensor
  all(options?: Reduction): Tensor
  logsumexp(options?: Reduction): Tensor
  var(options?: reductions.VarianceOptions): Tensor
  std(options?: reductions.VarianceOptions): Tensor
  norm(options?: reductions.NormOptions): Tensor
  argmax(options?: ArgReduction): Tensor
  argmin(options?: ArgReduction): Tensor
  cumsum(options?: CumulativeOptions): Tensor
  cumprod(options?: CumulativeOptions): Tensor
  cummax(options?: CumulativeOptions): Tensor
  cummin(options?: CumulativeOptions): Tensor

  // Movement
  reshape(shape: readonly number[]): Tensor
  transpose(perm?: readonly number[] | null): Tensor
  swapAxes(a: number, b: number): Tensor
  squeeze(axes?: reductions.Axes): Tensor
  expandDims(axes: number | readonly number[]): Tensor
  broadcastTo(shape: readonly number[]): Tensor
  flip(axes?: reductions.Axes): Tensor
  slice(slices: readonly movement.Slice[]): Tensor
  pad(pads: readonly (readonly [number, number])[], options?: movement.PadOptions): Tensor
  split(sizes: readonly number[], options?: Axis): Tensor[]
  unstack(options?: Axis): Tensor[]
  tile(reps: readonly number[]): Tensor
  repeat(repeats: number, options: { axis: number }): Tensor
  roll(shifts: number | readonly number[], options?: { axes?: reductions.Axes }): Tensor
  tril(options?: { k?: number }): Tensor
  triu(options?: { k?: number }): Tensor
  diag(options?: { k?: number }): Tensor

  // Indexing and sorting
  embedding(index: Tensor): Tensor
  gather(index: Tensor, options: { axis: number }): Tensor
  takeAlongAxis(index: Tensor, options: { axis: number }): Tensor
  indexSelect(index: Tensor, options?: Axis): Tensor
  scatterAdd(index: Tensor, updates: Tensor, options: { axis: number }): Tensor
  oneHot(numClasses: number, options?: { dtype?: DType }): Tensor
  dynamicSlice(starts: readonly indexing.Start[], size: readonly number[]): Tensor
  updateSlice(update: Tensor, starts: readonly indexing.Start[]): Tensor
  sort(options?: sorting.SortOptions): Tensor
  argsort(options?: sorting.SortOptions): Tensor
  topk(k: number, options?: { axis?: number; largest?: boolean }): [values: Tensor, indices: Tensor]

  // Products, convolution, pooling
  matmul(b: Tensor): Tensor
  dot(b: Tensor): Tensor
  outer(b: Tensor): Tensor
  quantMatmul(weight: products.QuantWeight, options?: { activations?: 'f32' | 'i16' | 'i8' }): Tensor
  groupedMatmul(weight: Tensor | products.QuantWeight, offsets: Tensor, options?: grouped.GroupedMatmulOptions): Tensor
  boundedMatmul(
    weight: Tensor | products.QuantWeight,
    inUse: Tensor | number,
    options?: grouped.GroupedMatmulOptions,
  ): Tensor
  conv1d(w: Tensor, bias?: Tensor | null, options?: convolutions.ConvOptions): Tensor
  conv2d(w: Tensor, bias?: Tensor | null, options?: convolutions.ConvOptions): Tensor
  conv3d(w: Tensor, bias?: Tensor | null, options?: convolutions.ConvOptions): Tensor
  convTranspose2d(w: Tensor, bias?: Tensor | null, options?: convolutions.ConvTransposeOptions): Tensor
  avgPool(options: pooling.AvgPoolOptions): Tensor
  avgPool2d(options: pooling.AvgPoolOptions): Tensor
  maxPool(options: pooling.MaxPoolOptions): Tensor
  maxPool2d(options: pooling.MaxPoolOptions): Tensor
  resize(size: readonly number[], options?: pooling.ResizeOptions): Tensor
  unfold(options: pooling.MaxPoolOptions): Tensor

  // Normalisation, attention, losses
  softmax(options?: Axis): Tensor
  logSoftmax(options?: Axis): Tensor
  layerNorm(weight?: Tensor | null, bias?: Tensor | null, options?: { axes?: number; eps?: number }): Tensor
  rmsNorm(weight?: Tensor | null, options?: { eps?: number }): Tensor
  groupNorm(weight: Tensor | null, bias: Tensor | null, options: { groups: number; eps?: number }): Tensor
  scaledDotProductAttention(k: Tensor, v: Tensor, options?: attention.AttentionOptions): Tensor
  rope(positions: Tensor, options?: attention.RopeOptions): Tensor
  crossEntropy(target: Tensor, options?: losses.CrossEntropyOptions): Tensor
}

type OperatorName = Exclude<keyof TensorMethods, keyof TensorReaders | 'toString' | 'toJSON'>

type Operator<Name extends OperatorName> = (
  x: Tensor,
  ...rest: Parameters<TensorMethods[Name]>
) => ReturnType<TensorMethods[Name]>

/** The function behind every method; the type makes a missing or different one a compile error. */
const operators: { readonly [Name in OperatorName]: Operator<Name> } = {
  neg: elementwise.neg,
  abs: elementwise.abs,
  sign: elementwise.sign,
  square: elementwise.square,
  reciprocal: elementwise.reciprocal,
  exp: elementwise.exp,
  log: elementwise.log,
  log1p: elementwise.log1p,
  expm1: elementwise.expm1,
  sqrt: elementwise.sqrt,
  rsqrt: elementwise.rsqrt,
  sin: elementwise.sin,
  cos: elementwise.cos,
  tanh: elementwise.tanh,
  erf: elementwise.erf,
  erfInv: elementwise.erfInv,
  floor: elementwise.floor,
  ceil: elementwise.ceil,
  round: elementwise.round,
  trunc: elementwise.trunc,
  sigmoid: activations.sigmoid,
  silu: activations.silu,
  relu: activations.relu,
  softplus: activations.softplus,
  gelu: activations.gelu,
  swiglu: activations.swiglu,
  add: elementwise.add,
  sub: elementwise.sub,
  mul: elementwise.mul,
  div: elementwise.div,
  pow: elementwise.pow,
  minimum: elementwise.minimum,
  maximum: elementwise.maximum,
  rem: elementwise.rem,
  fma: elementwise.fma,
  clip: elementwise.clip,
  where: elementwise.where,
  cast: elementwise.cast,
  bitcast: elementwise.bitcast,
  stopGradient: elementwise.stopGradient,
  equal: comparisons.equal,
  notEqual: comparisons.notEqual,
  less: comparisons.less,
  lessEqual: comparisons.lessEqual,
  greater: comparisons.greater,
  greaterEqual: comparisons.greaterEqual,
  isNaN: comparisons.isNaN,
  isInf: comparisons.isInf,
  isFinite: comparisons.isFinite,
  logicalAnd: comparisons.logicalAnd,
  logicalOr: comparisons.logicalOr,
  logicalXor: comparisons.logicalXor,
  logicalNot: comparisons.logicalNot,
  bitwiseAnd: comparisons.bitwiseAnd,
  bitwiseOr: comparisons.bitwiseOr,
  bitwiseXor: comparisons.bitwiseXor,
  bitwiseNot: comparisons.bitwiseNot,
  shiftLeft: comparisons.shiftLeft,
  shiftRight: comparisons.shiftRight,
  sum: reductions.sum,
  prod: reductions.prod,
  mean: reductions.mean,
  max: reductions.max,
  min: reductions.min,
  any: reductions.any,
  all: reductions.all,
  logsumexp: reductions.logsumexp,
  var: reductions.variance,
  std: reductions.std,
  norm: reductions.norm,
  argmax: reductions.argmax,
  argmin: reductions.argmin,
  cumsum: reductions.cumsum,
  cumprod: reductions.cumprod,
  cummax: reductions.cummax,
  cummin: reductions.cummin,
  reshape: movement.reshape,
  transpose: movement.transpose,
  swapAxes: movement.swapAxes,
  squeeze: movement.squeeze,
  expandDims: movement.expandDims,
  broadcastTo: movement.broadcastTo,
  flip: movement.flip,
  slice: movement.slice,
  pad: movement.pad,
  split: movement.split,
  unstack: movement.unstack,
  tile: movement.tile,
  repeat: movement.repeat,
  roll: movement.roll,
  tril: movement.tril,
  triu: movement.triu,
  diag: movement.diag,
  embedding: indexing.embedding,
  gather: indexing.gather,
  takeAlongAxis: indexing.takeAlongAxis,
  indexSelect: indexing.indexSelect,
  scatterAdd: indexing.scatterAdd,
  oneHot: indexing.oneHot,
  dynamicSlice: indexing.dynamicSlice,
  updateSlice: indexing.updateSlice,
  sort: sorting.sort,
  argsort: sorting.argsort,
  topk: sorting.topk,
  matmul: products.matmul,
  dot: products.dot,
  outer: products.outer,
  quantMatmul: products.quantMatmul,
  groupedMatmul: grouped.groupedMatmul,
  boundedMatmul: grouped.boundedMatmul,
  conv1d: convolutions.conv1d,
  conv2d: convolutions.conv2d,
  conv3d: convolutions.conv3d,
  convTranspose2d: convolutions.convTranspose2d,
  avgPool: pooling.avgPool,
  avgPool2d: pooling.avgPool2d,
  maxPool: pooling.maxPool,
  maxPool2d: pooling.maxPool2d,
  resize: pooling.resize,
  unfold: pooling.unfold,
  softmax: norms.softmax,
  logSoftmax: norms.logSoftmax,
  layerNorm: norms.layerNorm,
  rmsNorm: norms.rmsNorm,
  groupNorm: norms.groupNorm,
  scaledDotProductAttention: attention.scaledDotProductAttention,
  rope: attention.rope,
  crossEntropy: losses.crossEntropy,
}

/** Methods whose last parameters may be left out. They check themselves what stands there. */
const WITH_OPTIONAL: ReadonlySet<string> = new Set<OperatorName>([
  'gelu',
  'clip',
  'sum',
  'prod',
  'mean',
  'max',
  'min',
  'any',
  'all',
  'logsumexp',
  'var',
  'std',
  'norm',
  'argmax',
  'argmin',
  'cumsum',
  'cumprod',
  'cummax',
  'cummin',
  'transpose',
  'squeeze',
  'flip',
  'pad',
  'split',
  'unstack',
  'roll',
  'tril',
  'triu',
  'diag',
  'indexSelect',
  'oneHot',
  'sort',
  'argsort',
  'topk',
  'quantMatmul',
  'groupedMatmul',
  'conv1d',
  'conv2d',
  'conv3d',
  'convTranspose2d',
  'resize',
  'softmax',
  'logSoftmax',
  'layerNorm',
  'rmsNorm',
  'scaledDotProductAttention',
  'rope',
  'crossEntropy',
])

/** Options that the operator does not have would be ignored without a word, as in `a.matmul(b, { transposeB: true })`. */
function tooMany(name: string, most: number, rest: readonly unknown[]): Error {
  const count = most === 0 ? 'nothing' : most === 1 ? 'one argument' : `${most} arguments`
  return argumentError(
    name,
    `the method takes ${count} beside the tensor itself`,
    `${rest.length}, the last ${show(rest[rest.length - 1])}`,
    'drop what is too much, and see the documentation of the operator',
  )
}

let installed = false

/** Puts the methods on `Tensor.prototype`. Called once, by the package entry. */
export function installMethods(readers: TensorReaders): void {
  if (installed) return
  installed = true
  define('toString', showTensor)
  define(Symbol.for('nodejs.util.inspect.custom'), showTensor)
  define('toJSON', describeTensor)
  define(Symbol.toPrimitive, toPrimitive)
  for (const [name, read] of Object.entries(readers) as [string, Method][]) define(name, read)
  // Older browsers have no `using` and no symbol for it.
  if (typeof Symbol.dispose === 'symbol') define(Symbol.dispose, (x) => readers.dispose(x))
  for (const [name, operator] of Object.entries(operators) as [string, Method][])
    define(name, operator, WITH_OPTIONAL.has(name) ? Infinity : operator.length - 1)
}

type Method = (x: Tensor, ...rest: never[]) => unknown

function define(name: string | symbol, method: Method, most = Infinity): void {
  const value = function (this: Tensor, ...rest: never[]): unknown {
    const result = method(this, ...rest)
    // Afterwards: what the operator says of numbers that should be one list teaches more.
    if (rest.length > most) throw tooMany(String(name), most, rest)
    return result
  }
  Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true })
}
