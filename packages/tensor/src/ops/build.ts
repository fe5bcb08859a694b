/** Small pieces of graph that the operators are composed of. No checks here: operators have checked before. */
import type { ReduceName } from '../graph/primitive.js'
import type { DType } from '../dtype.js'
import {
  binary,
  broadcast,
  castTo,
  compare,
  custom,
  iota,
  reduceOver,
  reshapeTo,
  scalarConst,
  select,
  stopGradientOf,
  unary,
} from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sizeOf } from '../shape.js'

export function isNarrow(dtype: DType): boolean {
  return dtype === 'f16' || dtype === 'bf16'
}

/** The dtype that floats are computed in inside an operator. */
export function toF32(x: Tensor): Tensor {
  return isNarrow(x.dtype) ? castTo(x, 'f32') : x
}

/** f(x) with narrow floats widened for `f` and rounded once after it. */
export function inF32(x: Tensor, f: (wide: Tensor) => Tensor): Tensor {
  return isNarrow(x.dtype) ? castTo(f(castTo(x, 'f32')), x.dtype) : f(x)
}

/** A constant of the shape and dtype of `like`. */
export function constant(value: number, like: Tensor): Tensor {
  return broadcast(scalarConst(value, like.dtype), like.shape)
}

export function plus(x: Tensor, y: Tensor | number): Tensor {
  return binary('add', x, typeof y === 'number' ? constant(y, x) : y)
}

export function minus(x: Tensor, y: Tensor | number): Tensor {
  return binary('sub', x, typeof y === 'number' ? constant(y, x) : y)
}

export function times(x: Tensor, y: Tensor | number): Tensor {
  return binary('mul', x, typeof y === 'number' ? constant(y, x) : y)
}

export function over(x: Tensor | number, y: Tensor | number): Tensor {
  if (typeof x === 'number') return binary('div', constant(x, y as Tensor), y as Tensor)
  return binary('div', x, typeof y === 'number' ? constant(y, x) : y)
}

/** select(cond, a, b) where numbers are constants like the other branch. */
export function choose(cond: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  const like = (typeof a === 'number' ? b : a) as Tensor
  return select(cond, typeof a === 'number' ? constant(a, like) : a, typeof b === 'number' ? constant(b, like) : b)
}

export function isLess(x: Tensor, y: number): Tensor {
  return compare('lt', x, constant(y, x))
}

export function isEqual(x: Tensor, y: number): Tensor {
  return compare('eq', x, constant(y, x))
}

/** The shape with the reduced axes kept as 1. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((n, k) => (axes.includes(k) ? 1 : n))
}

/** A reduced tensor spread again over the shape it was reduced from. */
export function spread(reduced: Tensor, shape: readonly number[], axes: readonly number[]): Tensor {
  return broadcast(reshapeTo(reduced, keptShape(shape, axes)), shape)
}

/** Reduces and spreads again over the same axes. */
export function reduceAndSpread(kind: ReduceName, x: Tensor, axes: readonly number[]): Tensor {
  return spread(reduceOver(kind, x, axes), x.shape, axes)
}

/** Number of elements that a reduction folds into one. */
export function foldedCount(shape: readonly number[], axes: readonly number[]): number {
  return sizeOf(axes.map((axis) => shape[axis]))
}

/** The mean over axes, dropped. */
export function meanOver(x: Tensor, axes: readonly number[]): Tensor {
  return over(reduceOver('sum', x, axes), foldedCount(x.shape, axes))
}

/**
 * The maximum over axes, dropped and without derivative. A shift by it changes no value of a normalised exponential,
 * so its derivative is left out.
 */
export function maxForShift(x: Tensor, axes: readonly number[]): Tensor {
  return stopGradientOf(reduceOver('max', x, axes))
}

/** `shift`, with 0 where it is infinite: inf - inf would make NaN. */
export function finiteShift(shift: Tensor): Tensor {
  const finite = compare('lt', unary('abs', shift), constant(Infinity, shift))
  return choose(finite, shift, 0)
}

/** √x whose derivative at 0 is 0 instead of infinity. */
export function sqrtFlatAtZero(x: Tensor): Tensor {
  const zero = isEqual(x, 0)
  return choose(zero, 0, unary('sqrt', choose(zero, 1, x)))
}

/** 0 … n-1 along `axis` of a tensor of `shape`. */
export function coordinates(shape: readonly number[], axis: number, dtype: 'i32' | 'u32' | 'f32' = 'i32'): Tensor {
  const row = shape.map((_, k) => (k === axis ? shape[axis] : 1))
  return broadcast(reshapeTo(iota(shape[axis], dtype), row), shape)
}

/**
 * An elementwise function of one f32 operand with a derivative written by hand.
 * @param slope its derivative as an ordinary differentiable function
 */
export function pointwise(name: string, x: Tensor, value: (x: Tensor) => Tensor, slope: (x: Tensor) => Tensor): Tensor {
  const [y] = custom([x], [value(x)], {
    name,
    throughBody: false,
    vjp: ([cotangent], [operand]) => [times(cotangent, slope(operand))],
    jvp: ([tangent], [operand]) => [times(tangent, slope(operand))],
  })
  return y
}
