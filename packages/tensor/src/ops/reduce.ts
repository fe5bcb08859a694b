/** Reductions and running folds. */
import { isFloat, type DType } from '../dtype.js'
import type { ReduceName } from '../graph/primitive.js'
import {
  castTo,
  cumulativeOf,
  reduceOver,
  reshapeTo,
  scalarConst,
  broadcast,
  unary,
  binary,
} from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { normalizeAxes, normalizeAxis } from '../shape.js'
import {
  choose,
  finiteShift,
  foldedCount,
  inF32,
  isEqual,
  keptShape,
  maxForShift,
  meanOver,
  minus,
  over,
  spread,
  sqrtFlatAtZero,
  times,
} from './build.js'
import {
  argumentError,
  dtypeError,
  requireBoolean,
  requireFloat,
  requireNumber,
  requireNumeric,
  requireTensor,
  shapeError,
  show,
} from './check.js'
import { checkOptions } from './options.js'

/** null: all axes. */
export type Axes = number | readonly number[] | null

/** Which axes are reduced. Default: all of them, and they are dropped. */
export interface Reduction {
  readonly axes?: Axes
  /** Keep reduced axes with size 1. */
  readonly keepdims?: boolean
}

const REDUCTION = ['axes', 'keepdims'] as const

/** Axes checked, ascending; and how to finish a result that dropped them. */
function reduction<Options extends Reduction>(
  op: string,
  x: Tensor,
  options: Options,
  names: readonly (keyof Options & string)[] = REDUCTION,
): { axes: number[]; finish: (reduced: Tensor) => Tensor } {
  requireTensor(op, x)
  const { axes = null, keepdims = false } = checkOptions(op, options, names)
  requireBoolean(op, 'keepdims', keepdims)
  const list = normalizeAxes(op, axes, x.shape)
  return { axes: list, finish: (reduced) => (keepdims ? reshapeTo(reduced, keptShape(x.shape, list)) : reduced) }
}

/** Sums and products of small integers and bools are counted in 32 bits. */
function accumulated(x: Tensor): Tensor {
  if (x.dtype === 'i8' || x.dtype === 'bool') return castTo(x, 'i32')
  return x.dtype === 'u8' ? castTo(x, 'u32') : x
}

/** The sum; of nothing 0. i8 and bool give i32, u8 gives u32; integers wrap; narrow floats are added in f32. */
export function sum(x: Tensor, options: Reduction = {}): Tensor {
  const { axes, finish } = reduction('sum', x, options)
  return finish(inF32(accumulated(x), (wide) => reduceOver('sum', wide, axes)))
}

/** The product; of nothing 1. Dtypes as in `sum`. Its gradient is finite also where elements are 0. */
export function prod(x: Tensor, options: Reduction = {}): Tensor {
  const { axes, finish } = reduction('prod', x, options)
  return finish(inF32(accumulated(x), (wide) => reduceOver('prod', wide, axes)))
}

/** The mean; of nothing NaN. @throws DTypeError for integers */
export function mean(x: Tensor, options: Reduction = {}): Tensor {
  requireFloat('mean', x)
  const { axes, finish } = reduction('mean', x, options)
  return finish(inF32(x, (wide) => meanOver(wide, axes)))
}

function extreme(op: 'max' | 'min', x: Tensor, options: Reduction): Tensor {
  const { axes, finish } = reduction(op, x, options)
  requireNumeric(op, x)
  requireElements(op, x, axes)
  return finish(reduceOver(op, x, axes))
}

function requireElements(op: string, x: Tensor, axes: readonly number[]): void {
  if (foldedCount(x.shape, axes) === 0)
    throw shapeError(
      op,
      'the reduced axes must have elements',
      `${show(x)} over axes [${axes.join(', ')}]`,
      'pad the tensor or skip the call',
    )
}

/** The largest element; NaN wins; equal maxima share the gradient. @throws ShapeError over nothing */
export function max(x: Tensor, options: Reduction = {}): Tensor {
  return extreme('max', x, options)
}

/** The smallest element; NaN wins; equal minima share the gradient. @throws ShapeError over nothing */
export function min(x: Tensor, options: Reduction = {}): Tensor {
  return extreme('min', x, options)
}

function truth(op: 'any' | 'all', x: Tensor, options: Reduction): Tensor {
  const { axes, finish } = reduction(op, x, options)
  return finish(reduceOver(op, castTo(x, 'bool'), axes))
}

/** Whether an element is true (not 0); of nothing false. */
export function any(x: Tensor, options: Reduction = {}): Tensor {
  return truth('any', x, options)
}

/** Whether every element is true (not 0); of nothing true. */
export function all(x: Tensor, options: Reduction = {}): Tensor {
  return truth('all', x, options)
}

/** Where `argmax` and `argmin` look. Defaults: axis null, and the axis is dropped. */
export interface ArgReduction {
  /** null: the index into the flattened tensor. */
  readonly axis?: number | null
  readonly keepdims?: boolean
}

function argExtreme(op: 'argmax' | 'argmin', kind: ReduceName, x: Tensor, options: ArgReduction): Tensor {
  requireTensor(op, x)
  const { axis = null, keepdims = false } = checkOptions(op, options, ['axis', 'keepdims'])
  requireBoolean(op, 'keepdims', keepdims)
  requireNumeric(op, x)
  const flat = axis === null
  const on = flat ? reshapeTo(x, [x.size]) : x
  const at = flat ? 0 : normalizeAxis(op, axis, x.shape)
  requireElements(op, on, [at])
  const index = reduceOver(kind, on, [at])
  if (!keepdims) return index
  return reshapeTo(index, flat ? x.shape.map(() => 1) : keptShape(x.shape, [at]))
}

/** i32 index of the largest element, the lowest among equals; NaN wins. @throws ShapeError over nothing */
export function argmax(x: Tensor, options: ArgReduction = {}): Tensor {
  return argExtreme('argmax', 'argMax', x, options)
}

/** i32 index of the smallest element, the lowest among equals; NaN wins. @throws ShapeError over nothing */
export function argmin(x: Tensor, options: ArgReduction = {}): Tensor {
  return argExtreme('argmin', 'argMin', x, options)
}

/** Σ (x - mean)² / (n - correction), in two passes. */
function varianceOver(x: Tensor, axes: readonly number[], correction: number): Tensor {
  const centred = minus(x, spread(meanOver(x, axes), x.shape, axes))
  const divisor = Math.max(0, foldedCount(x.shape, axes) - correction)
  return over(reduceOver('sum', times(centred, centred), axes), divisor)
}

/** Options of `variance` and `std`. */
export interface VarianceOptions extends Reduction {
  /** The divisor is n - correction: 0 for the population, 1 for the unbiased estimate. Default 0. */
  readonly correction?: number
}

function deviations(op: string, x: Tensor, options: VarianceOptions, last: (squared: Tensor) => Tensor): Tensor {
  const { axes, finish } = reduction(op, x, options, ['axes', 'keepdims', 'correction'])
  const { correction = 0 } = options
  requireNumber(op, 'correction', correction)
  return finish(inF32(x, (wide) => last(varianceOver(wide, axes, correction))))
}

/** The variance; named so because `var` is a reserved word (the method is `x.var(…)`). */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  requireFloat('var', x)
  return deviations('var', x, options, (squared) => squared)
}

/** The standard deviation; its gradient is 0 where it is 0. */
export function std(x: Tensor, options: VarianceOptions = {}): Tensor {
  requireFloat('std', x)
  return deviations('std', x, options, sqrtFlatAtZero)
}

/** log Σ exp(x); of nothing -Infinity. Its gradient is 0 where every element is -Infinity. */
export function logsumexp(x: Tensor, options: Reduction = {}): Tensor {
  requireFloat('logsumexp', x)
  const { axes, finish } = reduction('logsumexp', x, options)
  return finish(inF32(x, (wide) => logSumExpOver(wide, axes)))
}

/** Two phases: the maximum, then the sum. */
export function logSumExpOver(x: Tensor, axes: readonly number[]): Tensor {
  const shape = x.shape.filter((_, k) => !axes.includes(k))
  if (foldedCount(x.shape, axes) === 0) return broadcast(scalarConst(-Infinity, x.dtype), shape)
  const shift = finiteShift(maxForShift(x, axes))
  const total = reduceOver('sum', unary('exp', minus(x, spread(shift, x.shape, axes))), axes)
  const nothing = isEqual(total, 0)
  return choose(nothing, -Infinity, binary('add', unary('log', choose(nothing, 1, total)), shift))
}

/** Options of `norm`. */
export interface NormOptions extends Reduction {
  /** A positive number or 'inf'. Default 2. */
  readonly ord?: number | 'inf'
}

/**
 * The norm (Σ |x|ᵖ)^(1/p) of the reduced axes taken as one vector; its gradient at the zero vector is 0.
 * @throws ArgumentError for an ord that is not positive
 */
export function norm(x: Tensor, options: NormOptions = {}): Tensor {
  requireFloat('norm', x)
  const { axes, finish } = reduction('norm', x, options, ['axes', 'keepdims', 'ord'])
  const { ord = 2 } = options
  if (ord !== 'inf' && !(typeof ord === 'number' && ord > 0))
    throw argumentError('norm', "ord must be a positive number or 'inf'", show(ord), 'change ord')
  return finish(inF32(x, (wide) => normOver(wide, axes, ord === 'inf' ? Infinity : ord)))
}

function normOver(x: Tensor, axes: readonly number[], ord: number): Tensor {
  const magnitude = (): Tensor => unary('abs', x)
  switch (ord) {
    case 1:
      return reduceOver('sum', magnitude(), axes)
    case 2:
      return sqrtFlatAtZero(reduceOver('sum', times(x, x), axes))
    case Infinity:
      requireElements('norm', x, axes)
      return reduceOver('max', magnitude(), axes)
    default:
      return flatPower(reduceOver('sum', flatPower(magnitude(), ord), axes), 1 / ord)
  }
}

/** xᵖ for x ≥ 0 whose derivative at 0 is 0. */
function flatPower(x: Tensor, exponent: number): Tensor {
  if (exponent === 3) return times(times(x, x), x)
  const zero = isEqual(x, 0)
  const safe = choose(zero, 1, x)
  return choose(zero, 0, binary('pow', safe, broadcast(scalarConst(exponent, x.dtype), x.shape)))
}

/** Options of `cumsum`, `cumprod`, `cummax` and `cummin`. Default: from the start, the element itself included. */
export interface CumulativeOptions {
  /** Default -1. */
  readonly axis?: number
  /** Leave the element itself out: the first result is the fold of nothing. */
  readonly exclusive?: boolean
  /** From the end. */
  readonly reverse?: boolean
}

function cumulative(op: string, kind: 'sum' | 'prod' | 'max' | 'min', x: Tensor, options: CumulativeOptions): Tensor {
  requireTensor(op, x)
  const { axis = -1, exclusive = false, reverse = false } = checkOptions(op, options, ['axis', 'exclusive', 'reverse'])
  requireBoolean(op, 'exclusive', exclusive)
  requireBoolean(op, 'reverse', reverse)
  const at = normalizeAxis(op, axis, x.shape)
  const fold = (operand: Tensor): Tensor => cumulativeOf(operand, { kind, axis: at, exclusive, reverse })
  return kind === 'sum' || kind === 'prod' ? inF32(accumulated(x), fold) : fold(requireOrdered(op, x))
}

function requireOrdered(op: string, x: Tensor): Tensor {
  requireNumeric(op, x)
  const large: readonly DType[] = ['i32', 'u32']
  if (!isFloat(x.dtype) && !large.includes(x.dtype))
    throw dtypeError(op, 'operands must be floats, i32 or u32', show(x), "cast them first, as in cast(x, 'i32')")
  return x
}

/** Running sums along an axis. Dtypes as in `sum`. */
export function cumsum(x: Tensor, options: CumulativeOptions = {}): Tensor {
  return cumulative('cumsum', 'sum', x, options)
}

/** Running products along an axis. Dtypes as in `prod`. */
export function cumprod(x: Tensor, options: CumulativeOptions = {}): Tensor {
  return cumulative('cumprod', 'prod', x, options)
}

/** Running maxima along an axis; NaN stays from where it appears. */
export function cummax(x: Tensor, options: CumulativeOptions = {}): Tensor {
  return cumulative('cummax', 'max', x, options)
}

/** Running minima along an axis; NaN stays from where it appears. */
export function cummin(x: Tensor, options: CumulativeOptions = {}): Tensor {
  return cumulative('cummin', 'min', x, options)
}
